"""One picture from a cold start: `ssfer predict` beside a Python process that does the same with PyTorch and timm.

    bench/predict_vs_pytorch.py --ssfer build/release/ssfer --model vit-b.safetensors --threads 1 picture.jpg

Needs Python with `torch`, `timm`, `torchvision`, `safetensors` and Pillow, for this comparison only. Whole processes, in
turns, with warm disk caches: start, imports, reading the weights, one picture, end. What counts is processor time (user
and system), and beside it the time that passes."""
import argparse
import os
import statistics
import subprocess
import sys
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


def time_of(command):
    """Processor time and passed time of a whole process, in seconds."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start


def main():
    p = peer.parser(__doc__, argparse)
    p.add_argument("--model", required=True, help="a safetensors file of ssfer")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("picture")
    a = p.parse_args()
    if a.peer:
        predict_torch(a)
        return
    ratios = []
    for i in range(a.pairs):
        mine, passed = time_of([a.ssfer, "predict", f"--model={a.model}", f"--threads={a.threads}", a.picture])
        theirs, their_passed = time_of([sys.executable, __file__, "--peer", f"--model={a.model}",
                                        f"--threads={a.threads}", a.picture])
        ratios.append(mine / theirs)
        print(f"pair {i + 1}: ssfer {mine:.2f} s of processor time ({passed:.2f} s passed), PyTorch {theirs:.2f} s "
              f"({their_passed:.2f} s passed), {ratios[-1]:.3f} of it")
    print(f"median {statistics.median(ratios):.3f} of PyTorch's (from {min(ratios):.3f} to {max(ratios):.3f})")


main()
