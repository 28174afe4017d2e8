#!/usr/bin/env python3
"""Writes src/protobuf/messages.txt: what the protobuf messages of the API are made of, and how JSON names their fields.

    git clone --depth 1 -b v1.36.2 https://github.com/kubernetes/kubernetes
    python3 protobuf.py kubernetes/staging/src/k8s.io > ../src/protobuf/messages.txt

NOTICE: derived from the API types of Kubernetes, Copyright The Kubernetes Authors, Apache License 2.0.
Numbers and wire types are those of the generated.proto files; JSON names, and whether a field of nothing is left out, are the
tags of the Go types. Format: `P group/version package` lines, then one line per message, numbered from 0: its name and its
fields as `number:name:type`, or, for a message that is no object in JSON, `= type`. Types: s b i l d y (string, bool, int32,
int64, double, bytes), t u (Time, MicroTime), q (Quantity), x (IntOrString), r (JSON as it is), n (a duration in text),
A B S (a schema or: a list, a boolean, strings), *N (message N), [T (list), {T (map). A name of `-` stands for a struct that is
written in place; `!` after a type: nothing is left out.
"""

import os
import re
import sys

SCALARS = {"string": "s", "bool": "b", "int32": "i", "int64": "l", "double": "d", "bytes": "y", "uint32": "l"}
META = "k8s.io.apimachinery.pkg.apis.meta.v1."
EXTENSIONS = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions."
SPECIAL = {META + "Time": "t", META + "MicroTime": "u", META + "FieldsV1": "r", META + "Duration": "n",
           "k8s.io.apimachinery.pkg.api.resource.Quantity": "q", "k8s.io.apimachinery.pkg.util.intstr.IntOrString": "x",
           "k8s.io.apimachinery.pkg.runtime.RawExtension": "r"}
SPECIAL.update({EXTENSIONS + "v1.JSON": "r", EXTENSIONS + "v1.JSONSchemaPropsOrArray": "A",
                EXTENSIONS + "v1.JSONSchemaPropsOrBool": "B", EXTENSIONS + "v1.JSONSchemaPropsOrStringArray": "S"})
GROUPS = {"core": "", "apps": "apps", "autoscaling": "autoscaling", "batch": "batch",
          "policy": "policy", "rbac": "rbac.authorization.k8s.io", "flowcontrol": "flowcontrol.apiserver.k8s.io"}


def sources(root):
    """The folders of stable versions with a generated.proto, and the text of their Go types."""
    for folder, _, files in sorted(os.walk(root)):
        served = not re.search(r"(alpha|beta)\d|/audit/|/example|/testapigroup|/metrics/|/admission/|/imagepolicy/", folder)
        if "generated.proto" in files and served:
            go = "\n".join(open(os.path.join(folder, name)).read() for name in sorted(files) if name.startswith("types") and "swagger" not in name)
            yield folder, open(os.path.join(folder, "generated.proto")).read(), go


def go_tags(text):
    """(struct, field number) -> JSON name, whether it is in place, whether nothing is left out."""
    tags = {}
    for name, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", text, re.M | re.S):
        for line in body.splitlines():
            tag = re.search(r'`.*json:"([^"]*)".*protobuf:"\w+,(\d+),', line)
            if not tag:
                continue
            json_name, *options = tag.group(1).split(",")
            words = line.split("`")[0].split()
            pointer = words[-1].startswith("*")
            tags[(name, tag.group(2))] = (json_name or "-", "omitempty" not in options or pointer)
    return tags


def messages(text):
    package = re.search(r"^package ([\w.]+);", text, re.M).group(1)
    text = re.sub(r"//.*", "", text)
    for name, body in re.findall(r"^message (\w+) \{\n(.*?)^\}", text, re.M | re.S):
        fields = re.findall(r"^\s*(?:(optional|repeated|required) )?(map<string, [\w.]+>|[\w.]+) (\w+) = (\d+);", body, re.M)
        yield package, name, fields


def resolve(kind, package, known):
    kind = kind.lstrip(".")
    return kind if kind in known else package + "." + kind


def type_of(kind, package, numbers):
    if kind in SCALARS:
        return SCALARS[kind]
    if kind.startswith("map<"):
        return "{" + type_of(kind[len("map<string, "):-1], package, numbers)
    full = resolve(kind, package, numbers)
    return SPECIAL.get(full) or "*%d" % numbers[full]


def line(package, name, fields, tags, numbers):
    if [field[0] for field in fields] == ["repeated"] and fields[0][2] == "items" and not any(key[0] == name for key in tags):
        return "%s.%s = [%s" % (package, name, type_of(fields[0][1], package, numbers))
    words = [package + "." + name]
    for label, kind, field, number in sorted(fields, key=lambda f: int(f[3])):
        json_name, keep = tags.get((name, number), (field, False))
        text = ("[" if label == "repeated" else "") + type_of(kind, package, numbers)
        words.append("%s:%s:%s%s" % (number, json_name, text, "!" if keep else ""))
    return " ".join(words)


def group_of(package):
    parts = package.split(".")
    if package == "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions." + parts[-1]:
        return "apiextensions.k8s.io"
    if package == "k8s.io.kube_aggregator.pkg.apis.apiregistration." + parts[-1]:
        return "apiregistration.k8s.io"
    if package.startswith("k8s.io.api."):
        return GROUPS.get(parts[3], parts[3] + ".k8s.io")
    return None


def main():
    found = []
    for folder, proto, go in sources(sys.argv[1]):
        tags = go_tags(go)
        found += [(package, name, fields, tags) for package, name, fields in messages(proto)]
    numbers = {"%s.%s" % (package, name): at for at, (package, name, _, _) in enumerate(found)}
    print("# Protobuf messages of the Kubernetes API v1.36, made by tables/protobuf.py. Do not edit.")
    print("# NOTICE: derived from Kubernetes' API types, Copyright The Kubernetes Authors, Apache License 2.0.")
    for package in sorted({package for package, *_ in found}):
        if group_of(package) is not None:
            print("P %s/%s %s" % (group_of(package), package.split(".")[-1], package))
    for entry in found:
        print(line(*entry, numbers))


if __name__ == "__main__":
    main()
