"""ssfer's loader beside Pillow and torchvision: the same JPEG files, one thread each, measured in turns.

    bench/loader_vs_pillow.py --ssfer build/release/ssfer --data faces.tar

Needs Python with `torch`, `torchvision`, `timm` and Pillow, for this comparison only. The work: decode, random crop of
0.2-1 of the area to 224 pixels (bicubic), flip, to floats, normalise; and the same with RandAugment
(rand-m9-mstd0.5-inc1), where what RandAugment adds is also compared by itself. Both sides count processor time of the
thread that works, so other programs on the machine do not lengthen it. Pairs take turns; the median of their ratios is
what counts."""
import argparse
import io
import json
import statistics
import sys
import tarfile
import time

import peer

MEAN, STD = (0.588, 0.459, 0.402), (0.228, 0.202, 0.190)


def measure_pillow(a):
    """Runs in a process of its own: milliseconds of processor time a picture."""
    import torch
    from PIL import Image
    from timm.data.auto_augment import rand_augment_transform
    from torchvision import transforms as T

    torch.set_num_threads(1)
    with tarfile.open(a.data) as tar:
        files = [tar.extractfile(m).read() for _, m in zip(range(a.pictures), (m for m in tar if m.isfile()))]
    fill = tuple(round(255 * m) for m in MEAN)
    # As timm's create_transform calls it for bicubic crops; by itself it would take the cheaper bilinear half of the time.
    strong = rand_augment_transform("rand-m9-mstd0.5-inc1",
                                    {"translate_pct": 0.45, "img_mean": fill, "interpolation": Image.BICUBIC})
    view = [T.RandomResizedCrop(a.image_size, (0.2, 1), interpolation=T.InterpolationMode.BICUBIC),
            T.RandomHorizontalFlip()]
    spent = {"crop": 0.0, "augment": 0.0, "finish": 0.0}
    finish = T.Compose([T.ToTensor(), T.Normalize(MEAN, STD)])
    count, end = -min(20, len(files)), time.perf_counter() + a.seconds
    while count < 20 or time.perf_counter() < end:
        data = files[count % len(files)]
        start = time.thread_time()
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        for step in view:
            picture = step(picture)
        cropped = time.thread_time()
        try:
            augmented = strong(picture)
        except ValueError:  # Pillow 13 refuses the posterize to no bits that timm sometimes asks for
            continue
        between = time.thread_time()
        finish(augmented)
        if count >= 0:  # those before are a warm-up
            spent["crop"] += cropped - start
            spent["augment"] += between - cropped
            spent["finish"] += time.thread_time() - between
        count += 1
    print(json.dumps({k: 1e3 * v / count for k, v in spent.items()}))


def ours(a, view):
    return peer.run([a.ssfer, "bench", "loader", "--format=json", f"--data={a.data}", f"--view={view}", "--threads=1",
                     f"--image-size={a.image_size}", f"--seconds={a.seconds}"])


def main():
    p = peer.parser(__doc__, argparse)
    p.add_argument("--data", required=True, help="a tar of JPEG pictures")
    for name, default in [("image-size", 224), ("pictures", 500), ("pairs", 5)]:
        p.add_argument("--" + name, type=int, default=default)
    p.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    a = p.parse_args()
    if a.peer:
        measure_pillow(a)
        return
    whole, augment = [], []
    for i in range(a.pairs):
        weak, strong = ours(a, "train"), ours(a, "strong")
        theirs = peer.run([sys.executable, __file__, "--peer", f"--data={a.data}", f"--image-size={a.image_size}",
                           f"--pictures={a.pictures}", f"--seconds={a.seconds}"])
        mine = 1e3 / weak["images_per_second_per_core"]
        whole.append((theirs["crop"] + theirs["finish"]) / mine)
        augment.append(theirs["augment"] / strong["augment_ms"])
        print(f"pair {i + 1}: crop, flip, normalise: ssfer {mine:.3f} ms, torchvision "
              f"{theirs['crop'] + theirs['finish']:.3f} ms, ratio {whole[-1]:.2f}; RandAugment: ssfer "
              f"{strong['augment_ms']:.3f} ms, timm {theirs['augment']:.3f} ms, ratio {augment[-1]:.2f}")
    for name, ratios in (("crop, flip, normalise", whole), ("RandAugment", augment)):
        print(f"{name}: median ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


main()
