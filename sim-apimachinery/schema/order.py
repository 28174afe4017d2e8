#!/usr/bin/env python3
"""Puts the fields of each type in src/schema/table.txt into the order of the Go struct, in which Go's JSON shows them.

    python3 order.py path/to/kubernetes ../src/schema/table.txt

The first argument is a source tree of Kubernetes v1.36; read are the names in the `json` tags of its types, nothing else.
generate.py writes the fields sorted; run this after it. A field that no struct has comes last.
"""

import glob
import os
import re
import sys

ROOTS = {"io.k8s.api.": "staging/src/k8s.io/api/", "io.k8s.apimachinery.": "staging/src/k8s.io/apimachinery/",
         "io.k8s.apiextensions-apiserver.": "staging/src/k8s.io/apiextensions-apiserver/",
         "io.k8s.kube-aggregator.": "staging/src/k8s.io/kube-aggregator/"}
STRUCT = re.compile(r"^type (\w+) struct \{$(.*?)^\}", re.M | re.S)
FIELD = re.compile(r'^\t(?:(\w+)\s+)?(\S+)\s+`[^`]*?json:"([^"]*)"', re.M)
EMBEDDED = re.compile(r'^\t([\w.]+)\s+`[^`]*?json:",inline"', re.M)


def structs(folder):
    found = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.go"))):
        if path.endswith("_test.go"):
            continue
        for name, body in STRUCT.findall(open(path).read()):
            found[name] = body
    return found


class Tree:
    def __init__(self, root):
        self.root, self.packages = root, {}

    def package(self, folder):
        if folder not in self.packages:
            self.packages[folder] = structs(os.path.join(self.root, folder))
        return self.packages[folder]

    def fields(self, folder, name):
        """The JSON names of a struct's fields in order, embedded structs in their place."""
        names = []
        for line in self.package(folder).get(name, "").splitlines():
            inline = EMBEDDED.match(line)
            if inline:
                short = inline.group(1)
                if short == "metav1.TypeMeta" or short == "TypeMeta":
                    names += ["kind", "apiVersion"]
                elif "." in short:
                    where = {"v1": "staging/src/k8s.io/api/core/v1", "metav1": "staging/src/k8s.io/apimachinery/pkg/apis/meta/v1"}
                    package, short = short.split(".")
                    names += self.fields(where.get(package, folder), short)
                else:
                    names += self.fields(folder, short)
                continue
            field = FIELD.match(line)
            if field:
                names.append(field.group(3).split(",")[0])
        return names


def folder_of(name):
    for prefix, root in ROOTS.items():
        if name.startswith(prefix):
            return root + name[len(prefix):].rsplit(".", 1)[0].replace(".", "/")
    return None


def ordered(line, tree):
    name, *words = line.split(" ")
    folder = folder_of(name)
    if folder is None or not any(":" in word for word in words):
        return line
    order = {field: at for at, field in enumerate(tree.fields(folder, name.rsplit(".", 1)[1]))}
    flags = [word for word in words if ":" not in word]
    fields = [word for word in words if ":" in word]
    fields.sort(key=lambda word: order.get(word.split(":", 1)[0], len(order)))
    unknown = [word.split(":")[0] for word in fields if word.split(":")[0] not in order]
    if unknown:
        print("no order:", name, *unknown, file=sys.stderr)
    return " ".join([name] + flags + fields)


def main():
    tree = Tree(sys.argv[1])
    lines = [line.rstrip("\n") for line in open(sys.argv[2])]
    with open(sys.argv[2], "w") as table:
        for line in lines:
            is_type = not line.startswith(("#", "K "))
            print(ordered(line, tree) if is_type else line, file=table)


if __name__ == "__main__":
    main()
