#!/usr/bin/env python3
"""Plays scenarios/recorded/*.yaml and compares each with two recordings of a real cluster doing the same.

usage: fidelity_table.py SHARED   (the folder with real-cluster/ and fidelity/)
Each figure is the better of the scores against the two recordings, over the score of one recording against the other.
Exits 1 when a figure falls below 0.93 of that.
"""
import pathlib
import subprocess
import sys
import tempfile

shared = pathlib.Path(sys.argv[1]).resolve()
sys.path.insert(0, str(shared / "fidelity"))
import fidelity  # noqa: E402

FIGURES = ("states", "events", "event_kinds", "order", "timing")
LEAST = 0.93
low = False
print("| recording | " + " | ".join(FIGURES) + " |")
print("|---|" + "---|" * len(FIGURES))
for name in ("deploy", "crash", "rollout", "selfheal", "readiness", "hpa"):
    scenario = pathlib.Path("scenarios/recorded") / f"{name}.yaml"
    with tempfile.TemporaryDirectory() as folder:
        trace = pathlib.Path(folder) / "trace.jsonl"
        subprocess.run(["cargo", "run", "--release", "--quiet", "--", "run", "-q", str(scenario), "--trace", str(trace)], check=True, stdout=subprocess.DEVNULL)
        ours = fidelity.load(trace)[1]
    first, second = (fidelity.load(shared / "real-cluster" / f"{name}{n}.jsonl")[1] for n in ("", ".2"))
    ceiling = fidelity.compare(first, second)[0]
    scores = [fidelity.compare(real, ours)[0] for real in (first, second)]
    cells = []
    for figure in FIGURES:
        best = max(s[figure] for s in scores)
        share = best / ceiling[figure]
        low |= share < LEAST
        cells.append(f"{best:.3f} of {ceiling[figure]:.3f} ({share:.3f}{'' if share >= LEAST else ' LOW'})")
    print(f"| {name} | " + " | ".join(cells) + " |")
sys.exit(1 if low else 0)
