#!/usr/bin/env python3
"""Makes the seeds of the fuzzers of JSON and of the files that ssfer writes for itself: tests/fuzz/corpus/{json,
safetensors, labels, face_boxes, npy, run_files}. Only Python's library."""
import json
import pathlib
import struct

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fuzz" / "corpus"

JSON = {
    "kinds.json": '{"a": [1, -2.5e-3, "x", null, true, false, {}], "b": {"c": []}, "": 0}\n',
    "integers.json": "[9223372036854775807, -9223372036854775808, 9007199254740993, 0, -0, 1e3, -0.0, 1.5e300]",
    "strings.json": '["\\u0001\\u0032", "caf\u00e9 \\ud83d\\ude00", "\\"\\\\\\/\\b\\f\\n\\r\\t", "\x7f"]',
    "large_reals.json": "[9223372036854807.51, -92.25807e18, 1e15, 123456789012345678.5]",
    "scalar.json": ' "alone" ',
    "deep.json": "[" * 100 + "]" * 100,
    "too_deep.json": '{"a":' * 101 + "0" + "}" * 101,
    "twice.json": '{"a": 1, "b": {"a": 2}, "a": 3}',
    "cut.json": '{"a": [1, 2',
    "too_large.json": "[1, 18446744073709551616]",
    "not_finite.json": "[NaN, 1e999, -Infinity]",
}

LABELS = {
    "good.json": {"format": "ssfer-split", "version": 1, "dataset": "set", "split": None, "samples": 4,
                  "fraction": 0.5, "seed": 7, "classes": ["a", "b"], "labeled": ["a/1.png", "b/0.png"]},
    "gone.json": {"format": "ssfer-split", "version": 1, "fraction": 1, "seed": 0, "labeled": ["a/9.png"]},
    "twice.json": {"format": "ssfer-split", "version": 1, "fraction": 1, "seed": 0, "labeled": ["a/0.png", "a/0.png"]},
    "later.json": {"format": "ssfer-split", "version": 2},
}

BOXES = {"format": "ssfer-face-boxes", "version": 1, "dataset": "set", "detector": "b1494b6ef08a411e", "size": 160,
         "confidence": 0.5, "iou": 0.5}
FACES = {
    "good.json": {"a/0.png": [1, 2.5, 30, 40], "b/0.png": None},
    "others.json": {"b/0.png": None, "of/another.png": [0.1, -2, 3.25, 1000], "none.png": None},
    "deep.json": {"of/another.png": [[[[[[]]]]]]},
    "no_area.json": {"a/0.png": [5, 2, 5, 4]},
    "three.json": {"a/0.png": [1, 2, 3]},
}
BOXES_CSV = {
    "boxes.csv": "path,label,x1,y1,x2,y2\na/0.png,a,1.5,2,3e1,4\nb/0.png,b,1,2,3,4\nb/0.png,b,5,6,7,8\n",
    "far.csv": "path,x1,y1,x2,y2\na/0.png,1.5,2,3,1e42\n",
    "no_area.csv": "path,x1,y1,x2,y2\na/0.png,4,2,3,4\n",
    "comma.csv": 'x1,y1,x2,y2,path\n"1,5",2,3,4,a/0.png\n',
}

RECIPE = """# ssfer 0.1.0: everything that this run was made with
data:
  data: "faces.tar"
  classes: ["a", "b"]
optimizer:
  lr: 1.5e-04
  betas: [0.9, 0.999]
machine:
  threads: 2
"""
METRICS = (
    '{"stage":"finetune","epoch":1,"step":4,"loss":1.5,"lr":0.001}\n'
    '{"stage":"finetune","epoch":1,"step":5,"loss":null,"accuracy":0.25,"note":"x"}\n'
    "\n"
    '{"stage":"semi","ep'
)
STATE = {"stage": "finetune", "epoch": 2, "iteration": 1, "step": 40, "best_epoch": 1, "best": 0.625,
         "elapsed_s": 1.5, "epoch_loss": 0.25, "epoch_images": 64, "epoch_right": 3, "rollbacks": 0,
         "lr_scale": 1, "window_loss": 0.5, "window_images": 8}


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(data):
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", crc32c(length)) + data + struct.pack("<I", crc32c(data))


def event(step):
    value = b"\x0a\x06s/loss" + b"\x15" + struct.pack("<f", 0.5)
    summary = b"\x0a" + bytes([len(value)]) + value
    return record(b"\x09" + struct.pack("<d", 1e9) + b"\x10" + bytes([step]) + b"\x2a" + bytes([len(summary)]) + summary)


def events():
    first = b"\x09" + struct.pack("<d", 1e9) + b"\x1a\x0dbrain.Event:2"
    return record(first) + event(3) + event(6)


def safetensors(header, data=b""):
    text = json.dumps(header, separators=(",", ":")).encode() if isinstance(header, dict) else header
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


TENSORS = {
    "two.safetensors": safetensors(
        {"__metadata__": {"num_heads": "2", "mask_ratio": "0.75", "mean": "[0.5, 0.4, 0.3]"},
         "a": tensor("F32", [2], 0, 8), "b.weight": tensor("BF16", [1, 3], 8, 14)}, bytes(14)),
    "scalar.safetensors": safetensors({"s": tensor("I64", [], 0, 8), "empty": tensor("U8", [0, 4], 8, 8)}, bytes(8)),
    "overlap.safetensors": safetensors({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 2, 6)}, bytes(6)),
    "huge.safetensors": safetensors({"a": tensor("F64", [4294967296, 4294967296], 0, 8)}, bytes(8)),
    "unknown.safetensors": safetensors({"a": tensor("F8_E4M3", [8], 0, 8)}, bytes(8)),
    "twice.safetensors": safetensors(b'{"__metadata__":{"a":"1","a":"2"}}'),
    "cut.safetensors": safetensors({"a": tensor("F32", [2], 0, 8)}, bytes(8))[:40],
}


def npy(descr, data, shape="()", version=1):
    header = ("{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)).ljust(60) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + data


NUMBERS = {
    "text.npy": npy("<U4", "1.25".encode("utf-32-le")),
    "bytes.npy": npy("|S3", b"-1e", "(1,)"),
    "integer.npy": npy("<i8", struct.pack("<q", -2)),
    "unsigned.npy": npy("|u1", b"\xff", "(1, 1)"),
    "single.npy": npy("<f4", struct.pack("<f", 0.5), version=2),
    "nan.npy": npy("<f8", struct.pack("<d", float("nan")), version=3),
    "array.npy": npy("<i4", bytes(8), "(2,)"),
    "big_endian.npy": npy(">i4", bytes(4)),
}


def write(folder, files):
    (OUT / folder).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if isinstance(content, dict):
            content = json.dumps(content)
        (OUT / folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def main():
    write("json", JSON)
    write("labels", LABELS)
    write("face_boxes", {name: {**BOXES, "faces": faces} for name, faces in FACES.items()} | BOXES_CSV)
    write("run_files", {"recipe.yaml": RECIPE, "metrics.jsonl": METRICS, "state.json": STATE, "events": events()})
    write("safetensors", TENSORS)
    write("npy", NUMBERS)


if __name__ == "__main__":
    main()
