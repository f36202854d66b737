"""What the comparisons with PyTorch share: median steps, pairs of processes that take turns, and their ratios."""
import json
import statistics
import subprocess
import sys
import time


def parser(doc, argparse):
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ssfer", default="build/release/ssfer")
    p.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    return p


def add_precision(p):
    p.add_argument("--precision", choices=["fp32", "bf16"], default="fp32",
                   help="of both sides; PyTorch's bf16 is autocast")
    p.add_argument("--compile", action="store_true", help="give the peer torch.compile")


def add_sizes(p, sizes):
    """What a comparison of training steps asks for: whole numbers with these defaults, and how to measure."""
    for name, default in [*sizes, ("pairs", 5)]:
        p.add_argument("--" + name.replace("_", "-"), type=int, default=default)
    p.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    add_precision(p)


def flags(a, names):
    """Options as both sides take them."""
    return [f"--{name.replace('_', '-')}={getattr(a, name)}" for name in [*names, "seconds", "precision"]]


def arithmetic(a):
    """The context in which PyTorch computes at the precision that was asked for."""
    import contextlib

    import torch

    return torch.autocast("cpu", torch.bfloat16) if a.precision == "bf16" else contextlib.nullcontext()


def median_step(step, seconds, warm_up=2):
    """The median time of at least four steps."""
    for _ in range(warm_up):
        step()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 4 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def run(command):
    """What a process of its own prints: one JSON object, as its last line."""
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.strip().splitlines()[-1])


def answer(images, seconds, **more):
    import resource

    torch = sys.modules.get("torch")
    print(json.dumps({"images_per_second": images / seconds, "torch": torch.__version__ if torch else None,
                      "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, **more}))


def training_pairs(ssfer, case, script, sizes, pairs, theirs_only=()):
    """ssfer and PyTorch in turns, a line a pair; prints the median ratio. Both get the same options."""
    ratios, memory = [], []
    for i in range(pairs):
        ours = run([ssfer, "bench", case, "--format=json", *sizes])
        theirs = run([sys.executable, script, "--peer", *sizes, *theirs_only])
        ratios.append(ours["images_per_second"] / theirs["images_per_second"])
        memory.append((ours["peak_rss_mib"], theirs["peak_rss_mib"]))
        print(f"pair {i + 1}: ssfer {ours['images_per_second']:.1f} images/s ({100 * ours['of_limit']:.0f} % of the "
              f"limit), PyTorch {theirs['torch']} {theirs['images_per_second']:.1f} images/s, ratio {ratios[-1]:.2f}")
    print(f"median ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")
    mine, peers = (statistics.median(m) for m in zip(*memory))
    print(f"peak memory: ssfer {mine:.0f} MiB, PyTorch {peers:.0f} MiB, {mine / peers:.2f} of it")


def training_main(a, measure_torch, case, script, names, title):
    """What a comparison of training steps does; `names`: its options that both sides take; `title`: the model."""
    if a.peer:
        measure_torch(a)
        return
    print(f"{title}, {a.threads} threads, {a.precision}")
    training_pairs(a.ssfer, case, script, flags(a, names), a.pairs, ["--compile"] if a.compile else [])
