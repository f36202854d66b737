"""ssfer beside PyTorch (eager and compiled), ONNX Runtime and OpenVINO: a forward pass of the same ViT, in turns.

    bench/inference_vs_peers.py --ssfer build/release/ssfer --batch-size 32 --precision fp32 --threads 2

Needs Python with `torch`, `timm`, `onnx`, `onnxscript`, `onnxruntime` and `openvino` (all by pip), for this comparison
only; a peer that is not installed is left out. One ONNX file, exported from timm's model, serves the two runtimes.
PyTorch's bf16 is autocast or weights in bfloat16, whichever is faster; OpenVINO's is its own inference precision; ONNX
Runtime has no bf16 on CPUs and is measured in fp32. Everybody runs in a process of its own, one after the other in each
round; a ratio belongs to one round, so it is free of the machine's drift, and the median of the rounds counts."""
import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile

import peer

SIZES = [("image_size", 224), ("patch_size", 16), ("embed_dim", 768), ("depth", 12), ("heads", 12), ("batch_size", 32),
         ("threads", 2)]
PEERS = {"PyTorch": "torch", "PyTorch compiled": "torch", "ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}


def make_model(a):
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(img_size=a.image_size, patch_size=a.patch_size, embed_dim=a.embed_dim, depth=a.depth,
                             num_heads=a.heads, num_classes=8).eval()


def export(a):
    import torch

    images = torch.randn(a.batch_size, 3, a.image_size, a.image_size)
    torch.onnx.export(make_model(a), (images,), a.onnx, input_names=["images"], output_names=["logits"], dynamo=True)


def measure_torch(a, compiled):
    import torch

    torch.set_num_threads(a.threads)
    model, images = make_model(a), torch.randn(a.batch_size, 3, a.image_size, a.image_size)
    forward = torch.compile(model) if compiled else model

    def step(x=images):
        with torch.inference_mode():
            return forward(x)

    with peer.arithmetic(a):
        seconds = peer.median_step(step, a.seconds)
    if a.precision == "bf16":  # all weights in bfloat16 may be faster than converting them
        model.bfloat16()
        half = images.bfloat16()
        seconds = min(seconds, peer.median_step(lambda: step(half), a.seconds))
    return seconds


def measure_onnxruntime(a):
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = a.threads
    session = onnxruntime.InferenceSession(a.onnx, options, providers=["CPUExecutionProvider"])
    images = numpy.random.randn(a.batch_size, 3, a.image_size, a.image_size).astype(numpy.float32)
    return peer.median_step(lambda: session.run(None, {"images": images}), a.seconds)


def measure_openvino(a):
    import numpy
    import openvino

    config = {"INFERENCE_NUM_THREADS": a.threads, "PERFORMANCE_HINT": "LATENCY",
              "INFERENCE_PRECISION_HINT": "bf16" if a.precision == "bf16" else "f32"}
    request = openvino.Core().compile_model(a.onnx, "CPU", config).create_infer_request()
    images = numpy.random.randn(a.batch_size, 3, a.image_size, a.image_size).astype(numpy.float32)
    return peer.median_step(lambda: request.infer([images]), a.seconds)


def measure(a):
    if a.name == "export":
        export(a)
        return
    if a.name == "ONNX Runtime":
        seconds = measure_onnxruntime(a)
    elif a.name == "OpenVINO":
        seconds = measure_openvino(a)
    else:
        seconds = measure_torch(a, a.name == "PyTorch compiled")
    peer.answer(a.batch_size, seconds)


def compare(a, sizes, onnx):
    def other(name):
        return [sys.executable, __file__, "--peer", f"--name={name}", f"--onnx={onnx}", *sizes]

    names = [name for name, module in PEERS.items() if importlib.util.find_spec(module)]
    if importlib.util.find_spec("onnxscript") is None:
        names = [n for n in names if n.startswith("PyTorch")]
    else:
        subprocess.run(other("export"), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    mine, theirs = [], {name: [] for name in names}
    for _ in range(a.pairs):
        mine.append(peer.run([a.ssfer, "bench", "vit", "--mode=inference", "--format=json", *sizes]))
        for name in names:
            theirs[name].append(peer.run(other(name)))
    print(f"ssfer: {statistics.median(m['images_per_second'] for m in mine):.1f} images/s, "
          f"{100 * statistics.median(m['of_limit'] for m in mine):.0f} % of the limit, "
          f"{statistics.median(m['peak_rss_mib'] for m in mine):.0f} MiB")
    print("| peer | images/s | ssfer's ratio, median (range) | memory, MiB |")
    print("|---|---|---|---|")
    for name in names:
        ratios = [m["images_per_second"] / t["images_per_second"] for m, t in zip(mine, theirs[name])]
        print(f"| {name} | {statistics.median(t['images_per_second'] for t in theirs[name]):.1f} | "
              f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | "
              f"{statistics.median(t['peak_rss_mib'] for t in theirs[name]):.0f} |")


def main():
    p = peer.parser(__doc__, argparse)
    p.add_argument("--name", help=argparse.SUPPRESS)
    p.add_argument("--onnx", help=argparse.SUPPRESS)
    peer.add_sizes(p, SIZES)
    a = p.parse_args()
    if a.peer:
        measure(a)
        return
    sizes = peer.flags(a, [name for name, _ in SIZES])
    print(f"inference: {a.image_size} px, patch {a.patch_size}, {a.embed_dim}x{a.depth}, batch {a.batch_size}, "
          f"{a.threads} threads, {a.precision}")
    with tempfile.TemporaryDirectory() as folder:
        compare(a, sizes, os.path.join(folder, "vit.onnx"))


main()
