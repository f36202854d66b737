"""One picture from a cold start: `ssfer predict` beside a Python process that does the same with PyTorch and timm.

    bench/predict_vs_pytorch.py --ssfer build/release/ssfer picture.jpg

Without --model it is a ViT-B/16 with random weights, as a file of timm's parameters. Needs Python with `torch`, `timm`,
`torchvision`, `safetensors` and Pillow, for this comparison only. Whole processes, in turns, with warm disk caches: start,
imports, reading the weights, one picture, end. What counts is processor time (user and system), and beside it the time
that passes."""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import peer


def predict_torch(a):
    import torch
    from PIL import Image
    from safetensors.torch import load_file
    from timm.models.vision_transformer import VisionTransformer
    from torchvision import transforms as T

    torch.set_num_threads(a.threads)
    weights = load_file(a.model)
    width, _, patch, _ = weights["patch_embed.proj.weight"].shape
    size = patch * round((weights["pos_embed"].shape[1] - 1) ** 0.5)
    depth = 1 + max(int(k.split(".")[1]) for k in weights if k.startswith("blocks."))
    with torch.device("meta"):  # no random weights first
        model = VisionTransformer(img_size=size, patch_size=patch, embed_dim=width, depth=depth, num_heads=width // 64,
                                  num_classes=weights["head.weight"].shape[0])
    model.load_state_dict(weights, assign=True)
    model.eval()
    view = T.Compose([T.Resize(size), T.CenterCrop(size), T.ToTensor(),
                      T.Normalize((0.588, 0.459, 0.402), (0.228, 0.202, 0.190))])
    with torch.inference_mode():
        print(torch.softmax(model(view(Image.open(a.picture).convert("RGB"))[None]), -1)[0].tolist())


def random_model(path):
    """A ViT-B/16 of eight classes. By a process of its own: importing torch would slow down what follows."""
    code = ("import sys, safetensors.torch as s; from timm.models.vision_transformer import VisionTransformer as V; "
            "s.save_file({k: v.contiguous() for k, v in V(num_classes=8).state_dict().items()}, sys.argv[1])")
    subprocess.run([sys.executable, "-c", code, path], check=True)
    return path


def time_of(command):
    """Processor time and passed time of a whole process, in seconds."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start


def compare(a, model):
    ssfer = [a.ssfer, "predict", f"--model={model}", f"--classes={a.classes}", f"--threads={a.threads}", a.picture]
    torch = [sys.executable, __file__, "--peer", f"--model={model}", f"--threads={a.threads}", a.picture]
    ratios = []
    for command in (ssfer, torch):  # files into the disk cache
        time_of(command)
    for i in range(a.pairs):
        mine, passed = time_of(ssfer)
        theirs, their_passed = time_of(torch)
        ratios.append(mine / theirs)
        print(f"pair {i + 1}: ssfer {mine:.2f} s of processor time ({passed:.2f} s passed), PyTorch {theirs:.2f} s "
              f"({their_passed:.2f} s passed), {ratios[-1]:.3f} of it")
    print(f"median {statistics.median(ratios):.3f} of PyTorch's (from {min(ratios):.3f} to {max(ratios):.3f})")


def main():
    p = peer.parser(__doc__, argparse)
    p.add_argument("--model", help="a safetensors file of ssfer")
    p.add_argument("--classes", default="ferplus", help="names of its outputs, if the file has none")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("picture")
    a = p.parse_args()
    if a.peer:
        predict_torch(a)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(a, a.model or random_model(os.path.join(folder, "vit-b.safetensors")))


main()
