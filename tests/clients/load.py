#!/usr/bin/env python3
"""How fast `ksim serve` answers: from its start to the first answered `kubectl get`, and p50 and p99 of get, create, list of
1,000 pods and watch delivery, one client at a time and eight at once. The times include this client's own (TLS, parsing).

Usage: tests/clients/load.py [--requests 2000] [--kubectl PROGRAM]  (KSIM: the server's program)
"""

import argparse
import base64
import http.client
import json
import os
import pathlib
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KSIM = os.environ.get("KSIM", str(ROOT / "target/release/ksim"))
PODS = 1000


class Server:
    """A fresh server; without a scheduler a pod stays as it was created."""

    def __init__(self, folder, *options):
        self.kubeconfig, self.log = folder / "kubeconfig", folder / "log"
        command = [KSIM, "serve", "--bind", "127.0.0.1:0", "--kubeconfig", str(self.kubeconfig), *options]
        self.began = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=self.log.open("wb"), stderr=subprocess.STDOUT)
        while "export KUBECONFIG" not in self.log.read_text():
            if self.process.poll() is not None:
                sys.exit(self.log.read_text())
            time.sleep(0.001)
        self.ready = time.perf_counter() - self.began
        config = json.loads(self.kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self.port, self.token = int(cluster["server"].rsplit(":", 1)[1]), config["users"][0]["user"]["token"]
        self.tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())

    def connect(self):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=60)

    def ask(self, connection, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
        return text

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)


def pod(name):
    containers = [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "b"}]}]
    return {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": {"containers": containers}}


def row(name, seconds):
    seconds = sorted(seconds)
    p99 = seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))]
    print(f"{name:42} {len(seconds):6} {statistics.median(seconds) * 1000:9.2f} {p99 * 1000:9.2f}", flush=True)


def timed(server, clients, count, action):
    """The times of `count` actions by so many clients, each with a connection of its own."""
    times, lock = [], threading.Lock()

    def work(client):
        connection, own = server.connect(), []
        server.ask(connection, "GET", "/version")
        for number in range(client, count, clients):
            began = time.perf_counter()
            action(connection, number)
            own.append(time.perf_counter() - began)
        with lock:
            times.extend(own)

    threads = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if len(times) != count:
        sys.exit("not every request was answered")
    return times


def watch_delivery(server, count):
    """From sending a create to the watcher's event."""
    seen, started = {}, threading.Event()

    def follow():
        connection = server.connect()
        path = "/api/v1/namespaces/default/configmaps"
        version = json.loads(server.ask(connection, "GET", path))["metadata"]["resourceVersion"]
        path += f"?watch=true&resourceVersion={version}&timeoutSeconds=600"
        connection.request("GET", path, headers={"Authorization": f"Bearer {server.token}"})
        answer = connection.getresponse()
        started.set()
        while len(seen) < count:
            event = json.loads(answer.readline())
            name = event["object"]["metadata"]["name"]
            if name.startswith("delivered-"):
                seen[name] = time.perf_counter()

    watcher = threading.Thread(target=follow)
    watcher.start()
    started.wait()
    time.sleep(0.2)
    connection, sent = server.connect(), {}
    for number in range(count):
        name = f"delivered-{number}"
        sent[name] = time.perf_counter()
        server.ask(connection, "POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": name}, "data": {"a": "b"}})
    watcher.join(timeout=60)
    return [seen[name] - sent[name] for name in sent]


def start_to_kubectl(kubectl, rounds=15):
    starts, answers = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(pathlib.Path(folder))
            environment = os.environ | {"KUBECONFIG": str(server.kubeconfig), "HOME": folder}
            subprocess.run([kubectl, "get", "nodes"], env=environment, check=True, stdout=subprocess.DEVNULL)
            answers.append(time.perf_counter() - server.began)
            starts.append(server.ready)
            server.stop()
    row("start to listening", starts)
    row("start to first answered kubectl get", answers)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--requests", type=int, default=2000)
    arguments.add_argument("--kubectl", default=str(ROOT / "target/clients/layers/kubectl-1.36"))
    given = arguments.parse_args()
    print(f"{'':42} {'count':>6} {'p50 ms':>9} {'p99 ms':>9}")
    if os.access(given.kubectl, os.X_OK):
        start_to_kubectl(given.kubectl)
    for clients in (1, 8):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(pathlib.Path(folder), "--without", "kube-scheduler")
            pods = "/api/v1/namespaces/default/pods"
            create = lambda connection, number: server.ask(connection, "POST", pods, pod(f"web-{number}"))
            get = lambda connection, number: server.ask(connection, "GET", f"{pods}/web-{number % PODS}")
            whole = lambda connection, number: server.ask(connection, "GET", pods)
            suffix = f", {clients} client{'s' if clients > 1 else ''}"
            row("create a pod" + suffix, timed(server, clients, PODS, create))
            row("get a pod" + suffix, timed(server, clients, given.requests, get))
            row(f"list {PODS} pods" + suffix, timed(server, clients, max(50, given.requests // 20), whole))
            if clients == 1:
                row("watch delivery after create", watch_delivery(server, min(given.requests, 1000)))
            server.stop()


main()
