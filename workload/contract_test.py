#!/usr/bin/env python3
"""Proves the profiles that the simulator runs against the real programs.

Reads profiles/fastapi-k8s.yaml and profiles/redis.yaml, starts the application and redis-server, and checks each claim:
every case of every endpoint (status, content type, body), what it changes, logs, start, stop and crash, CPU and memory.
A case that no request here reaches is a failure too, and so is a route of the application that the profile lacks.

Bodies must be equal to what the profile computes. Times and sizes depend on the machine and have room (see ROOM).
Not proved here, because their programs are not at hand: the profiles of nginx, busybox, the recorded server, the default.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

HERE = Path(__file__).parent
# A measured time or size may be this many times smaller or larger than claimed.
ROOM = {"startup time": 5, "startup CPU": 3, "memory": 1.6}
STOP_ROOM_SECONDS = 2.0
TICKS = os.sysconf("SC_CLK_TCK")
ENVIRONMENT = {
    "APP_NAME": "contract",
    "LOG_LEVEL": "info",
    "MAX_STRESS_SECONDS": "2",
    "POD_NAME": "contract-1",
    "CPU_LIMIT": "200",
}
results = []


def prove(claim, holds, seen=""):
    results.append((claim, bool(holds)))
    if not holds:
        print(f"FAIL {claim}\n     seen: {seen}", flush=True)


def equal(claim, expected, seen):
    prove(claim, expected == seen, f"{seen!r}, claimed {expected!r}")


def near(claim, kind, expected, seen):
    room = ROOM[kind]
    prove(f"{claim} is about {expected:g}", expected / room <= seen <= expected * room, f"{seen:g}")


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(us|ms|s|m|h)?", str(text)).groups()
    return int(number) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, None: 0}[unit]


def size(text):
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)?", str(text)).groups()
    return int(number) << {None: 0, "Ki": 10, "Mi": 20, "Gi": 30}[unit]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(condition, limit=20.0):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    return None


class Program:
    """A real program with its log, CPU and memory."""

    def __init__(self, argv, environment, port):
        self.log_file = tempfile.NamedTemporaryFile("w+", suffix=".log")
        self.port, self.began = port, time.monotonic()
        base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.process = subprocess.Popen(
            argv, cwd=HERE, env=base | environment, stdout=self.log_file if "redis" in argv[0] else subprocess.DEVNULL, stderr=self.log_file
        )

    def wait_until_listening(self):
        def connects():
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", self.port)) == 0

        if not eventually(connects):
            sys.exit(f"the program does not listen:\n{self.log()}")
        return time.monotonic() - self.began

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_bytes(self):
        return int(status_field(self, "VmRSS")) << 10

    def log(self):
        text = Path(self.log_file.name).read_text()
        return text.replace(f"[{self.process.pid}]", "[1]").replace(f":{self.port} ", ":8000 ")

    def exit_code(self, limit):
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            return None

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log_file.close()


class World:
    """What the profile says about one request: holes, conditions and effects are worked out here from the YAML alone."""

    def __init__(self, spec, environment):
        self.spec, self.environment = spec, environment
        self.state, self.data, self.backend_up = dict(spec.get("state", {})), {}, False
        self.reached, self.tokens = set(), []

    def fill(self, value, scope):
        if isinstance(value, dict):
            return {key: self.fill(inner, scope) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.fill(inner, scope) for inner in value]
        if not isinstance(value, str):
            return value
        whole = re.fullmatch(r"\$\{([^}]*)\}", value)
        if whole:
            return self.hole(whole[1], scope)
        return re.sub(r"\$\{([^}]*)\}", lambda match: self.text(self.hole(match[1], scope)), value)

    @staticmethod
    def text(value):
        return "" if value is None else value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))

    def hole(self, inside, scope):
        inside, _, keep = inside.partition("|")
        path, has_default, default = inside.partition(":-")
        where, _, name = path.partition(".")
        value = {
            "env": lambda: self.environment.get(name),
            "hostname": socket.gethostname,
            "state": lambda: self.state.get(name),
            "backend": lambda: scope["backend"][1],
            "random": lambda: RANDOM,
        }.get(where, lambda: scope[where].get(name))()
        if has_default and value in (None, ""):
            value = default
        if keep == "number":
            return None if value is None else int(value) if re.fullmatch(r"-?\d+", self.text(value)) else float(value)
        if keep == "bearer":
            return value[7:] if value and value.startswith("Bearer ") else None
        return value

    def expect(self, method, path, query, body, headers):
        """The endpoint, the answer claimed and the effects; None for the endpoint when there is none."""
        on_path = []
        for endpoint in self.spec["endpoints"]:
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", endpoint["path"])
            match = re.fullmatch(pattern, path)
            if match:
                on_path.append((endpoint, match.groupdict()))
        for endpoint, names in on_path:
            if endpoint["method"] == method:
                body = body if isinstance(body, dict) else {}
                scope = {"path": names, "query": dict(query), "body": body, "header": headers, "let": {}, "backend": (None, None)}
                return self.case(endpoint, scope)
        answer = self.spec["methodNotAllowed" if on_path else "notFound"]
        return answer["status"], self.type_of(answer), answer["body"], []

    def case(self, endpoint, scope):
        for param in endpoint.get("params", []):
            refused = self.read_param(endpoint, param, scope)
            if refused:
                return refused
        for binding in endpoint.get("let", []):
            scope["let"][binding["name"]] = self.fill(binding["value"], scope)
        if "backend" in endpoint:
            scope["backend"] = self.call(endpoint["backend"], scope)
        for index, case in enumerate(endpoint["cases"]):
            if self.holds(case.get("when", {}), scope):
                self.reached.add((endpoint["method"], endpoint["path"], index))
                effects = [self.fill(effect, scope) for effect in case.get("effects", [])]
                return case["status"], self.type_of(case), self.fill(case.get("body"), scope), effects
        sys.exit(f"{endpoint['method']} {endpoint['path']}: no case of the profile holds")

    def read_param(self, endpoint, param, scope):
        given = scope["query"].get(param["name"], param["default"])
        name = (endpoint["method"], endpoint["path"], param["name"])
        try:
            value = float(given)
        except ValueError:
            return self.refuse(name, "invalid", param, scope)
        if value < param.get("minimum", value):
            return self.refuse(name, "belowMinimum", param, scope)
        scope["query"][param["name"]] = float(min(value, self.fill(param.get("atMost", value), scope)))
        return None

    def refuse(self, name, field, param, scope):
        self.reached.add((*name, field))
        return param[field]["status"], self.type_of(param[field]), self.fill(param[field]["body"], scope), []

    @staticmethod
    def type_of(answer):
        return answer.get("contentType", "application/json")

    def holds(self, when, scope):
        return (
            all(self.state.get(name) == value for name, value in when.get("state", {}).items())
            and all(self.fill(value, scope) is None for value in when.get("missing", []))
            and when.get("backend", scope["backend"][0]) == scope["backend"][0]
        )

    def call(self, backend, scope):
        if any(self.fill(value, scope) is None for value in backend.get("requires", [])):
            return None, None
        if not self.backend_up:
            return "unavailable", None
        verb, key, *rest = [self.text(self.fill(word, scope)) for word in backend["command"]]
        if verb == "INCR":
            self.data[key] = self.data.get(key, 0) + 1
            return "value", self.data[key]
        if verb == "SET":
            self.data[key] = rest[0]
            return "value", "OK"
        return ("value", self.data[key]) if key in self.data else ("nil", None)

    def cases(self):
        for endpoint in self.spec["endpoints"]:
            name = (endpoint["method"], endpoint["path"])
            yield from ((*name, index) for index in range(len(endpoint["cases"])))
            for param in endpoint.get("params", []):
                yield from ((*name, param["name"], field) for field in ("invalid", "belowMinimum") if field in param)


RANDOM = "<32 hexadecimal digits>"


def request(port, method, path, query=(), body=None, headers=None):
    target = path + ("?" + "&".join(f"{name}={value}" for name, value in dict(query).items()) if query else "")
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    payload = None if body is None else body if isinstance(body, str) else json.dumps(body)
    client.request(method, target, payload, {"content-type": "application/json"} | (headers or {}))
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    return answer.status, answer.headers.get("content-type", ""), text


def ask(program, world, line, query=(), body=None, headers=None):
    """One request: the real answer must be the claimed one, byte for byte."""
    method, path = line.split()
    claimed = world.expect(method, path, query, body, headers or {})
    status, kind, text = request(program.port, method, path, query, body, headers)
    name = f"{line} {dict(query) or ''}{' without Redis' if not world.backend_up else ''}".strip()
    equal(f"{name}: status", claimed[0], status)
    equal(f"{name}: content type", claimed[1], kind)
    separators = (", ", ": ") if world.spec.get("jsonStyle") == "spaced" else (",", ":")
    expected = json.dumps(claimed[2], separators=separators, ensure_ascii=False)
    if RANDOM in expected:
        pattern = re.escape(expected).replace(re.escape(RANDOM), "[0-9a-f]{32}")
        prove(f"{name}: body", re.fullmatch(pattern, text), text)
    else:
        equal(f"{name}: body", expected, text)
    return text, claimed[3]


def apply(program, world, line, query=()):
    """One request with effects, and the proof of each effect."""
    before = program.log()
    cpu = program.cpu_seconds()
    answered = time.monotonic()
    _, effects = ask(program, world, line, query)
    prove(f"{line}: the profile claims effects", effects, effects)
    for effect in effects:
        world.state.update(effect.get("set", {}))
        if "log" in effect:
            equal(f"{line}: log", before + effect["log"] + "\n", eventually(lambda: program.log() != before and program.log()))
        if "burnSeconds" in effect:
            prove_burn(program, line, effect["burnSeconds"], cpu)
        if "exit" in effect:
            code = program.exit_code(seconds(effect["exit"]["after"]) + STOP_ROOM_SECONDS)
            equal(f"{line}: exit code", effect["exit"]["code"], code)
            prove(f"{line}: exits after {effect['exit']['after']}", time.monotonic() - answered >= seconds(effect["exit"]["after"]) * 0.9)


def prove_burn(program, line, burn, cpu):
    # On a busy machine nobody gets a whole CPU: a thread of ours, busy for as long, says how much one gets now.
    ours, until = time.process_time(), time.monotonic() + burn
    while time.monotonic() < until:
        pass
    ours = time.process_time() - ours
    time.sleep(0.3)
    used = program.cpu_seconds() - cpu
    enough = 0.6 * burn if ours > 0.9 * burn else 0.3 * ours
    prove(f"{line}: one thread busy for {burn:g} s", enough <= used <= 1.2 * burn + 0.1, f"{used:.2f} s of CPU, ours {ours:.2f} s")
    cpu = program.cpu_seconds()
    time.sleep(0.5)
    prove(f"{line}: idle afterwards", program.cpu_seconds() - cpu < 0.15, f"{program.cpu_seconds() - cpu:.2f} s of CPU")


def application(environment, wait=True):
    port = free_port()
    argv = json.loads(json.dumps(APP["image"]["cmd"]))
    argv[0] = sys.executable
    program = Program(argv, environment | {"PORT": str(port)}, port)
    took = program.wait_until_listening() if wait else 0
    return program, took


def redis_server(directory, *arguments):
    port = free_port()
    argv = [*REDIS["image"]["cmd"], "--port", str(port), "--bind", "127.0.0.1", "--dir", directory, *arguments]
    program = Program(argv, {}, port)
    program.wait_until_listening()
    # The port is open while the data is still being read.
    eventually(lambda: "Ready to accept" in program.log())
    return program


def without_redis():
    environment = ENVIRONMENT | {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(free_port())}
    program, _ = application(environment)
    program.close()
    program, took = application(environment)
    world = World(APP, environment)
    # The load of the machine makes it slower, never faster.
    load = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    near("startup.delay (seconds to listen)", "startup time", seconds(APP["startup"]["delay"]), took / load)
    near("startup.cpu (seconds)", "startup CPU", seconds(APP["startup"]["cpu"]), program.cpu_seconds())
    equal("logs.started", "\n".join(APP["logs"]["started"]) + "\n", eventually(lambda: "running on" in program.log() and program.log()))
    near("resources.memory (bytes)", "memory", size(APP["resources"]["memory"]), program.memory_bytes())
    cpu = program.cpu_seconds()
    time.sleep(2)
    idle = (program.cpu_seconds() - cpu) / 2 * 1000
    prove("resources.idleMillicores is small", idle <= APP["resources"]["idleMillicores"] + 20, f"{idle:g}")

    for path in ("/", "/health", "/ready", "/info", "/config"):
        ask(program, world, f"GET {path}")
    ask(program, world, "GET /nothing")
    ask(program, world, "GET /crash")
    ask(program, world, "POST /health")
    apply(program, world, "POST /ready/disable")
    ask(program, world, "GET /ready")
    ask(program, world, "GET /health")
    apply(program, world, "POST /ready/enable")
    ask(program, world, "GET /ready")
    ask(program, world, "GET /stress", {"seconds": "x"})
    ask(program, world, "GET /stress", {"seconds": "-1"})
    apply(program, world, "GET /stress", {"seconds": "1"})
    apply(program, world, "GET /stress")
    redis_endpoints(program, world)
    ask(program, world, "GET /me", headers={"authorization": "Bearer 0"})
    ask(program, world, "GET /ready")
    prove_routes(program)
    apply(program, world, "POST /crash")
    program.close()
    return world


def redis_endpoints(program, world):
    ask(program, world, "GET /visits")
    ask(program, world, "GET /visits")
    ask(program, world, "GET /kv/a")
    ask(program, world, "POST /kv/a", body={"value": 'x "y" ü'})
    ask(program, world, "GET /kv/a")
    text, _ = ask(program, world, "POST /login", body={"username": "ada"})
    ask(program, world, "POST /kv/a")
    ask(program, world, "POST /login")
    ask(program, world, "GET /me")
    return text


def with_redis(reached):
    with tempfile.TemporaryDirectory() as directory:
        server = redis_server(directory, "--requirepass", "secret")
        environment = ENVIRONMENT | {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port), "REDIS_PASSWORD": "secret"}
        program, _ = application(environment)
        world = World(APP, environment)
        world.backend_up = True
        token = json.loads(redis_endpoints(program, world))["token"]
        world.data[f"session:{token}"] = "ada"
        ask(program, world, "GET /me", headers={"authorization": f"Bearer {token}"})
        ask(program, world, "GET /me", headers={"authorization": "Bearer forged"})
        server.close()
        world.backend_up = False
        ask(program, world, "GET /visits")
        stop(program)
    missing = sorted(set(world.cases()) - world.reached - reached, key=str)
    equal("every case of the profile was reached", [], missing)


def prove_routes(program):
    routes = json.loads(request(program.port, "GET", "/openapi.json")[2])["paths"]
    real = {(method.upper(), path) for path, methods in routes.items() for method in methods}
    claimed = {(endpoint["method"], endpoint["path"]) for endpoint in APP["endpoints"]}
    equal("routes of the application that the profile lacks", set(), real - claimed)
    equal("routes of the profile that the application lacks", set(), claimed - real)


def stop(program):
    """SIGTERM: the exit code, how soon, and what is logged."""
    before = program.log()
    began = time.monotonic()
    program.process.send_signal(signal.SIGTERM)
    equal("stop.code on SIGTERM", APP["stop"]["code"], program.exit_code(seconds(APP["stop"]["delay"]) + STOP_ROOM_SECONDS))
    took = time.monotonic() - began
    prove(f"stop.delay is about {APP['stop']['delay']}", took <= seconds(APP["stop"]["delay"]) + STOP_ROOM_SECONDS / 2, f"{took:.2f} s")
    equal("logs.stopped", before + "\n".join(APP["logs"]["stopped"]) + "\n", program.log())
    program.close()


def signals():
    equal("stop.onTerm", "exit", APP["stop"]["onTerm"])
    program, _ = application(ENVIRONMENT, wait=False)
    caught = eventually(lambda: int(status_field(program, "SigCgt"), 16) >> (signal.SIGTERM - 1) & 1, limit=5)
    prove("a handler for SIGTERM is there before the program listens", caught and not program.log(), program.log())
    program.process.send_signal(signal.SIGTERM)
    code = program.exit_code(STOP_ROOM_SECONDS)
    equal("stop.whileStarting: SIGTERM before it listens", (True, APP["stop"]["code"]), (APP["stop"]["whileStarting"], code))
    program.close()


def status_field(program, name):
    return re.search(rf"{name}:\s+(\w+)", Path(f"/proc/{program.process.pid}/status").read_text())[1]


def backend_timeout():
    """A Redis that accepts and never answers: the application gives up after `backend.timeout`."""
    claimed = next(e["backend"]["timeout"] for e in APP["endpoints"] if "backend" in e)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = ENVIRONMENT | {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(silent.getsockname()[1])}
        program, _ = application(environment)
        began = time.monotonic()
        ask(program, World(APP, environment), "GET /visits")
        took = time.monotonic() - began
        prove(f"backend.timeout is {claimed}", 0.9 * seconds(claimed) <= took <= seconds(claimed) + 1.5, f"{took:.2f} s")
        program.close()


def prove_redis():
    with tempfile.TemporaryDirectory() as directory:
        server = redis_server(directory, "--requirepass", "s3")
        for line in REDIS["logs"]["started"]:
            prove(f"redis logs {line!r}", line in server.log(), server.log()[-300:])
        equal("redis asks for its password", "NOAUTH Authentication required.", command(server, None, "PING"))
        wrong = "WRONGPASS invalid username-password pair or user is disabled."
        equal("redis compares the password", wrong, command(server, "no", "PING"))
        equal("redis PING", "PONG", command(server, "s3", "PING"))
        equal("redis INCR", [1, 2], [command(server, "s3", "INCR n") for _ in range(2)])
        equal("redis SET and GET", ["OK", "x", None], [command(server, "s3", line) for line in ("SET t x", "GET t", "GET gone")])
        equal("redis INCR of text", "ERR value is not an integer or out of range", command(server, "s3", "INCR t"))
        equal("redis DEL and DBSIZE", [1, 1], [command(server, "s3", line) for line in ("DEL t", "DBSIZE")])
        command(server, "s3", "SET short 1 EX 1")
        time.sleep(1.2)
        equal("redis forgets a key with EX", None, command(server, "s3", "GET short"))
        near("redis memory (bytes)", "memory", size(REDIS["resources"]["memory"]), server.memory_bytes())
        server.process.send_signal(signal.SIGTERM)
        equal("redis exits on SIGTERM", REDIS["stop"]["code"], server.exit_code(STOP_ROOM_SECONDS))
        for line in REDIS["logs"]["stopped"]:
            prove(f"redis logs {line!r}", line in server.log(), server.log()[-300:])
        server.close()
    for arguments, how, kept in ((("--appendonly", "yes"), signal.SIGKILL, "v"), ((), signal.SIGTERM, "v"), ((), signal.SIGKILL, None)):
        with tempfile.TemporaryDirectory() as directory:
            server = redis_server(directory, *arguments)
            command(server, None, "SET k v")
            server.process.send_signal(how)
            server.exit_code(5)
            server.close()
            server = redis_server(directory, *arguments)
            equal(f"redis data after {how.name} with {' '.join(arguments) or 'snapshots'}", kept, command(server, None, "GET k"))
            equal("redis without a password takes any", "PONG", command(server, "any", "PING"))
            server.close()


def command(server, password, line):
    """One command over a connection of its own, after AUTH if there is a password (as the user default, like redis-py)."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as client, client.makefile("rb") as replies:
        if password is not None:
            client.sendall(f"AUTH default {password}\r\n".encode())
            answer = reply(replies)
            if answer != "OK":
                return answer
        client.sendall(f"{line}\r\n".encode())
        return reply(replies)


def reply(replies):
    kind, text = (lambda line: (line[:1], line[1:]))(replies.readline().decode().strip())
    if kind == ":":
        return int(text)
    if kind == "$":
        return None if text == "-1" else replies.read(int(text) + 2)[:-2].decode()
    return text


def profile(name):
    return yaml.safe_load((HERE / "profiles" / f"{name}.yaml").read_text())["spec"]


APP, REDIS = profile("fastapi-k8s"), profile("redis")


def main():
    reached = without_redis().reached
    with_redis(reached)
    signals()
    backend_timeout()
    prove_redis()
    failed = [claim for claim, holds in results if not holds]
    print(f"contract: {len(results) - len(failed)} of {len(results)} claims hold" + ("" if not failed else ", these do not:"))
    for claim in failed:
        print(f"  - {claim}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
