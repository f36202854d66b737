#!/usr/bin/env python3
"""How the cost of ssfer grows with the batch, the threads and the number of pictures: prints three tables.

    bench/scaling.py --ssfer build/release/ssfer [--arch base] [--precision fp32] [--pictures faces.tar --model M]

Images per second of a training step and of a forward pass for doubling batches and for 1, 2, ... threads, ratios within
one run; with --pictures the time of `ssfer predict` on 1, 2, 4, ... of them, whole processes."""
import argparse
import os
import subprocess
import tarfile
import tempfile
import time

import peer


def speed(a, mode, batch, threads):
    return peer.run([a.ssfer, "bench", "vit", f"--mode={mode}", f"--arch={a.arch}", f"--batch-size={batch}",
                     f"--threads={threads}", f"--precision={a.precision}", f"--seconds={a.seconds}",
                     "--format=json"])["images_per_second"]


def by_batch(a):
    print(f"\n| batch, {a.threads} threads, {a.precision} | inference, images/s | training, images/s |\n|---|---|---|")
    batch = 1
    while batch <= a.largest:
        print(f"| {batch} | {speed(a, 'inference', batch, a.threads):.1f} | {speed(a, 'training', batch, a.threads):.1f} |")
        batch *= 2


def by_threads(a):
    print(f"\n| threads, batch {a.largest}, {a.precision} | inference, images/s | training, images/s |\n|---|---|---|")
    first = None
    for threads in range(1, a.threads + 1):
        now = [speed(a, mode, a.largest, threads) for mode in ("inference", "training")]
        first = first or now
        print(f"| {threads} | " + " | ".join(f"{n:.1f} ({n / f:.2f} x)" for n, f in zip(now, first)) + " |")


def by_pictures(a):
    print("\n| pictures | seconds, whole process | seconds a picture |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(a.pictures) as tar:
        names = [m for m in tar if m.isfile()][:a.most]
        for i, m in enumerate(names):
            with open(os.path.join(folder, f"{i:05d}.jpg"), "wb") as out:
                out.write(tar.extractfile(m).read())
        files = sorted(os.path.join(folder, f) for f in os.listdir(folder))
        count = 1
        while count <= len(files):
            command = [a.ssfer, "predict", f"--model={a.model}", f"--threads={a.threads}", f"--precision={a.precision}",
                       *files[:count]]
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            spent = time.perf_counter() - start
            print(f"| {count} | {spent:.2f} | {spent / count:.3f} |")
            count *= 4


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ssfer", default="build/release/ssfer")
    p.add_argument("--arch", default="base")
    p.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    for name, default in [("largest", 16), ("threads", os.cpu_count()), ("most", 256)]:
        p.add_argument("--" + name, type=int, default=default)
    p.add_argument("--seconds", type=float, default=4.0)
    p.add_argument("--pictures", help="a tar of pictures, for the third table")
    p.add_argument("--model", help="a model file with class names")
    a = p.parse_args()
    by_batch(a)
    by_threads(a)
    if a.pictures:
        by_pictures(a)


main()
