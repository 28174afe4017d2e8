#!/usr/bin/env python3
"""Writes types.txt: the fields of Kubernetes' internal core types, in the order Go prints them.

Usage: generate.py pkg/apis/core/types.go staging/src/k8s.io/api/core/v1/types.go > types.txt
A line is a type: its name, then `GoName:jsonName:type` for each field. Types are: s string, b boolean, i integer,
q quantity, x integer or string, l label selector, m object metadata, *T pointer, [T list, {T map of strings to T, or the
name of a type of this file. Embedded structs are written out.
"""
import re, sys

ROOTS = ["PodSpec", "EphemeralContainer", "PodTemplateSpec", "PersistentVolumeClaimSpec", "PersistentVolumeSource", "Taint", "ObjectReference",
         "EventSource", "NodeAddress", "ScopeSelector"]
PLAIN = {"string": "s", "bool": "b", "int": "i", "int32": "i", "int64": "i", "resource.Quantity": "q", "intstr.IntOrString": "x",
         "metav1.LabelSelector": "l", "metav1.ObjectMeta": "m", "types.UID": "s", "Capability": "s", "metav1.Time": "s"}

def structs(text):
    found, aliases = {}, {}
    for m in re.finditer(r"^type (\w+) struct \{\n(.*?)^\}", text, re.S | re.M):
        fields = []
        for line in m.group(2).splitlines():
            line = line.split("//")[0].rstrip() if "`" not in line else line
            f = re.match(r"^\t(\w+)\s+(\S+)\s*(?:`.*?json:\"([^\",]*).*`)?", line)
            e = re.match(r"^\t([A-Za-z0-9.]+)(?:\s+`json:\",inline\".*`)?\s*$", line)
            if e: fields.append((None, e.group(1), None))
            elif f: fields.append((f.group(1), f.group(2), f.group(3)))
        found[m.group(1)] = fields
    for m in re.finditer(r"^type (\w+) (string|int32|int64|int|map\[ResourceName\]resource\.Quantity)$", text, re.M):
        aliases[m.group(1)] = m.group(2)
    return found, aliases

internal, aliases = structs(open(sys.argv[1]).read())
v1, _ = structs(open(sys.argv[2]).read())

def json_name(struct, field):
    for name, _, json in flat(v1, struct):
        if name == field: return json
    return None

def flat(table, struct):
    out = []
    for name, kind, json in table.get(struct, []):
        if name is None: out += flat(table, kind) if kind in table else [(kind.split(".")[-1], kind, None)]
        else: out.append((name, kind, json))
    return out

def encode(kind, todo):
    if kind in PLAIN: return PLAIN[kind]
    if kind.startswith("*"): return "*" + encode(kind[1:], todo)
    if kind.startswith("[]"): return "[" + encode(kind[2:], todo)
    m = re.match(r"map\[\w+\](.*)", kind)
    if m: return "{" + encode(m.group(1), todo)
    if kind in aliases: return encode(aliases[kind], todo)
    todo.append(kind)
    return kind

done, todo = {}, list(ROOTS)
while todo:
    struct = todo.pop()
    if struct in done: continue
    parts = []
    for name, kind, _ in flat(internal, struct):
        json = json_name(struct, name) or name[0].lower() + name[1:]
        parts.append(f"{name}:{json}:{encode(kind, todo)}")
    done[struct] = " ".join([struct] + parts)
for struct in sorted(done): print(done[struct])
