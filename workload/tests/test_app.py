"""The application alone, in this process, with a stand-in for Redis."""

import pytest
import redis
from fastapi.testclient import TestClient

from app import main


class FakeRedis:
    def __init__(self):
        self.data = {}

    def incr(self, key):
        self.data[key] = self.data.get(key, 0) + 1
        return self.data[key]

    def set(self, key, value, ex=None):
        self.data[key] = value

    def get(self, key):
        return self.data.get(key)


class NoRedis:
    def __getattr__(self, name):
        def fail(*arguments, **options):
            raise redis.ConnectionError("refused")

        return fail


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setattr(main.store, "client", FakeRedis())
    main.app.state.ready = True
    return TestClient(main.app)


@pytest.fixture
def without_redis(client, monkeypatch):
    monkeypatch.setattr(main.store, "client", NoRedis())
    return client


def test_hello_names_the_application_and_the_host(client):
    answer = client.get("/").json()
    assert answer["message"] == "Hello from fastapi-k8s" and answer["hostname"]


def test_readiness_can_be_turned_off_and_on_and_health_does_not_care(client):
    assert client.get("/ready").status_code == 200
    client.post("/ready/disable")
    assert (client.get("/ready").status_code, client.get("/health").status_code) == (503, 200)
    client.post("/ready/enable")
    assert client.get("/ready").json() == {"ready": True}


def test_crash_answers_before_it_exits_with_1(client, monkeypatch):
    exits = []
    monkeypatch.setattr(main.os, "_exit", exits.append)
    monkeypatch.setattr(main, "CRASH_DELAY_SECONDS", 0)
    with client:
        assert client.post("/crash").json() == {"crash": True}
        client.get("/health")
    assert exits == [1]


@pytest.mark.parametrize(("seconds", "burnt"), [("0.5", 0.5), ("60", 30.0)])
def test_stress_is_bounded(client, monkeypatch, seconds, burnt):
    seen = []
    monkeypatch.setattr(main, "burn", seen.append)
    assert client.get("/stress", params={"seconds": seconds}).json() == {"stress": burnt}
    assert seen == [burnt]


@pytest.mark.parametrize("seconds", ["x", "-1", "nan", "inf"])
def test_stress_refuses_what_is_no_duration(client, seconds):
    assert client.get("/stress", params={"seconds": seconds}).status_code == 422


def test_info_shows_the_downward_api(client, monkeypatch):
    monkeypatch.setenv("POD_NAME", "a-pod")
    answer = client.get("/info").json()
    assert answer["pod_name"] == "a-pod" and answer["node_name"] is None


def test_config_shows_no_secret(client):
    assert "password" not in client.get("/config").text


def test_visits_keys_and_sessions(client):
    assert [client.get("/visits").json()["visits"] for _ in range(2)] == [1, 2]
    assert client.get("/kv/a").status_code == 404
    client.post("/kv/a", json={"value": "x"})
    assert client.get("/kv/a").json() == {"key": "a", "value": "x"}
    token = client.post("/login", json={"username": "ada"}).json()["token"]
    assert client.get("/me", headers={"Authorization": f"Bearer {token}"}).json() == {"username": "ada"}
    assert client.get("/me").status_code == 401
    assert client.post("/kv/a", json={}).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/visits", None), ("GET", "/kv/a", None), ("POST", "/kv/a", {"value": "x"}), ("POST", "/login", {"username": "ada"})],
)
def test_without_redis_these_answer_503_and_the_rest_lives(without_redis, method, path, body):
    answer = without_redis.request(method, path, json=body)
    assert answer.status_code == 503 and answer.json() == {"detail": "Redis is not available at redis:6379"}
    assert without_redis.get("/ready").status_code == 200
