#!/usr/bin/env python3
"""Writes src/openapi/schemas.zlib: the schemas and the query parameters of the OpenAPI documents.

    git clone --depth 1 -b v1.36.2 https://github.com/kubernetes/kubernetes
    python3 openapi.py kubernetes ../src/openapi/schemas.zlib

NOTICE: derived from the OpenAPI definitions of Kubernetes, Copyright The Kubernetes Authors, Apache License 2.0.
Takes the versions that are served by default, as listed in src/discovery/resources.txt. The repository's documents were made
without the values of enumerations, which a server tells; they are taken from the generated Go definitions. Format, after decompression: lines
`name<TAB>JSON`, sorted by name. A name with a question mark in front is a query parameter: `?limit`, or, where parameters of
one name differ, `?fieldManager patch`, `?container PodExecOptions`, `?container log`.
"""

import json
import os
import re
import sys
import zlib

GENERATED = "pkg/generated/openapi/zz_generated.openapi.go"


def documents(folder):
    table = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../src/discovery/resources.txt")
    group = ""
    files = ["api_openapi.json", "apis_openapi.json", "version_openapi.json", "apis__apps_openapi.json"]
    for letter, *words in (line.split() for line in open(table) if not line.startswith("#")):
        if letter == "G":
            group = words[0]
        elif letter == "V":
            files.append("api__v1_openapi.json" if group == "-" else "apis__%s__%s_openapi.json" % (group, words[0]))
    return [json.load(open(os.path.join(folder, "v3", name))) for name in files]


def variant(path, method, operation):
    kind = operation.get("x-kubernetes-group-version-kind", {}).get("kind", "")
    if kind.endswith("Options"):
        return " " + kind
    return " log" if path.endswith("/log") else ""


def parameters(document):
    for path, item in document["paths"].items():
        operations = [(m, o) for m, o in item.items() if m != "parameters"]
        for method, operation in operations:
            for parameter in operation.get("parameters", []) + item.get("parameters", []):
                if parameter["in"] != "query":
                    continue
                extra = variant(path, method, operation)
                if parameter["name"] == "fieldManager" and "required for apply" in parameter["description"]:
                    extra = " patch"
                yield "?" + parameter["name"] + ("" if parameter["name"] == "pretty" else extra), parameter


def enumerations(text):
    """Schema name, property, whether its items are meant, values, description with what the values mean."""
    for name, body in re.findall(r"^func schema_k8sio_api_(\w+)\(ref .*?\{\n(.*?)^\}", text, re.M | re.S):
        group, version, kind = name.split("_", 2)
        field = description = None
        for line in body.splitlines():
            indent = len(line) - len(line.lstrip("\t"))
            key = re.match(r'\t{5}"([^"]+)": \{$', line)
            if key:
                field, description = key.group(1), None
            elif field and indent == 7 and line.strip().startswith("Description:"):
                description = json.loads(line.strip()[len("Description:"):].strip().rstrip(","))
            elif field and line.strip().startswith("Enum:"):
                values = json.loads("[%s]" % re.search(r"\{\}\{(.*)\}", line).group(1))
                yield "io.k8s.api.%s.%s.%s" % (group, version, kind), field, indent > 7, values, description


def add_enumerations(found, text):
    for name, field, in_items, values, description in enumerations(text):
        schema = found.get(name, {}).get("properties", {}).get(field)
        if schema is None:
            continue
        if description:
            schema["description"] = description
        inner = schema.get("items") or schema.get("additionalProperties")
        (inner if in_items else schema)["enum"] = values


def main():
    found = {}
    folder = os.path.join(sys.argv[1], "api/openapi-spec")
    for document in documents(folder):
        found.update(document["components"].get("schemas", {}))
        found.update(parameters(document))
    # Documents of version 3 tell of a type that is a kind of every group only the kinds of their own group.
    for name, schema in json.load(open(os.path.join(folder, "swagger.json")))["definitions"].items():
        if name in found and "x-kubernetes-group-version-kind" in schema:
            found[name] = dict(found[name], **{"x-kubernetes-group-version-kind": schema["x-kubernetes-group-version-kind"]})
    add_enumerations(found, open(os.path.join(sys.argv[1], GENERATED)).read())
    text = "".join("%s\t%s\n" % (name, json.dumps(found[name], separators=(",", ":"), sort_keys=True)) for name in sorted(found))
    open(sys.argv[2], "wb").write(zlib.compress(text.encode(), 9))


if __name__ == "__main__":
    main()
