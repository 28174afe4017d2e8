#!/usr/bin/env python3
"""Writes src/discovery/resources.txt: the resources that the API server serves by default, in the order it tells them.

    git clone --depth 1 -b v1.36.2 https://github.com/kubernetes/kubernetes
    python3 resources.py kubernetes/api/openapi-spec/v3 > ../src/discovery/resources.txt

Format. `G group priority`, then its versions, the preferred first: `V version`, then its resources in order:
`R plural Kind N|C verbs stored` (N in a namespace, C in the cluster; `verbs` is `all` or a comma list; `stored` is the
group/version/Kind it is stored at, `-` if it is not stored) and, under it, `S subresource group/version/Kind verbs`.
Singular names, short names and categories are in the table of kinds.
"""

import json
import os
import re
import sys

# Group priorities of the aggregator; versions in the order of theirs.
GROUPS = [("", 18000, ["v1"]), ("apiregistration.k8s.io", 18000, ["v1"]), ("apps", 17800, ["v1"]), ("events.k8s.io", 17750, ["v1"]),
          ("authentication.k8s.io", 17700, ["v1"]), ("authorization.k8s.io", 17600, ["v1"]), ("autoscaling", 17500, ["v2", "v1"]),
          ("batch", 17400, ["v1"]), ("certificates.k8s.io", 17300, ["v1"]), ("networking.k8s.io", 17200, ["v1"]),
          ("policy", 17100, ["v1"]), ("rbac.authorization.k8s.io", 17000, ["v1"]), ("storage.k8s.io", 16800, ["v1"]),
          ("admissionregistration.k8s.io", 16700, ["v1"]), ("apiextensions.k8s.io", 16700, ["v1"]), ("scheduling.k8s.io", 16600, ["v1"]),
          ("coordination.k8s.io", 16500, ["v1"]), ("node.k8s.io", 16300, ["v1"]), ("discovery.k8s.io", 16200, ["v1"]),
          ("resource.k8s.io", 16200, ["v1"]), ("flowcontrol.apiserver.k8s.io", 16100, ["v1"])]
ALL = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
VERBS = {"post": "create", "put": "update", "deletecollection": "deletecollection", "watchlist": "watch"}
# Kinds that are stored at another version than the one they are served at.
STORED = {("events.k8s.io", "events"): "/v1/Event", ("autoscaling", "horizontalpodautoscalers"): "autoscaling/v2/HorizontalPodAutoscaler",
          ("admissionregistration.k8s.io", "mutatingadmissionpolicies"): "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy",
          ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"):
              "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicyBinding"}


def verbs_of(operations):
    found = set()
    for method, operation in operations.items():
        action = operation.get("x-kubernetes-action")
        if action == "connect":
            action = {"post": "create", "put": "update"}.get(method, method)
            if action in ("head", "options"):
                continue
        found.add(VERBS.get(action, action))
    return found


def kind_of(operations):
    for operation in operations.values():
        gvk = operation.get("x-kubernetes-group-version-kind")
        if gvk:
            return "%s/%s/%s" % (gvk["group"], gvk["version"], gvk["kind"])


def resources(document, prefix):
    found = {}
    for path, item in document["paths"].items():
        rest = path[len(prefix):]
        watch = rest.startswith("/watch/")
        rest = rest[len("/watch"):] if watch else rest
        parts = [p for p in rest.split("/") if p]
        namespaced = parts[:2] == ["namespaces", "{namespace}"]
        parts = parts[2:] if namespaced and len(parts) > 2 else parts
        if not parts or parts[-1] == "{path}":
            continue
        name = "/".join([parts[0]] + parts[2:])
        operations = {m: o for m, o in item.items() if m != "parameters"}
        entry = found.setdefault(name, {"namespaced": False, "verbs": set(), "kind": None})
        entry["namespaced"] |= namespaced
        entry["verbs"] |= verbs_of(operations)
        entry["kind"] = entry["kind"] or kind_of(operations)
    return found


def text_of(verbs):
    ordered = [v for v in ALL if v in verbs]
    return "all" if ordered == ALL else ",".join(ordered)


def write_version(folder, group, version):
    prefix = "/apis/%s/%s" % (group, version) if group else "/api/v1"
    document = json.load(open(os.path.join(folder, ("apis__%s__%s" % (group, version) if group else "api__v1") + "_openapi.json")))
    found = resources(document, prefix)
    print("V " + version)
    for name in sorted(found):
        entry = found[name]
        if "/" in name:
            print("S %s %s %s" % (name.split("/")[1], entry["kind"], text_of(entry["verbs"])))
            continue
        stored = STORED.get((group, name), entry["kind"]) if "watch" in entry["verbs"] else "-"
        print("R %s %s %s %s %s" % (name, entry["kind"].split("/")[-1], "N" if entry["namespaced"] else "C", text_of(entry["verbs"]), stored))


def main():
    print("# Resources of Kubernetes v1.36 as served by default, made by tables/resources.py. Do not edit.")
    for group, priority, versions in GROUPS:
        print("G %s %d" % (group or "-", priority))
        for version in versions:
            write_version(sys.argv[1], group, version)


if __name__ == "__main__":
    main()
