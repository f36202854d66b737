"""ssfer beside PyTorch on this machine: the same face detectors, weights, picture, batch and threads, in turns.

    bench/detect_vs_pytorch.py --ssfer build/release/ssfer --threads 2
    bench/detect_vs_pytorch.py --ssfer build/release/ssfer --case yolov7-lite-t:640:1 --pairs 7 --seconds 4

Needs Python with `torch` and `numpy`, for this comparison only. ssfer writes each network with random weights; PyTorch
runs those: eval mode, batch-norms fused into their convolutions, inference mode, in channels-last or in the usual
layout, whichever is faster. First both must give the same faces for the same picture. PyTorch's work is the network from
a float tensor to decoded rows. ssfer's is given twice: a whole step (letterbox, network, selection of the faces), and the
network by itself. Each pair runs one after the other in processes of their own; the ratio of a pair is free of the
machine's drift, and the median of the pairs is what counts."""
import argparse
import json
import statistics
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import peer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

CASES = ["yolov7-lite-t:640:1", "yolov7s-face:640:1", "yolov7-lite-t:224:32", "yolov7s-face:224:32"]


# ---- the network that ssfer wrote, in PyTorch


def read_safetensors(path):
    import numpy as np
    import torch

    data = Path(path).read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, t in header.items():
        first, last = t["data_offsets"]
        assert t["dtype"] == "F32", f"{name} is {t['dtype']}"
        values = np.frombuffer(data[start + first:start + last], dtype="<f4").reshape(t["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return metadata["ssfer.detector"], tensors


def argument(word):
    try:
        return json.loads(word)
    except ValueError:
        return {"None": None, "True": True, "False": False}.get(word, word)


def parse_config(text):
    """The text form of a network as the dict that make_golden_yolov7.build takes, the width multiplied in."""
    config = {"anchors": [], "backbone": [], "head": []}
    for words in (line.split() for line in text.splitlines()):
        if words[0] == "anchors":
            config["anchors"].append([float(x) for pair in words[1:] for x in pair.split(",")])
        elif words[0] == "layer":
            inputs = [int(x) for x in words[1].split(",")]
            config["backbone"].append([inputs if len(inputs) > 1 else inputs[0], int(words[2]), words[3],
                                       [argument(w) for w in words[4:]]])
        else:
            config[words[0]] = argument(words[1])
    for row in config["backbone"]:
        if row[2] not in ("nn.Upsample", "Concat", "ADD", "MP", "SP", "SPF", "IKeypoint") and config["width"] != 1:
            row[3][0] = -int(-row[3][0] * config["width"] // 8) * 8
    config.update(nc=config["classes"], nkpt=config["keypoints"], dw_conv_kpt=config["keypoint_blocks"] == "yes")
    return config


def fuse(model):
    """Every batch-norm goes into the convolution before it."""
    import torch
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for parent in model.modules():
        children = list(parent.named_children())
        for (name, conv), (norm_name, norm) in zip(children, children[1:]):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(conv, norm))
                setattr(parent, norm_name, nn.Identity())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules()), "a batch-norm is left"
    return model


def load(path):
    import torch
    import make_golden_yolov7 as networks

    text, tensors = read_safetensors(path)
    model = networks.build(parse_config(text))
    head = model.model[-1]
    head.stride = torch.tensor([8.0 * 2**i for i in range(head.nl)])
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all(m.endswith("num_batches_tracked") for m in missing), (missing, unexpected)
    for m in model.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.eps = 1e-3
    return fuse(model.eval())


# ---- the picture


def write_picture(path, size):
    """Smooth waves and some noise, size x size, as an uncompressed-row PNG."""
    import numpy as np

    y, x = np.mgrid[0:size, 0:size] / 24.0
    rng = np.random.default_rng(1)
    planes = [np.sin(x + k) + np.cos(y * (1 + k / 3)) for k in range(3)]
    pixels = np.clip(127 + 50 * np.stack(planes, 2) + 20 * rng.standard_normal((size, size, 3)), 0, 255).astype("u1")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    piece = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)) +
                           piece(b"IDAT", zlib.compress(rows, 1)) + piece(b"IEND", b""))
    return pixels


def batch_of(pixels, count):
    import torch

    return (torch.from_numpy(pixels).permute(2, 0, 1).float() / 255)[None].repeat(count, 1, 1, 1).contiguous()


# ---- the same numbers


def check(a, network, pixels, picture, size, threads):
    """The most confident rows of both: boxes, confidences and keypoints."""
    import torch

    torch.set_num_threads(threads)
    with torch.inference_mode():
        rows = load(network)(batch_of(pixels, 1))[-1][0]
    confidence = rows[:, 4] * rows[:, 5]
    best = confidence.topk(40)
    threshold = float(best.values[30])
    faces = json.loads(subprocess.run(
        [a.ssfer, "detect", "--detector", network, "--size", str(size), "--conf", repr(threshold), "--iou", "1",
         "--threads", str(threads), "--format", "json", picture], check=True, stdout=subprocess.PIPE).stdout)
    faces = [f for f in faces if f["status"] == "ok"]
    assert len(faces) >= 10, f"{len(faces)} faces to compare"
    keep = rows[best.indices]
    half = keep[:, 2:4] / 2
    boxes = torch.cat((keep[:, :2] - half, keep[:, :2] + half), 1).clamp(0, size)
    points = keep[:, 6:].view(len(keep), 5, 3)[:, :, :2].clamp(0, size).flatten(1)
    theirs = torch.cat((boxes, points), 1)
    for f in faces:
        ours = torch.tensor([*f["box"], *(v for k in f["keypoints"] for v in k[:2])])
        error = ((theirs - ours).abs().amax(1) + 1e3 * (best.values - f["confidence"]).abs()).min()
        assert error < 0.1, f"ssfer and PyTorch differ: {error:.3g} at a face of confidence {f['confidence']:.4g}"
    return len(faces)


# ---- speed


def measure_torch(a):
    """Runs in a process of its own: the better of the two layouts."""
    import torch

    network, size, batch = a.network, a.size, a.batch_size
    torch.set_num_threads(a.threads)
    images = torch.rand(batch, 3, size, size)
    best = None
    for layout in (torch.contiguous_format, torch.channels_last):
        model, x = load(network).to(memory_format=layout), images.contiguous(memory_format=layout)
        with torch.inference_mode():
            seconds = peer.median_step(lambda: model(x), a.seconds / 2)
        if best is None or seconds < best[0]:
            best = (seconds, "channels-last" if layout is torch.channels_last else "contiguous")
    peer.answer(batch, best[0], layout=best[1])


def compare(a, case, folder):
    name, size, batch = case.split(":")
    size, batch = int(size), int(batch)
    network, picture = f"{folder}/{name}.safetensors", f"{folder}/{size}.png"
    common = ["--threads", str(a.threads)]
    subprocess.run([a.ssfer, "bench", "detect", "--network", name, "--size", "32", "--save", network, "--seconds",
                    "0.001", *common], check=True, stdout=subprocess.DEVNULL)
    compared = check(a, network, write_picture(picture, size), picture, size, a.threads)
    ours, theirs = [], []
    for _ in range(a.pairs):
        ours.append(peer.run([a.ssfer, "bench", "detect", "--format=json", "--detector", network, "--picture", picture,
                              "--size", str(size), "--batch-size", str(batch), "--seconds", str(a.seconds), *common]))
        theirs.append(peer.run([sys.executable, __file__, "--peer", "--network", network, "--size", str(size),
                                "--batch-size", str(batch), "--seconds", str(a.seconds), *common]))
    whole = [o["images_per_second"] / t["images_per_second"] for o, t in zip(ours, theirs)]
    alone = [1e3 * batch / o["network_ms"] / t["images_per_second"] for o, t in zip(ours, theirs)]
    median = lambda values: statistics.median(values)
    stages = ", ".join(f"{s} {median([o[s + '_ms'] for o in ours]):.2f}"
                       for s in ("decode", "letterbox", "network", "select"))
    print(f"| {name} at {size}, batch {batch} | {median([o['images_per_second'] for o in ours]):.1f} "
          f"| {median([t['images_per_second'] for t in theirs]):.1f} ({theirs[-1]['layout']}) "
          f"| {median(whole):.2f} ({min(whole):.2f} to {max(whole):.2f}) | {median(alone):.2f} | {stages} | {compared} |",
          flush=True)
    return theirs[-1]["torch"]


def options():
    p = peer.parser(__doc__, argparse)
    p.add_argument("--case", action="append", metavar="NETWORK:SIZE:BATCH", help=f"default: {' '.join(CASES)}")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    for name in ("--network", "--size", "--batch-size"):
        p.add_argument(name, type=str if name == "--network" else int, help=argparse.SUPPRESS)
    return p.parse_args()


def main():
    a = options()
    if a.peer:
        measure_torch(a)
        return
    print(f"{a.threads} threads, {a.pairs} pairs of {a.seconds:g} s; medians\n\n| case | ssfer, images/s | PyTorch, images/s "
          "| ratio (range) | ratio of the networks | ssfer's parts, ms a step | faces compared |\n"
          "|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        versions = {compare(a, case, folder) for case in a.case or CASES}
    print(f"\nPyTorch {', '.join(sorted(versions))}")


if __name__ == "__main__":
    main()
