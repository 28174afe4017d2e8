"""A session with the official Python client: create, watch, patch, logs, exec, port-forward, scale, rollout, delete.

Usage: session.py (KUBECONFIG names the cluster). Ends with 0 when everything was as a real cluster does it.
"""

import threading
import time

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream

NAMESPACE = "python-client"


def deployment(image="fastapi-k8s:latest", replicas=2):
    labels = {"app": "web"}
    container = client.V1Container(
        name="web",
        image=image,
        image_pull_policy="Never",
        ports=[client.V1ContainerPort(container_port=8000)],
        env=[client.V1EnvVar(name="APP_NAME", value="from-python")],
        readiness_probe=client.V1Probe(http_get=client.V1HTTPGetAction(path="/ready", port=8000), period_seconds=1),
    )
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[container])
    )
    spec = client.V1DeploymentSpec(
        replicas=replicas, selector=client.V1LabelSelector(match_labels=labels), template=template
    )
    return client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec)


def wait_for(what, predicate, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if predicate():
            return
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}")


def watches_until_ready(apps):
    """Follows the Deployment from the list's resource version on, as an operator would."""
    listed = apps.list_namespaced_deployment(NAMESPACE)
    seen = []
    for event in watch.Watch().stream(
        apps.list_namespaced_deployment, NAMESPACE, resource_version=listed.metadata.resource_version, timeout_seconds=60
    ):
        seen.append(event["type"])
        if (event["object"].status.ready_replicas or 0) == 2:
            return seen
    raise AssertionError(f"the watch ended before the Deployment was ready: {seen}")


def refuses(status, reason, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except ApiException as refused:
        assert refused.status == status and reason in refused.body, (refused.status, refused.body)
        return
    raise AssertionError(f"expected {status} {reason}")


def reads_logs(core, pod):
    def read(**options):
        # Undecoded: some versions of this client return the text of a bytes literal.
        return core.read_namespaced_pod_log(pod, NAMESPACE, _preload_content=False, **options).data.decode()

    text = read()
    assert "Uvicorn running" in text, text
    last = read(tail_lines=1)
    assert len(last.splitlines()) == 1, last
    stamped = read(tail_lines=1, timestamps=True)
    assert stamped[:2] == "20" and "Z " in stamped, stamped
    refuses(400, "previous terminated container", core.read_namespaced_pod_log, pod, NAMESPACE, previous=True)


def executes(core, pod):
    run = core.connect_get_namespaced_pod_exec
    assert stream(run, pod, NAMESPACE, command=["hostname"], stdout=True, stderr=True).strip() == pod
    session = stream(
        run, pod, NAMESPACE, command=["sh", "-c", "echo out; echo err >&2; exit 3"],
        stdout=True, stderr=True, _preload_content=False,
    )
    session.run_forever(timeout=10)
    assert (session.read_stdout(), session.read_stderr(), session.returncode) == ("out\n", "err\n", 3)
    shell = stream(run, pod, NAMESPACE, command=["sh"], stdin=True, stdout=True, stderr=True, _preload_content=False)
    shell.write_stdin("echo $APP_NAME\n")
    assert shell.readline_stdout(timeout=10) == "from-python"
    shell.write_stdin("exit 4\n")
    shell.run_forever(timeout=10)
    assert shell.returncode == 4, shell.returncode


def forwards(core, pod):
    forward = portforward(core.connect_get_namespaced_pod_portforward, pod, NAMESPACE, ports="8000")
    socket = forward.socket(8000)
    socket.settimeout(10)
    socket.sendall(b"GET /health HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
    answer = b""
    while piece := socket.recv(4096):
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200 OK") and b'"ok"' in answer, answer
    assert forward.error(8000) is None, forward.error(8000)


def patches(core, apps):
    core.create_namespaced_config_map(
        NAMESPACE, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="settings"), data={"a": "1", "b": "2"})
    )
    merged = core.patch_namespaced_config_map("settings", NAMESPACE, {"data": {"a": None, "c": "3"}})
    assert merged.data == {"b": "2", "c": "3"}, merged.data
    operations = [{"op": "test", "path": "/data/b", "value": "2"}, {"op": "replace", "path": "/data/b", "value": "4"}]
    assert core.patch_namespaced_config_map("settings", NAMESPACE, operations).data["b"] == "4"
    stale = core.read_namespaced_config_map("settings", NAMESPACE)
    core.patch_namespaced_config_map("settings", NAMESPACE, {"data": {"d": "5"}})
    refuses(409, "Conflict", core.replace_namespaced_config_map, "settings", NAMESPACE, stale)
    scale = apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 3}})
    assert scale.spec.replicas == 3, scale
    wait_for("three replicas", lambda: apps.read_namespaced_deployment("web", NAMESPACE).status.ready_replicas == 3)


def rolls_out(core, apps):
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "web", "env": [{"name": "APP_NAME", "value": "second"}]}]}}}}
    apps.patch_namespaced_deployment("web", NAMESPACE, patch)

    def is_done():
        found = apps.read_namespaced_deployment("web", NAMESPACE)
        status = found.status
        return (
            status.observed_generation == found.metadata.generation
            and status.updated_replicas == status.replicas == status.ready_replicas == 3
        )

    wait_for("the rollout", is_done)
    assert len(apps.list_namespaced_replica_set(NAMESPACE).items) == 2
    events = core.list_namespaced_event(NAMESPACE, field_selector="reason=ScalingReplicaSet").items
    assert events and all(event.involved_object.name == "web" for event in events)


def uses_the_dynamic_client(api):
    found = dynamic.DynamicClient(api).resources.get(api_version="apps/v1", kind="Deployment")
    applied = found.server_side_apply(
        body={"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"owner": "python"}}},
        name="web", namespace=NAMESPACE, field_manager="python-session",
    )
    assert applied.metadata.labels.owner == "python"
    managers = [entry.manager for entry in applied.metadata.managedFields]
    assert "python-session" in managers, managers


def pages(core):
    first = core.list_namespaced_pod(NAMESPACE, limit=1)
    assert len(first.items) == 1 and first.metadata._continue and first.metadata.remaining_item_count >= 1
    rest = core.list_namespaced_pod(NAMESPACE, limit=500, _continue=first.metadata._continue)
    names = {pod.metadata.name for pod in first.items + rest.items}
    assert len(names) == len(first.items) + len(rest.items)


def deletes(core, apps):
    gone = []

    def follow():
        for event in watch.Watch().stream(core.list_namespaced_pod, NAMESPACE, timeout_seconds=60):
            if event["type"] == "DELETED":
                gone.append(event["object"].metadata.name)
            if len(gone) == 3:
                return

    follower = threading.Thread(target=follow)
    follower.start()
    apps.delete_namespaced_deployment("web", NAMESPACE, propagation_policy="Foreground")
    follower.join(timeout=60)
    assert len(gone) == 3, gone
    core.delete_namespace(NAMESPACE)

    def is_gone():
        try:
            core.read_namespace(NAMESPACE)
        except ApiException as refused:
            return refused.status == 404
        return False

    wait_for("the namespace to go", is_gone)


def main():
    config.load_kube_config()
    api = client.ApiClient()
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    assert client.VersionApi(api).get_code().major == "1"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    utils.create_from_dict(api, manifest)
    refuses(409, "AlreadyExists", core.create_namespace, manifest)
    apps.create_namespaced_deployment(NAMESPACE, deployment())
    watches_until_ready(apps)
    pod = core.list_namespaced_pod(NAMESPACE, label_selector="app=web").items[0].metadata.name
    reads_logs(core, pod)
    executes(core, pod)
    forwards(core, pod)
    patches(core, apps)
    rolls_out(core, apps)
    uses_the_dynamic_client(api)
    pages(core)
    deletes(core, apps)


main()
