"""Runs the kopf operator beside this process and acts as its user: a custom resource becomes a Deployment, follows changes
of the custom resource, and goes with it.

Usage: kopf_session.py (KUBECONFIG names the cluster).
"""

import pathlib
import subprocess
import sys
import time

from kubernetes import client, config

NAMESPACE = "default"
GROUP = ("example.dev", "v1", NAMESPACE, "websites")
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "websites.example.dev"},
    "spec": {
        "group": "example.dev",
        "scope": "Namespaced",
        "names": {"plural": "websites", "singular": "website", "kind": "Website", "shortNames": ["site"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["replicas"],
                                "properties": {
                                    "replicas": {"type": "integer", "minimum": 0},
                                    "image": {"type": "string", "default": "nginx"},
                                },
                            },
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


def wait_for(what, found, seconds=60):
    until, last = time.monotonic() + seconds, None
    while time.monotonic() < until:
        try:
            last = found()
            if last:
                return last
        except client.ApiException as refused:
            last = refused
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}; last seen: {last}")


def is_gone(read, *arguments):
    try:
        read(*arguments)
    except client.ApiException as refused:
        return refused.status == 404
    return False


def session():
    core, apps, custom = client.CoreV1Api(), client.AppsV1Api(), client.CustomObjectsApi()
    site = {"apiVersion": "example.dev/v1", "kind": "Website", "metadata": {"name": "shop"}, "spec": {"replicas": 2}}

    def created():
        return custom.create_namespaced_custom_object(*GROUP, site)

    made = wait_for("the new kind to be served", created)
    assert made["spec"]["image"] == "nginx", "the schema's default is filled in"
    made = wait_for("the Deployment", lambda: apps.read_namespaced_deployment("shop", NAMESPACE))
    assert made.metadata.owner_references[0].kind == "Website"

    def ready(count):
        return lambda: custom.get_namespaced_custom_object(*GROUP, "shop").get("status", {}).get("readyReplicas") == count

    wait_for("two ready replicas in the status", ready(2))
    custom.patch_namespaced_custom_object(*GROUP, "shop", {"spec": {"replicas": 3}})
    wait_for("three ready replicas in the status", ready(3))
    told = lambda: core.list_namespaced_event(NAMESPACE, field_selector="involvedObject.kind=Website,reason=Deployed").items
    assert wait_for("the operator's event", told)[0].involved_object.name == "shop"
    finalizers = custom.get_namespaced_custom_object(*GROUP, "shop")["metadata"]["finalizers"]
    assert finalizers == ["kopf.zalando.org/KopfFinalizerMarker"], finalizers
    custom.delete_namespaced_custom_object(*GROUP, "shop")
    wait_for("the operator's last word", lambda: core.read_namespaced_config_map("shop-was-deleted", NAMESPACE))
    wait_for("the custom resource to go", lambda: is_gone(custom.get_namespaced_custom_object, *GROUP, "shop"))
    wait_for("the Deployment to go with its owner", lambda: is_gone(apps.read_namespaced_deployment, "shop", NAMESPACE))


def main():
    config.load_kube_config()
    client.ApiextensionsV1Api().create_custom_resource_definition(CRD)
    script = pathlib.Path(__file__).with_name("website_operator.py")
    command = [sys.executable, "-m", "kopf", "run", "-n", NAMESPACE, "--standalone", str(script)]
    operator = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    failed = True
    try:
        session()
        failed = False
    finally:
        operator.terminate()
        said = operator.communicate(timeout=20)[0]
        if failed:
            print("the operator said:", said[-4000:], sep="\n")
    assert "Traceback" not in said, said[-4000:]


main()
