#!/usr/bin/env python3
"""Makes tests/golden/yolov7: small face detectors with random weights, as PyTorch pickles whole models, and what they
compute; and the resize of OpenCV that their letterbox uses.

Needs torch and numpy, and OpenCV 4.6 for the last part; run from the repository root:
    python3 tools/make_golden_yolov7.py            networks
    python3 tools/make_golden_yolov7.py resize     opencv_resize.txt
    python3 tools/make_golden_yolov7.py corpus     tests/fuzz/corpus/detector
For each network NAME: NAME.pt is a pickled model (half precision, with a yaml), NAME.pth its state dict, NAME.txt its
configuration as text, NAME.safetensors the picture, every layer's mean and RMS, and the decoded rows.
"""
import copy
import json
import struct
import sys
import types
from pathlib import Path

OUT = Path("tests/golden/yolov7")

try:
    import torch
    from torch import nn
except ImportError:  # the resize part does without
    torch = None

if torch:
    common, yolo, package = (types.ModuleType(n) for n in ("models.common", "models.yolo", "models"))
    sys.modules.update({"models": package, "models.common": common, "models.yolo": yolo})

    def exported(module):
        """The class gets the name under which checkpoints of the field pickle it."""
        def register(cls):
            cls.__module__ = module.__name__
            setattr(module, cls.__name__, cls)
            return cls
        return register

    def act_of(spec):
        if spec is True:
            return nn.SiLU()
        return spec if isinstance(spec, nn.Module) else nn.Identity()

    @exported(common)
    class Conv(nn.Module):
        def __init__(self, c1, c2, k=1, s=1, p=None, g=1, act=True):
            super().__init__()
            self.conv = nn.Conv2d(c1, c2, k, s, k // 2 if p is None else p, groups=g, bias=False)
            self.bn = nn.BatchNorm2d(c2)
            self.act = act_of(act)

        def forward(self, x):
            return self.act(self.bn(self.conv(x)))

    @exported(common)
    class DWConvblock(nn.Module):
        def __init__(self, c1, c2, k, s):
            super().__init__()
            self.conv1, self.bn1, self.act1 = nn.Conv2d(c1, c1, k, s, k // 2, groups=c1, bias=False), nn.BatchNorm2d(c1), nn.SiLU()
            self.conv2, self.bn2, self.act2 = nn.Conv2d(c1, c2, 1, bias=False), nn.BatchNorm2d(c2), nn.SiLU()

        def forward(self, x):
            return self.act2(self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x))))))

    @exported(common)
    class RepConv(nn.Module):
        def __init__(self, c1, c2, k=3, s=1):
            super().__init__()
            self.act = nn.SiLU()
            self.rbr_identity = nn.BatchNorm2d(c1) if c1 == c2 and s == 1 else None
            self.rbr_dense = nn.Sequential(nn.Conv2d(c1, c2, k, s, k // 2, bias=False), nn.BatchNorm2d(c2))
            self.rbr_1x1 = nn.Sequential(nn.Conv2d(c1, c2, 1, s, bias=False), nn.BatchNorm2d(c2))

        def forward(self, x):
            y = self.rbr_dense(x) + self.rbr_1x1(x)
            return self.act(y if self.rbr_identity is None else y + self.rbr_identity(x))

    @exported(common)
    class ReOrg(nn.Module):
        def forward(self, x):
            return torch.cat([x[..., dy::2, dx::2] for dy, dx in ((0, 0), (1, 0), (0, 1), (1, 1))], 1)

    @exported(common)
    class Focus(nn.Module):
        def __init__(self, c1, c2, k=1, s=1):
            super().__init__()
            self.conv = Conv(c1 * 4, c2, k, s)

        def forward(self, x):
            return self.conv(ReOrg()(x))

    @exported(common)
    class Bottleneck(nn.Module):
        def __init__(self, c1, c2, shortcut=True):
            super().__init__()
            self.cv1, self.cv2, self.add = Conv(c1, c2 // 2), Conv(c2 // 2, c2, 3), shortcut and c1 == c2

        def forward(self, x):
            y = self.cv2(self.cv1(x))
            return x + y if self.add else y

    @exported(common)
    class C3(nn.Module):
        def __init__(self, c1, c2, n=1, shortcut=True):
            super().__init__()
            h = c2 // 2
            self.cv1, self.cv2, self.cv3 = Conv(c1, h), Conv(c1, h), Conv(2 * h, c2)
            self.m = nn.Sequential(*[Bottleneck(h, h, shortcut) for _ in range(n)])

        def forward(self, x):
            return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))

    @exported(common)
    class MP(nn.Module):
        def __init__(self, k=2):
            super().__init__()
            self.m = nn.MaxPool2d(k, k)

        def forward(self, x):
            return self.m(x)

    @exported(common)
    class SP(nn.Module):
        def __init__(self, k=3, s=1):
            super().__init__()
            self.m = nn.MaxPool2d(k, s, k // 2)

        def forward(self, x):
            return self.m(x)

    @exported(common)
    class SPF(nn.Module):
        def __init__(self, k=3):
            super().__init__()
            self.m = nn.Sequential(*[nn.MaxPool2d(3, 1, 1) for _ in range(k // 2)])

        def forward(self, x):
            return self.m(x)

    @exported(common)
    class SPP(nn.Module):
        def __init__(self, c1, c2, k=(3, 3, 3)):
            super().__init__()
            self.cv1, self.cv2 = Conv(c1, c1 // 2), Conv(c1 // 2 * (len(k) + 1), c2)
            self.m = nn.ModuleList(nn.Sequential(*[nn.MaxPool2d(3, 1, 1)] * (n // 2)) for n in k)

        def forward(self, x):
            x = self.cv1(x)
            return self.cv2(torch.cat([x] + [m(x) for m in self.m], 1))

    def thrice(m, x):
        a = m(x)
        b = m(a)
        return torch.cat((x, a, b, m(b)), 1)

    @exported(common)
    class SPPF(nn.Module):
        def __init__(self, c1, c2, k=5):
            super().__init__()
            self.cv1, self.cv2, self.m = Conv(c1, c1 // 2), Conv(c1 // 2 * 4, c2), nn.MaxPool2d(k, 1, k // 2)

        def forward(self, x):
            return self.cv2(thrice(self.m, self.cv1(x)))

    class TwoBranches(nn.Module):
        def __init__(self, c1, c2):
            super().__init__()
            self.cv1, self.cv2, self.cv3, self.cv4 = Conv(c1, c2), Conv(c1, c2), Conv(c2, c2, 3), Conv(c2, c2)
            self.cv5, self.cv6, self.cv7 = Conv(4 * c2, c2), Conv(c2, c2, 3), Conv(2 * c2, c2)

        def forward(self, x):
            return self.cv7(torch.cat((self.cv6(self.cv5(self.pools(self.cv4(self.cv3(self.cv1(x)))))), self.cv2(x)), 1))

    @exported(common)
    class SPPCSPC(TwoBranches):
        def __init__(self, c1, c2, n=1, shortcut=False, g=1, e=0.5, k=(5, 9, 13)):
            super().__init__(c1, c2)
            self.m = nn.ModuleList(nn.MaxPool2d(x, 1, x // 2) for x in k)

        def pools(self, x):
            return torch.cat([x] + [m(x) for m in self.m], 1)

    @exported(common)
    class SPPFCSPC(TwoBranches):
        def __init__(self, c1, c2, n=1, shortcut=False, g=1, e=0.5, k=5):
            super().__init__(c1, c2)
            self.m = nn.MaxPool2d(k, 1, k // 2)

        def pools(self, x):
            return thrice(self.m, x)

    @exported(common)
    class Concat(nn.Module):
        def __init__(self, dimension=1):
            super().__init__()
            self.d = dimension

        def forward(self, x):
            return torch.cat(x, self.d)

    @exported(common)
    class ADD(nn.Module):
        def __init__(self, alpha=0.5):
            super().__init__()
            self.a = alpha

        def forward(self, x):
            return torch.add(x[0], x[1], alpha=self.a)

    @exported(common)
    class StemBlock(nn.Module):
        def __init__(self, c1, c2, k=3, s=2):
            super().__init__()
            self.stem_1, self.stem_2a, self.stem_2b = Conv(c1, c2, k, s), Conv(c2, c2 // 2), Conv(c2 // 2, c2, 3, 2)
            self.stem_2p, self.stem_3 = nn.MaxPool2d(2, 2, ceil_mode=True), Conv(2 * c2, c2)

        def forward(self, x):
            x = self.stem_1(x)
            return self.stem_3(torch.cat((self.stem_2b(self.stem_2a(x)), self.stem_2p(x)), 1))

    def depthwise(c, s):
        return nn.Conv2d(c, c, 3, s, 1, groups=c, bias=False)

    def pointwise(c1, c2):
        return nn.Conv2d(c1, c2, 1, bias=False)

    @exported(common)
    class Shuffle_Block(nn.Module):
        def __init__(self, c1, c2, stride):
            super().__init__()
            h, self.stride = c2 // 2, stride
            if stride > 1:
                self.branch1 = nn.Sequential(depthwise(c1, stride), nn.BatchNorm2d(c1), pointwise(c1, h),
                                             nn.BatchNorm2d(h), nn.SiLU())
            self.branch2 = nn.Sequential(pointwise(c1 if stride > 1 else h, h), nn.BatchNorm2d(h), nn.SiLU(),
                                         depthwise(h, stride), nn.BatchNorm2d(h), pointwise(h, h), nn.BatchNorm2d(h),
                                         nn.SiLU())

        def forward(self, x):
            a, b = (x.chunk(2, 1) if self.stride == 1 else (x, x))
            both = torch.stack((a if self.stride == 1 else self.branch1(a), self.branch2(b)), 2)
            return both.flatten(1, 2)

    @exported(common)
    class conv_bn_relu_maxpool(nn.Module):
        def __init__(self, c1, c2):
            super().__init__()
            self.conv = nn.Sequential(nn.Conv2d(c1, c2, 3, 2, 1, bias=False), nn.BatchNorm2d(c2), nn.SiLU())
            self.maxpool = nn.MaxPool2d(3, 2, 1)

        def forward(self, x):
            return self.maxpool(self.conv(x))

    @exported(common)
    class ImplicitA(nn.Module):
        def __init__(self, channel):
            super().__init__()
            self.channel, self.implicit = channel, nn.Parameter(torch.randn(1, channel, 1, 1) * 0.2)

        def forward(self, x):
            return x + self.implicit

    @exported(common)
    class ImplicitM(nn.Module):
        def __init__(self, channel):
            super().__init__()
            self.channel, self.implicit = channel, nn.Parameter(1 + torch.randn(1, channel, 1, 1) * 0.2)

        def forward(self, x):
            return x * self.implicit

    class Head(nn.Module):
        def __init__(self, nc, anchors, nkpt, ch, blocks=False, implicit=True):
            super().__init__()
            self.nc, self.nkpt, self.na, self.nl, self.no = nc, nkpt, len(anchors[0]) // 2, len(ch), 5 + nc + 3 * nkpt
            grid = torch.tensor(anchors).float().view(self.nl, 1, -1, 1, 1, 2)
            self.register_buffer("anchors", grid.view(self.nl, -1, 2) / torch.tensor([8.0 * 2**i for i in range(self.nl)]).view(-1, 1, 1))
            self.register_buffer("anchor_grid", grid)
            self.m = nn.ModuleList(nn.Conv2d(c, (5 + nc) * self.na, 1) for c in ch)
            if implicit:
                self.ia = nn.ModuleList(ImplicitA(c) for c in ch)
                self.im = nn.ModuleList(ImplicitM((5 + nc) * self.na) for _ in ch)
            if nkpt:
                last = lambda c: nn.Conv2d(c, 3 * nkpt * self.na, 1)
                self.m_kpt = nn.ModuleList(
                    nn.Sequential(Conv(c, c, 3, g=c), Conv(c, c), Conv(c, c, 3, g=c), last(c)) if blocks else last(c) for c in ch)

        def forward(self, xs):
            out = []
            for i, x in enumerate(xs):
                y = self.m[i](self.ia[i](x) if hasattr(self, "ia") else x)
                if hasattr(self, "im"):
                    y = self.im[i](y)
                if self.nkpt:
                    y = torch.cat((y, self.m_kpt[i](x)), 1)
                b, _, h, w = y.shape
                y = y.view(b, self.na, self.no, h, w).permute(0, 1, 3, 4, 2)
                cell = torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")[::-1], 2).float()
                stride, n = float(self.stride[i]), 5 + self.nc
                s = y[..., :n].sigmoid()
                parts = [(s[..., 0:2] * 2 - 0.5 + cell) * stride, (s[..., 2:4] * 2) ** 2 * self.anchor_grid[i], s[..., 4:]]
                for k in range(self.nkpt):
                    p = y[..., n + 3 * k:n + 3 * k + 3]
                    parts += [(p[..., :2] * 2 - 0.5 + cell) * stride, p[..., 2:].sigmoid()]
                out.append(torch.cat(parts, -1).view(b, -1, self.no))
            return torch.cat(out, 1)

    @exported(yolo)
    class IKeypoint(Head):
        pass

    @exported(yolo)
    class Detect(Head):
        pass

    @exported(yolo)
    class Model(nn.Module):
        def forward(self, x):
            y = []
            for m in self.model:
                if m.f != -1:
                    x = y[m.f] if isinstance(m.f, int) else [x if j == -1 else y[j] for j in m.f]
                x = m(x)
                y.append(x)
            return y


# from, number, module, arguments as a yaml has them, and the channels that the module gives (None: as many as it gets)
BLOCKS = {
    "nc": 1, "nkpt": 5, "depth_multiple": 1.0, "width_multiple": 1.0, "dw_conv_kpt": True,
    "anchors": [[4, 5, 6, 8], [15, 19, 23, 30]],
    "backbone": [
        [-1, 1, "ReOrg", []],
        [-1, 1, "Conv", [16, 3, 1, None, 1, "nn.LeakyReLU(0.1)"]],
        [-1, 1, "conv_bn_relu_maxpool", [12]],  # /8
        [-1, 1, "RepConv", [12, 3, 1]],
        [-1, 1, "Conv", [8, 1, 1]],
        [-2, 1, "Conv", [20, 3, 1, None, 4, "nn.ReLU()"]],
        [[-1, -2, -3], 1, "Concat", [1]],  # 40, the second piece at 20
        [-1, 2, "C3", [16]],
        [-1, 1, "Bottleneck", [16]],
        [-1, 1, "SPP", [16, [5, 9]]],
        [-1, 1, "MP", []],  # 10: /16
        [-1, 1, "RepConv", [24, 3, 1]],
        [-1, 1, "SPPCSPC", [12]],
        [-1, 1, "SPPFCSPC", [16]],
        [-1, 1, "SP", [5]],
        [-1, 1, "SPF", [7]],
    ],
    "head": [
        [-1, 1, "nn.Upsample", ["None", 2, "nearest"]],
        [[-1, 9], 1, "ADD", [0.5]],
        [[17, 15], 1, "IKeypoint", ["nc", "anchors", "nkpt"]],
    ],
}
LITE = {
    "nc": 2, "nkpt": 0, "depth_multiple": 1.0, "width_multiple": 1.0,
    "anchors": [[4, 5], [15, 19]],
    "backbone": [
        [-1, 1, "StemBlock", [8, 3, 2]],
        [-1, 1, "Shuffle_Block", [24, 2]],  # /8, branches of 12 channels
        [-1, 3, "Shuffle_Block", [24, 1]],
        [-1, 1, "DWConvblock", [16, 3, 2]],  # /16
        [-1, 1, "SPPF", [16, 3]],
    ],
    "head": [
        [2, 1, "Conv", [16, 1, 1, 0, 1, False]],
        [[5, 4], 1, "Detect", ["nc", "anchors"]],
    ],
}


def literal(arg):
    known = {"None": None, "nn.LeakyReLU(0.1)": nn.LeakyReLU(0.1), "nn.ReLU()": nn.ReLU()}
    return known.get(arg, arg) if isinstance(arg, str) else arg


def build(config):
    channels, layers = [], []
    for i, (f, n, name, args) in enumerate(config["backbone"] + config["head"]):
        inputs = [channels[j] if j >= 0 else (channels[i + j] if i else 3) for j in (f if isinstance(f, list) else [f])]
        args = [literal(a) for a in args]
        if name == "nn.Upsample":
            module, out = nn.Upsample(None, 2, "nearest"), inputs[0]
        elif name in ("IKeypoint", "Detect"):
            module = getattr(yolo, name)(config["nc"], config["anchors"], config["nkpt"], inputs,
                                         config.get("dw_conv_kpt", False), name != "Detect")
            module.stride = torch.tensor([8.0, 16.0])
            out = 0
        elif name in ("MP", "SP", "SPF", "ADD", "Concat", "ReOrg"):
            module = getattr(common, name)(*args)
            out = {"Concat": sum(inputs), "ReOrg": 4 * inputs[0]}.get(name, inputs[0])
        else:
            repeated = [n] if name == "C3" else []
            make = lambda c1: getattr(common, name)(c1, args[0], *repeated, *args[1:])
            out = args[0]
            module = make(inputs[0]) if n == 1 or repeated else nn.Sequential(*[make(inputs[0] if k == 0 else out) for k in range(n)])
        module.i, module.f, module.type = i, f, "nn.Upsample" if name == "nn.Upsample" else "models." + name
        layers.append(module)
        channels.append(out)
    model = yolo.Model()
    model.yaml, model.model, model.names = config, nn.Sequential(*layers), ["face"]
    return model


def randomise(model, seed):
    """Weights of every size; batch-norms with the reference's eps, two of them with another."""
    torch.manual_seed(seed)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for i, m in enumerate(norms):
        m.eps = 1e-3 if i not in (1, 3) else 1e-1  # large enough to be noticed
        nn.init.uniform_(m.weight, 0.3, 0.9)
        nn.init.normal_(m.bias, std=0.3)
        nn.init.normal_(m.running_mean, std=0.2)
        nn.init.uniform_(m.running_var, 0.3, 1.2)
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.normal_(m.weight, std=1 / (m.weight[0].numel() ** 0.5))
    return model.half().float()  # values that half precision holds


def write_safetensors(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, t in tensors.items():
        piece = t.contiguous().numpy().tobytes()
        kind = {torch.float32: "F32", torch.uint8: "U8"}[t.dtype]
        header[name] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def word(arg):
    return "[" + ",".join(map(str, arg)) + "]" if isinstance(arg, list) else str(arg)


def as_text(config, model):
    lines = [f"classes {config['nc']}", f"keypoints {config['nkpt']}", "depth 1", "width 1",
             "keypoint_blocks " + ("yes" if config.get("dw_conv_kpt") else "no")]
    for level in config["anchors"]:
        lines.append("anchors " + " ".join(f"{level[k]},{level[k + 1]}" for k in range(0, len(level), 2)))
    for f, n, name, args in config["backbone"] + config["head"]:
        inputs = ",".join(map(str, f if isinstance(f, list) else [f]))
        lines.append(" ".join(["layer", inputs, str(n), name] + [word(a) for a in args]))
    for path, m in model.named_modules():
        if isinstance(m, nn.BatchNorm2d) and m.eps != 1e-3:
            lines.append(f"set {path} eps {m.eps:g}")
    return "\n".join(lines) + "\n"


def make_network(name, config, seed, height, width):
    model = randomise(build(copy.deepcopy(config)), seed).eval()
    picture = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8)
    with torch.no_grad():
        outputs = model((picture.permute(2, 0, 1).float() / 255)[None].contiguous())
    for m in model.modules():  # inference leaves nothing behind
        assert not m.training
    torch.save({"epoch": -1, "model": copy.deepcopy(model).half(), "ema": None, "optimizer": None}, OUT / f"{name}.pt")
    torch.save(copy.deepcopy(model).half().state_dict(), OUT / f"{name}.pth")
    (OUT / f"{name}.txt").write_text(as_text(config, model))
    write_safetensors(OUT / f"{name}.safetensors", {
        "picture": picture, "rows": outputs[-1][0],
        "layer_mean": torch.stack([o.mean() for o in outputs[:-1]]),
        "layer_rms": torch.stack([o.square().mean().sqrt() for o in outputs[:-1]])}, {"note": "random weights"})


def noise(count, seed):
    """The bytes that the test makes for itself: top byte of a 64-bit linear congruential generator (Knuth's)."""
    out, state = bytearray(), seed
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(state >> 56)
    return bytes(out)


def make_resize():
    import cv2
    import numpy as np
    sizes = [(7, 5, 23, 17), (1, 1, 5, 4), (1, 9, 3, 30), (64, 48, 32, 24), (64, 48, 128, 96), (100, 50, 33, 77),
             (13, 13, 13, 20), (50, 40, 51, 39), (2, 2, 7, 7), (333, 222, 640, 427), (900, 20, 640, 14)]
    lines = []
    for w, h, W, H in sizes:
        a = np.frombuffer(noise(w * h * 3, w * 1000 + h), dtype=np.uint8).reshape(h, w, 3)
        b = cv2.resize(a, (W, H), interpolation=cv2.INTER_LINEAR)
        value = 0xCBF29CE484222325  # FNV-1a
        for byte in b.tobytes():
            value = (value ^ byte) * 0x100000001B3 % 2**64
        lines.append(f"{w} {h} {W} {H} {value:016x}")
    (OUT / "opencv_resize.txt").write_text("\n".join(lines) + "\n")


def make_corpus():
    """A network of two layers in every form that is read, and some that are refused."""
    out = Path("tests/fuzz/corpus/detector")
    out.mkdir(parents=True, exist_ok=True)
    config = {"nc": 1, "nkpt": 5, "depth_multiple": 1.0, "width_multiple": 1.0, "dw_conv_kpt": False,
              "anchors": [[4, 5], [9, 9]], "backbone": [[-1, 1, "Conv", [4, 3, 8]], [-1, 1, "Shuffle_Block", [8, 2]]],
              "head": [[[0, 1], 1, "IKeypoint", ["nc", "anchors", "nkpt"]]]}
    model = randomise(build(copy.deepcopy(config)), 3).eval()
    half = {"model": copy.deepcopy(model).half()}
    torch.save(half, out / "tiny.pt")
    torch.save(half, out / "tiny_legacy.pt", _use_new_zipfile_serialization=False)
    whole = (out / "tiny_legacy.pt").read_bytes()
    (out / "cut.pt").write_bytes(whole[:len(whole) * 2 // 3])
    text, yaml = as_text(config, model), json.dumps(config, separators=(",", ":"))
    (out / "tiny.txt").write_text(text)
    (out / "tiny.json").write_text(yaml)
    tensors = {k: v for k, v in model.state_dict().items() if "num_batches" not in k}
    write_safetensors(out / "tiny.safetensors", tensors, {"ssfer.detector": text})
    write_safetensors(out / "tiny_yaml.safetensors", tensors, {"yaml": yaml})
    cyclic, unknown = copy.deepcopy(model), copy.deepcopy(model)
    cyclic.model[0]._modules["inner"] = cyclic.model
    torch.save({"model": cyclic}, out / "cyclic.pt")
    unknown.model[0].act = nn.Softplus()
    torch.save({"model": unknown}, out / "unknown.pt")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    if "corpus" in sys.argv[1:]:
        make_corpus()
    elif "resize" in sys.argv[1:]:
        make_resize()
    else:
        make_network("blocks", BLOCKS, 1, 64, 96)
        make_network("lite", LITE, 2, 48, 64)
