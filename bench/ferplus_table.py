#!/usr/bin/env python3
"""Prints what bench/ferplus_stages.sh has trained so far as tables: accuracy on `valid` after the last epoch, of the
averaged weights, and mean-class accuracy behind it, in percent.

    bench/ferplus_table.py [RUNS]          (default runs/ferplus)
"""
import collections
import json
import pathlib
import statistics
import sys

KINDS = ["supervised", "off", "mixup", "on", "released", "stage3", "fp32"]
# A run's name is KIND[+OPTION=VALUE...]-FRACTION-SEED; those with options have columns behind their kind.


def validations(run):
    """The validation records of a run, in order."""
    records = []
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        if "accuracy" in record:
            records.append(record)
    return records


def cell(record):
    return f"{100 * record['accuracy']:.1f} ({100 * record['mean_class_accuracy']:.1f})"


def read(folder):
    """{fraction: {kind: {seed: [validation records]}}} of the finished runs."""
    runs = collections.defaultdict(lambda: collections.defaultdict(dict))
    for run in sorted(folder.iterdir()):
        parts = run.name.rsplit("-", 2)
        if len(parts) == 3 and (run / "done").exists():
            runs[float(parts[1])][parts[0]][int(parts[2])] = validations(run)
    return runs


def table(fraction, kinds):
    seeds = sorted({seed for runs in kinds.values() for seed in runs})
    columns = sorted(kinds, key=lambda k: (KINDS.index(k.split("+")[0]), k))
    print(f"\n{100 * fraction:g} % of the labels\n")
    print("| labels of seed | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for seed in seeds:
        print(f"| {seed} | " + " | ".join(cell(kinds[k][seed][-1]) if seed in kinds[k] else "" for k in columns) + " |")
    for name, of in [("mean", lambda records: records[-1]["accuracy"]),
                     ("mean of the mean-class accuracies", lambda records: records[-1]["mean_class_accuracy"]),
                     ("mean of the best epochs", lambda records: max(r["accuracy"] for r in records))]:
        print(f"| {name} | " +
              " | ".join(f"{100 * statistics.mean(map(of, kinds[k].values())):.1f}" for k in columns) + " |")


def main():
    for fraction, kinds in sorted(read(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "runs/ferplus")).items()):
        table(fraction, kinds)


if __name__ == "__main__":
    main()
