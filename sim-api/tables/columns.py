#!/usr/bin/env python3
"""Writes src/printers/columns.txt: the columns of each kind's table.

    git clone --depth 1 -b v1.36.2 https://github.com/kubernetes/kubernetes
    python3 columns.py kubernetes > ../src/printers/columns.txt

Reads the column definitions of Kubernetes' printers and puts the field descriptions they name in their place. Format, one
line each: `D text`, a description that many columns share; `K Kind`, then its columns `name|type|format|priority|description`,
where a description `=N` is the N-th `D` line.
"""

import collections
import json
import os
import re
import sys

ALIASES = {"apiv1": "api/core/v1", "metav1": "apimachinery/pkg/apis/meta/v1", "resourceapi": "api/resource/v1"}
KINDS = {"MutatingWebhook": "MutatingWebhookConfiguration", "ValidatingWebhook": "ValidatingWebhookConfiguration",
         "DeviceTaint": "DeviceTaintRule"}
AGE = 'metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"]'
NAME = 'metav1.ObjectMeta{}.SwaggerDoc()["name"]'


class Docs:
    """The field descriptions that the packages of the API carry."""

    def __init__(self, root):
        self.root, self.packages = root, {}

    def package(self, alias):
        folder = ALIASES.get(alias) or "api/%s/%s" % re.match(r"([a-z]+?)(v\d.*)$", alias).groups()
        if folder not in self.packages:
            path = os.path.join(self.root, "staging/src/k8s.io", folder, "types_swagger_doc_generated.go")
            text = open(path).read()
            self.packages[folder] = {
                name: {k: json.loads(v) for k, v in re.findall(r'^\t"(\w*)":\s*(".*"),$', body, re.M)}
                for name, body in re.findall(r"^var map_(\w+) = map\[string\]string\{\n(.*?)^\}", text, re.M | re.S)}
        return self.packages[folder]

    def of(self, expression):
        if expression.startswith('"'):
            return json.loads(expression)
        if "InvolvedObject.SwaggerDoc" in expression:
            expression = 'apiv1.ObjectReference{}.SwaggerDoc()["fieldPath"]'
        alias, name, field = re.match(r'(\w+)\.(\w+)\{\}\.SwaggerDoc\(\)\["(\w+)"\]', expression).groups()
        return self.package(alias)[name].get(field, "")


def attribute(text, pattern, default):
    found = re.search(pattern, text)
    return found.group(1) if found else default


def column(text, docs):
    return (attribute(text, r'Name: "([^"]*)"', ""), attribute(text, r'Type: "([^"]*)"', ""), attribute(text, r'Format: "([^"]*)"', ""),
            attribute(text, r"Priority: (\d+)", "0"), docs.of(attribute(text, r"Description: (.*)$", '""').strip()))


def read(source, docs):
    body = source[source.index("func AddHandlers"):source.index("// Pass ports=nil")]
    sets = collections.defaultdict(list)
    for name, rows in re.findall(r"(\w+) :?= (?:append\(\w+, )?\[\]metav1\.TableColumnDefinition\{(.*?)\n\t\}(?:\.\.\.\))?", body, re.S):
        sets[name] += [column(row, docs) for row in re.findall(r"^\t\t\{(.*)\},$", rows, re.M)]
    handlers = re.findall(r"TableHandler\((\w+), print(\w+)\)", body)
    return {KINDS.get(name, name): sets[columns] for columns, name in handlers if not name.endswith("List")}


def main():
    docs = Docs(sys.argv[1])
    tables = read(open(os.path.join(sys.argv[1], "pkg/printers/internalversion/printers.go")).read(), docs)
    # These are not in that file: the aggregator's kind, and what kinds without columns of their own show.
    name, age = ("Name", "string", "name", "0", docs.of(NAME)), docs.of(AGE)
    tables["APIService"] = [name, ("Service", "string", "", "0", "The reference to the service that hosts this API endpoint."),
                            ("Available", "string", "", "0", "Whether this service is available."), ("Age", "string", "", "0", age)]
    tables["default"] = [name, ("Created At", "date", "", "0", age)]
    tables["custom"] = [name, ("Age", "date", "", "0", age)]
    del tables["CSIStorageCapacity"], tables["Status"]
    uses = collections.Counter(c[4] for columns in tables.values() for c in columns)
    shared = [text for text, times in uses.items() if times > 1 and len(text) > 20]
    print("# Columns of the tables of Kubernetes v1.36, made by tables/columns.py. Do not edit.")
    print("# NOTICE: descriptions from Kubernetes' API types, Copyright The Kubernetes Authors, Apache License 2.0.")
    for text in shared:
        print("D " + text.replace("\n", "\\n"))
    for kind in sorted(tables):
        print("K " + kind)
        for *words, text in tables[kind]:
            print("|".join(words + ["=%d" % shared.index(text) if text in shared else text.replace("\n", "\\n")]))


if __name__ == "__main__":
    main()
