#!/usr/bin/env python3
"""Makes tests/golden/io: small checkpoints as PyTorch writes them, and what is in them.

Needs torch and numpy; run from the repository root: python3 tools/make_golden_io.py
For NAME.pth the expected tensors and metadata are in NAME.safetensors, written here by a few lines of struct and json,
so that they do not depend on the code under test. Files named bad_* must be refused (tests/unit/io says with which
message). Every file is a few KB.
"""
import argparse
import collections
import json
import pickle
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch

OUT = Path("tests/golden/io")
DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
          torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}


def raw(tensor):
    tensor = tensor.detach().contiguous()
    return bytes(tensor.reshape(-1).view(torch.uint8).numpy()) if tensor.numel() else b""


def write_safetensors(path, tensors, metadata=None, pad=True):
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, tensor in tensors.items():
        piece = raw(tensor)
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    if pad:
        text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def expect(name, tensors, /, **metadata):
    write_safetensors(OUT / f"{name}.safetensors", tensors, {"format": "pytorch", **metadata})


def values(*shape, dtype=torch.float32):
    n = int(np.prod(shape)) if shape else 1
    return (torch.arange(n, dtype=torch.float64) * 0.75 - 1.5).reshape(shape).to(dtype)


def model_dict():
    return collections.OrderedDict([("a.weight", values(2, 3)), ("a.bias", values(3)), ("b.weight", values(2, 1, 2, 2))])


def plain_files():
    state = model_dict()
    for name, options in {"zip": {}, "zip_protocol5": {"pickle_protocol": 5},
                          "legacy": {"_use_new_zipfile_serialization": False},
                          "legacy_protocol4": {"_use_new_zipfile_serialization": False, "pickle_protocol": 4}}.items():
        torch.save(state, OUT / f"{name}.pth", **options)
        expect(name, state, container="legacy" if "legacy" in name else "zip")
    torch.serialization.set_crc32_options(False)
    torch.save(state, OUT / "zip_no_checksums.pth")
    torch.serialization.set_crc32_options(True)
    expect("zip_no_checksums", state, container="zip")


def rewritten(source, target, change=lambda name, data: data, **options):
    with zipfile.ZipFile(OUT / source) as old, zipfile.ZipFile(OUT / target, "w", **options) as new:
        for item in old.infolist():
            info = zipfile.ZipInfo(item.filename)
            info.compress_type = new.compression
            data = change(item.filename, old.read(item.filename))
            if data is not None:
                new.writestr(info, data)


def rewritten_files():
    state = model_dict()

    def swap(name, data):
        if name.endswith("byteorder"):
            return b"big"
        return np.frombuffer(data, "<u4").byteswap().tobytes() if "/data/" in name else data

    rewritten("zip.pth", "zip_big_endian.pth", swap)
    expect("zip_big_endian", state, container="zip")
    rewritten("zip.pth", "zip_deflated.pth", compression=zipfile.ZIP_DEFLATED)
    expect("zip_deflated", state, container="zip")
    rewritten("zip.pth", "bad_storage_missing.pth", lambda name, data: None if name.endswith("data/1") else data)
    rewritten("zip.pth", "bad_storage_short.pth", lambda name, data: data[:-4] if name.endswith("data/1") else data)
    rewritten("zip.pth", "bad_no_pickle.pth", lambda name, data: None if name.endswith("data.pkl") else data)


def type_files():
    base = values(3, 4)
    shared = values(20)
    odd = collections.OrderedDict()
    for dtype, name in DTYPES.items():
        odd[f"type.{name}"] = (values(5) > 0) if dtype == torch.bool else values(5, dtype=dtype)
    odd["f16_special"] = torch.tensor([6e-8, float("inf"), -0.0, 65504.0, 1e-5], dtype=torch.float16)
    odd["scalar"] = torch.tensor(2.5)
    odd["empty"] = torch.zeros(0, 4)
    odd["base"] = base
    odd["transposed"] = base.t()
    odd["step"] = base[:, ::2]
    odd["expanded"] = base[1:2].expand(3, 4)
    odd["scalar_expanded"] = torch.tensor(7.0).expand(2, 3)
    odd["slice"] = shared[3:9].reshape(2, 3)
    odd["slice_again"] = shared[6:10]
    odd["column"] = shared.reshape(4, 5)[:, 2]
    odd["channels_last"] = values(1, 2, 2, 3).contiguous(memory_format=torch.channels_last)
    odd["one"] = base[:1, 1:2]
    odd["parameter"] = torch.nn.Parameter(base[2])
    odd["buffer"] = torch.nn.Buffer(values(2))
    stated = torch.nn.Parameter(values(2))
    stated.note = "attribute"
    odd["parameter_with_state"] = stated
    for name, options in {"types": {}, "types_legacy": {"_use_new_zipfile_serialization": False}}.items():
        torch.save(odd, OUT / f"{name}.pth", **options)
        expect(name, odd, container="legacy" if "legacy" in name else "zip")


def nested_files():
    state = model_dict()
    prefixed = collections.OrderedDict(("module." + k, v) for k, v in state.items())
    extra = {"epoch": 7, "lr": 0.1, "done": True, "name": "caf\u00e9", "none": None, "best": np.float64(0.25),
             "count": np.int64(-3), "single": np.float32(0.5), "array": np.array([1.5]), "big": 2 ** 62 + 1,
             "huge": 2 ** 100, "args": argparse.Namespace(lr=1e-3, data="faces"), "loss": torch.tensor(0.5),
             "set": {1, 2}, "bytes": b"\x00\xff\x80", "complex": 1 + 2j, "dtype": torch.float32,
             "device": torch.device("cpu"), "size": torch.Size([2, 3]), "counter": collections.Counter("aab"),
             "default": collections.defaultdict(list, {"k": [1]})}
    kept = {"epoch": "7", "lr": "0.1", "done": "true", "name": "caf\u00e9", "best": "0.25", "count": "-3",
            "single": "0.5", "array": "1.5", "big": str(2 ** 62 + 1), "container": "zip"}
    for protocol in (2, 4):
        torch.save({"optimizer": {}, **extra, "model": prefixed}, OUT / f"nested_protocol{protocol}.pth",
                   pickle_protocol=protocol)
        expect(f"nested_protocol{protocol}", state, **kept)
    for key in ("state_dict", "model_state_dict", "ema", "model_ema"):
        torch.save({"model": None, key: prefixed, "epoch": 1}, OUT / f"nested_{key}.pth")
        expect(f"nested_{key}", state, container="zip", epoch="1")
    torch.save({"student": state, "teacher": {k: v + 1 for k, v in state.items()}, "step": 3}, OUT / "two_models.pth")
    both = {f"student.{k}": v for k, v in state.items()} | {f"teacher.{k}": v + 1 for k, v in state.items()}
    expect("two_models", both, container="zip", step="3")
    compiled = collections.OrderedDict(("module._orig_mod." + k, v) for k, v in state.items())
    torch.save({"model": {"state_dict": compiled}}, OUT / "wrapped.pth")
    expect("wrapped", state, container="zip")


def module_file():
    module = torch.nn.Sequential(collections.OrderedDict(
        conv=torch.nn.Conv2d(1, 2, 2, bias=False), norm=torch.nn.BatchNorm2d(2),
        inner=torch.nn.Sequential(torch.nn.Linear(2, 2))))
    module.register_buffer("kept", values(3))
    module.register_buffer("dropped", values(3), persistent=False)
    module.yaml = {"nc": 1, "anchors": [[1, 2.5], [3, 4]], "name": "t"}
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.copy_(values(*tensor.shape, dtype=tensor.dtype))
    torch.save({"model": module, "epoch": -1}, OUT / "module.pt")
    yaml = json.dumps(module.yaml, separators=(",", ":"))
    expect("module", module.state_dict(), container="zip", epoch="-1", yaml=yaml,
           **{"class": "torch.nn.modules.container.Sequential"})


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.pos_embed = torch.nn.Parameter(values(1, 2, 4), requires_grad=False)
        self.one = torch.nn.Linear(4, 3)
        self.norm = torch.nn.LayerNorm(3)
        self.two = torch.nn.Linear(3, 2, bias=False)


def optimizer_file(name, groups_of, old_steps=False, names=False):
    torch.manual_seed(5)
    net = Net()
    optimizer = torch.optim.AdamW(groups_of(net), lr=0.01, betas=(0.9, 0.95))
    for parameter in net.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    saved = optimizer.state_dict()
    if old_steps:
        for state in saved["state"].values():
            state["step"] = int(state["step"])
    torch.save({"model": net.state_dict(), "optimizer": saved, "epoch": 4, "scheduler": {"last": 2, "rates": [0.1]}},
               OUT / f"{name}.pth")
    tensors = collections.OrderedDict()
    named = {id(p): n for n, p in net.named_parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{key}.{named[id(parameter)]}"] = torch.as_tensor(value, dtype=torch.float32)
    metadata = {"epoch": "4", "scheduler": '{"last":2,"rates":[0.1]}'}
    write_safetensors(OUT / f"{name}.optimizer.safetensors", tensors, metadata)


def optimizer_files():
    def split(net, token=False):
        def vector(name, p):
            return p.ndim <= 1 or name.endswith(".bias") or (token and name.endswith("pos_embed"))
        groups = [[p for n, p in net.named_parameters() if vector(n, p) == want] for want in (True, False)]
        return [{"params": groups[0], "weight_decay": 0.0}, {"params": groups[1], "weight_decay": 0.05}]

    optimizer_file("optimizer", lambda net: net.parameters())
    optimizer_file("optimizer_int_steps", lambda net: net.parameters(), old_steps=True)
    optimizer_file("optimizer_trainable", lambda net: [p for p in net.parameters() if p.requires_grad])
    optimizer_file("optimizer_two_groups", split)
    optimizer_file("optimizer_two_groups_tokens", lambda net: split(net, True))
    optimizer_file("optimizer_named", lambda net: reversed(list(net.named_parameters())))


class Hand:
    """A pickle of protocol 2 written by hand, as PyTorch 0.x and Python 2 did."""

    def __init__(self):
        self.out = b"\x80\x02"

    def text(self, value):
        self.out += b"U" + bytes([len(value)]) + value.encode()  # SHORT_BINSTRING: str of Python 2
        return self

    def op(self, data):
        self.out += data
        return self

    def number(self, value):
        return self.op(b"K" + bytes([value]))

    def glob(self, module, name):
        return self.op(f"c{module}\n{name}\n".encode())


def python2_file():
    """{'w': _rebuild_tensor(storage, 1, (2, 2), (2, 1))} whose storage is a view of 4 elements at 2 of a storage of 8."""
    h = Hand().op(b"}").text("w").glob("torch._utils", "_rebuild_tensor").op(b"((").text("storage")
    h.glob("torch", "FloatStorage").text("key0").text("cpu").number(8).op(b"(").text("key1").number(2).number(5)
    h.op(b"ttQ").number(1).op(b"(").number(2).number(2).op(b"t(").number(2).number(1).op(b"ttRs.")
    data = np.arange(8, dtype="<f4")
    prelude = b"".join(pickle.dumps(x, protocol=2) for x in
                       (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}))
    keys = pickle.dumps(["key0"], protocol=2)
    (OUT / "python2_view.pth").write_bytes(prelude + h.out + keys + struct.pack("<q", 8) + data.tobytes())
    expect("python2_view", {"w": torch.tensor([[3.0, 4.0], [5.0, 6.0]])}, container="legacy")
    (OUT / "bad_legacy_key.pth").write_bytes(prelude + h.out + pickle.dumps(["key7"], protocol=2) + struct.pack("<q", 8) +
                                             data.tobytes())


class Strange:
    """Pickles as a call that would run a command, were pickles executed."""

    def __reduce__(self):
        import os
        return os.system, ("touch pickle_was_executed",)


def refused_files():
    torch.save({"x": Strange()}, OUT / "bad_call.pth")
    torch.save(argparse.Namespace(lr=1), OUT / "bad_object.pth")
    torch.save({"epoch": 1, "args": {}}, OUT / "bad_no_tensors.pth")
    torch.save({"c": torch.zeros(2, dtype=torch.complex64)}, OUT / "bad_complex.pth")
    torch.save({"c": torch.zeros(2, dtype=torch.float8_e4m3fn)}, OUT / "bad_float8.pth")
    torch.save({"c": torch.eye(2).to_sparse()}, OUT / "bad_sparse.pth")
    torch.save({"c": torch.zeros([1] * 9)}, OUT / "bad_dimensions.pth")
    torch.save({"c": torch.tensor(1.0).expand(1 << 40)}, OUT / "bad_expanded.pth")
    cycle = []
    cycle.append(cycle)
    torch.save({"c": cycle}, OUT / "bad_cycle.pth")
    laughs = ["ha"]
    for _ in range(60):
        laughs = [laughs, laughs]
    torch.save({"c": laughs}, OUT / "bad_laughs.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), str(OUT / "bad_script.pt"))
    (OUT / "bad_plain_pickle.pth").write_bytes(pickle.dumps({"a": 1}, protocol=2))
    np.savez(OUT / "bad_numpy.npz", a=np.zeros(2))
    # shape and strides (2, 3), (3, 1): a third row would lie beyond the storage of six elements
    rewritten("zip.pth", "bad_bounds.pth",
              lambda name, data: data.replace(b"K\x02K\x03\x86", b"K\x03K\x03\x86") if name.endswith(".pkl") else data)
    rewritten("zip.pth", "bad_overflow.pth",
              lambda name, data: data.replace(b"K\x02K\x03\x86", b"J\xff\xff\xff\x7f\x8a\x08" + b"\xff" * 7 + b"\x7f\x86")
              if name.endswith(".pkl") else data)
    rewritten("zip.pth", "bad_checksum.pth")
    data = (OUT / "bad_checksum.pth").read_bytes()
    at = data.index(raw(values(2, 3)))
    (OUT / "bad_checksum.pth").write_bytes(data[:at] + b"\x01" + data[at + 1:])


def safetensors_files():
    tensors = collections.OrderedDict((f"t.{n}", (values(3) > 0) if d == torch.bool else values(3, dtype=d))
                                      for d, n in DTYPES.items())
    tensors["scalar"] = torch.tensor(1.5)
    tensors["empty"] = torch.zeros(2, 0, 3)
    tensors['quote" \\ tab\t caf\u00e9 \U0001f600'] = values(2, 2)
    write_safetensors(OUT / "native.safetensors", tensors, {"classes": "anger,fear", "seed": "7", "k\u00e9y": "line\nbreak"})
    write_safetensors(OUT / "native_unpadded.safetensors", tensors, pad=False)
    write_safetensors(OUT / "native_empty.safetensors", {})


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    plain_files()
    rewritten_files()
    type_files()
    nested_files()
    module_file()
    optimizer_files()
    python2_file()
    refused_files()
    safetensors_files()
    print(sum(f.stat().st_size for f in OUT.iterdir()), "bytes in", len(list(OUT.iterdir())), "files")
