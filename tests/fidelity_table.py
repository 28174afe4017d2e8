#!/usr/bin/env python3
"""Plays scenarios/recorded/*.yaml and compares each with two recordings of a real cluster doing the same.

usage: fidelity_table.py SHARED [--seeds A-B]   (SHARED: the folder with real-cluster/ and fidelity/)
Each figure is the better of the scores against the two recordings, over the score of one recording against the other.
Exits 1 when a figure falls below 0.93 of that for the seed a scenario names. With --seeds, the least and the median over
those seeds are told too: races fall as they fall, so a single seed may do worse.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile

FIGURES = ("states", "events", "event_kinds", "order", "timing")
NAMES = ("deploy", "crash", "rollout", "selfheal", "readiness", "hpa")
LEAST = 0.93


def shares(fidelity, shared, name, seed):
    """Each figure as (best score, ceiling)."""
    with tempfile.TemporaryDirectory() as folder:
        trace = pathlib.Path(folder) / "trace.jsonl"
        command = ["cargo", "run", "--release", "--quiet", "--", "run", "-q", f"scenarios/recorded/{name}.yaml", "--trace", str(trace)]
        subprocess.run(command + (["--seed", str(seed)] if seed else []), check=not seed, stdout=subprocess.DEVNULL)
        ours = fidelity.load(trace)[1]
    first, second = (fidelity.load(shared / "real-cluster" / f"{name}{n}.jsonl")[1] for n in ("", ".2"))
    ceiling = fidelity.compare(first, second)[0]
    scores = [fidelity.compare(real, ours)[0] for real in (first, second)]
    return {figure: (max(s[figure] for s in scores), ceiling[figure]) for figure in FIGURES}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("shared", type=pathlib.Path)
    arguments.add_argument("--seeds")
    given = arguments.parse_args()
    shared = given.shared.resolve()
    sys.path.insert(0, str(shared / "fidelity"))
    import fidelity

    low = False
    print("| recording | " + " | ".join(FIGURES) + " |")
    print("|---|" + "---|" * len(FIGURES))
    for name in NAMES:
        cells = []
        for best, ceiling in shares(fidelity, shared, name, None).values():
            share = best / ceiling
            low |= share < LEAST
            cells.append(f"{best:.3f} of {ceiling:.3f} ({share:.3f}{'' if share >= LEAST else ' LOW'})")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    if given.seeds:
        first, last = map(int, given.seeds.split("-"))
        print(f"\nleast and median of the ceiling over seeds {first} to {last}")
        for name in NAMES:
            runs = [shares(fidelity, shared, name, seed) for seed in range(first, last + 1)]
            cells = []
            for figure in FIGURES:
                values = [run[figure][0] / run[figure][1] for run in runs]
                cells.append(f"{min(values):.3f} {statistics.median(values):.3f}")
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    sys.exit(1 if low else 0)


main()
