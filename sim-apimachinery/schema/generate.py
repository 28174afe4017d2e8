#!/usr/bin/env python3
"""Writes src/schema/table.txt: what the API's types are made of, one line per type.

    pip download --no-deps kubernetes-validate==1.37.0
    unzip kubernetes_validate-1.37.0-py3-none-any.whl '*/v1.36.0-local/_definitions.json'
    python3 generate.py path/to/_definitions.json > ../src/schema/table.txt
    python3 order.py path/to/kubernetes ../src/schema/table.txt

The package holds the OpenAPI definitions of Kubernetes v1.36 (Apache-2.0), slightly edited: `[X, "null"]` for optional
fields is undone here, added enums are not read. go_types.txt, beside this file, says where a field's Go type has a name
that OpenAPI does not tell (`v1.PullPolicy` for a string), or is held by an embedded struct; it was made by reflection
over k8s.io/api v0.36.2 and is only read for error texts. go_shapes.txt says what Go's JSON encoding leaves out; shapes.go
writes it.

Format. `#` comments; then `K group/version/kind number` lines, sorted, that say which type a kind is; then one line per
type, numbered from 0 in order: name, `A` if a map of it is atomic, a type letter if it is no struct, and its fields as
`name:type|attributes`. Types: s b i l d y (string, bool, int32, int64, double, bytes), t u (Time, MicroTime), q
(Quantity), x (IntOrString), ? (any value), *N (type N), [T (list), {T (map). Attributes: r required, a atomic, g not atomic
though its type is, e set,
k(a,b) list map with keys, M merge, m(key) merge by key, R retainKeys, P replace, D(value) default, t(name) Go type,
n(name) embedded struct, o left out when zero, z(JSON) always there.
"""

import json
import os
import sys

SCALARS = {("string", None): "s", ("boolean", None): "b", ("integer", "int32"): "i", ("integer", "int64"): "l",
           ("number", "double"): "d", ("string", "byte"): "y"}
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
NAMED = {META + "Time": "t", META + "MicroTime": "u", "io.k8s.apimachinery.pkg.api.resource.Quantity": "q",
         "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "x"}
ANY = {META + "FieldsV1", META + "Patch", "io.k8s.apimachinery.pkg.runtime.RawExtension"}
# Server-side apply needs the defaults of list keys, which the package does not hold.
DEFAULTS = {("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP", ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
            ("io.k8s.api.core.v1.LocalObjectReference", "name"): ""}
SHAPES = {}


def read_shapes(beside):
    for text in open(os.path.join(beside, "go_shapes.txt")):
        owner, *fields = text.split()
        SHAPES.update({(owner, field.split(":", 1)[0]): field.split(":", 1)[1] for field in fields if ":" in field and owner != "#"})


def plain(schema):
    kind = schema.get("type")
    return next(k for k in kind if k != "null") if isinstance(kind, list) else kind


def type_of(schema, numbers):
    if "$ref" in schema:
        name = schema["$ref"].split("/")[-1]
        return NAMED.get(name) or "*%d" % numbers[name]
    kind = plain(schema)
    if kind == "array":
        return "[" + type_of(schema["items"], numbers)
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return "{" + type_of(schema["additionalProperties"], numbers)
    return SCALARS.get((kind, schema.get("format")), "?")


def attributes(definition, field, schema, required, go_types):
    out = "r" if field in required else ""
    if schema.get("x-kubernetes-list-type") == "atomic" or schema.get("x-kubernetes-map-type") == "atomic":
        out += "a"
    if schema.get("x-kubernetes-map-type") == "granular":
        out += "g"
    if schema.get("x-kubernetes-list-type") == "set":
        out += "e"
    if schema.get("x-kubernetes-list-type") == "map":
        out += "k(%s)" % ",".join(schema["x-kubernetes-list-map-keys"])
    strategies = schema.get("x-kubernetes-patch-strategy", "").split(",")
    merge_key = schema.get("x-kubernetes-patch-merge-key")
    if "merge" in strategies:
        out += "m(%s)" % merge_key if merge_key else "M"
    if "retainKeys" in strategies:
        out += "R"
    if "replace" in strategies:
        out += "P"
    default = DEFAULTS.get((definition, field))
    if default is not None:
        out += "D(%s)" % default
    go_type, embedded = go_types.get((definition, field), ("-", "-"))
    out += ("" if go_type == "-" else "t(%s)" % go_type) + ("" if embedded == "-" else "n(%s)" % embedded)
    return out + SHAPES.get((definition, field), "")


def line(name, schema, numbers, go_types):
    parts = [name]
    if schema.get("x-kubernetes-map-type") == "atomic" or name.endswith(".RawExtension"):
        parts.append("A")
    if name in ANY or ("properties" not in schema and plain(schema) != "object"):
        return " ".join(parts + [NAMED.get(name, "?")])
    required = schema.get("required", [])
    for field, value in sorted(schema.get("properties", {}).items()):
        extra = attributes(name, field, value, required, go_types)
        parts.append("%s:%s%s" % (field, type_of(value, numbers), "|" + extra if extra else ""))
    return " ".join(parts)


def kinds(definitions, numbers):
    for name, schema in definitions.items():
        for gvk in schema.get("x-kubernetes-group-version-kind", []):
            yield "%s/%s/%s" % (gvk["group"], gvk["version"], gvk["kind"]), numbers[name]


def main():
    definitions = json.load(open(sys.argv[1]))["$defs"]
    names = sorted(definitions)
    numbers = {name: i for i, name in enumerate(names)}
    beside = os.path.dirname(os.path.abspath(__file__))
    read_shapes(beside)
    words = [text.split() for text in open(os.path.join(beside, "go_types.txt")) if not text.startswith("#")]
    go_types = {(definition, field): (go_type, embedded) for definition, field, go_type, embedded in words}
    print("# Types of the Kubernetes API v1.36, made by schema/generate.py from kubernetes-validate 1.37.0. Do not edit.")
    print("# NOTICE: derived from the OpenAPI definitions of Kubernetes, Copyright The Kubernetes Authors, Apache License 2.0.")
    for key, number in sorted(kinds(definitions, numbers)):
        print("K %s %d" % (key, number))
    for name in names:
        print(line(name, definitions[name], numbers, go_types))


if __name__ == "__main__":
    main()
