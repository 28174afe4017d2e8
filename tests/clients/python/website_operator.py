"""A kopf operator: for each `Website` it keeps a Deployment of that many replicas, and tells in the status how many are ready."""

import kopf
from kubernetes import client, config

GROUP = ("example.dev", "v1", "websites")


def deployment(name, spec):
    labels = {"website": name}
    container = {"name": "web", "image": spec.get("image", "nginx"), "ports": [{"containerPort": 80}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": spec["replicas"],
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


@kopf.on.startup()
def configure(settings, **_):
    config.load_kube_config()
    settings.watching.server_timeout = 60


@kopf.on.create(*GROUP)
def create(spec, name, namespace, body, **_):
    made = deployment(name, spec)
    kopf.adopt(made)
    client.AppsV1Api().create_namespaced_deployment(namespace, made)
    kopf.info(body, reason="Deployed", message=f"a Deployment of {spec['replicas']} succeeded")
    return {"deployment": name}


@kopf.on.update(*GROUP, field="spec.replicas")
def scale(new, name, namespace, **_):
    client.AppsV1Api().patch_namespaced_deployment_scale(name, namespace, {"spec": {"replicas": new}})


@kopf.on.event("apps", "v1", "deployments", labels={"website": kopf.PRESENT})
def report(body, name, namespace, **_):
    ready = body.get("status", {}).get("readyReplicas", 0)
    patch = {"status": {"readyReplicas": ready}}
    try:
        client.CustomObjectsApi().patch_namespaced_custom_object_status(*GROUP[:2], namespace, GROUP[2], name, patch)
    except client.ApiException as refused:
        if refused.status != 404:  # it is being deleted
            raise


@kopf.on.delete(*GROUP)
def delete(name, namespace, **_):
    with_name = {"metadata": {"name": f"{name}-was-deleted"}}
    client.CoreV1Api().create_namespaced_config_map(namespace, with_name)
