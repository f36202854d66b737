#!/usr/bin/env python3
"""Makes tests/golden/image: small files of every kind that the decoders read, and what Pillow makes of them.

    make_golden_image.py [FOLDER]

codec.txt     FILE WIDTH HEIGHT HASH UPRIGHT_WIDTH UPRIGHT_HEIGHT UPRIGHT_HASH: pixels of convert("RGB"), as stored and
              after exif_transpose
resample.txt  WIDTH HEIGHT GRAY  LEFT TOP W H  FILTER OUT_WIDTH OUT_HEIGHT  HASH: resize of a part of a picture of noise
ops.txt       WIDTH HEIGHT OPERATION ARGUMENT HASH: RandAugment's operations on noise, through Pillow's own functions
The hash is FNV-1a (64 bits) of the RGB bytes. Needs Pillow and numpy.
"""
import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def fnv1a(data: bytes) -> str:
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def noise(width: int, height: int, gray: bool = False) -> np.ndarray:
    """The same linear congruential noise as in the test."""
    count = width * height * (1 if gray else 3)
    state, values = 12345, np.empty(count, np.uint8)
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values[i] = state >> 24
    pixels = values.reshape(height, width, -1)
    return np.repeat(pixels, 3, 2) if gray else pixels


def smooth(width: int, height: int) -> np.ndarray:
    """A picture that survives JPEG: gradients and a disc."""
    y, x = np.mgrid[0:height, 0:width]
    disc = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2
    return np.stack([x * 255 // width, y * 255 // height, np.where(disc, 220, 40)], 2).astype(np.uint8)


# --- PNG of every colour type, depth and interlacing, written by hand since Pillow cannot ---

def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_rows(samples: np.ndarray, depth: int) -> bytes:
    """samples: (rows, values); each row starts with a filter byte (0: none)."""
    out = bytearray()
    for row in samples:
        out.append(0)
        if depth == 16:
            out += row.astype(">u2").tobytes()
        elif depth == 8:
            out += row.astype(np.uint8).tobytes()
        else:
            bits = "".join(format(v, f"0{depth}b") for v in row)
            bits += "0" * (-len(bits) % 8)
            out += int(bits, 2).to_bytes(len(bits) // 8, "big")
    return bytes(out)


def png(samples: np.ndarray, depth: int, colour: int, interlaced: bool, extra: list) -> bytes:
    height, width, _ = samples.shape
    data = b""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    for x0, y0, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
        part = samples[y0::dy, x0::dx]
        if part.size:
            data += pack_rows(part.reshape(part.shape[0], -1), depth)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    body = b"".join(chunk(kind, value) for kind, value in extra)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


def png_files():
    rng = np.random.default_rng(7)
    width, height = 11, 9
    kinds = {0: ("gray", 1, (1, 2, 4, 8, 16)), 2: ("rgb", 3, (8, 16)), 3: ("palette", 1, (1, 2, 4, 8)),
             4: ("la", 2, (8, 16)), 6: ("rgba", 4, (8, 16))}
    for colour, (name, channels, depths) in kinds.items():
        for depth in depths:
            for interlaced in (False, True):
                for transparent in (False, True) if colour in (0, 2, 3) else (False,):
                    values = rng.integers(0, 2**depth, (height, width, channels))
                    extra = []
                    if colour == 3:
                        extra.append((b"PLTE", rng.integers(0, 256, 3 * 2**depth, dtype=np.uint8).tobytes()))
                    if transparent:
                        first = values[0, 0]
                        extra.append((b"tRNS", rng.integers(0, 256, min(2**depth, 5), dtype=np.uint8).tobytes()
                                      if colour == 3 else b"".join(struct.pack(">H", v) for v in first)))
                    label = f"png_{name}{depth}{'_trns' if transparent else ''}{'_interlaced' if interlaced else ''}.png"
                    high = values >> 8 if depth == 16 and colour == 0 else None
                    yield label, png(values, depth, colour, interlaced, extra), high
    # 16-bit gray: Pillow clips, ssfer keeps the high byte; `high` above says what is expected


def saved(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def patched_adobe(data: bytes, transform: int) -> bytes:
    at = data.index(b"Adobe\0")
    return data[: at + 11] + bytes([transform]) + data[at + 12 :]


def adobe_rgb(data: bytes) -> bytes:
    """Says that the three components are R, G, B as they stand."""
    segment = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
    at = data.index(b"\xff\xdb")
    return data[:2] + segment + data[at:]


def jpeg_files():
    rgb = Image.fromarray(smooth(37, 21))
    yield "jpeg_444.jpg", saved(rgb, "JPEG", quality=80, subsampling=0)
    yield "jpeg_422.jpg", saved(rgb, "JPEG", quality=80, subsampling=1)
    yield "jpeg_420.jpg", saved(rgb, "JPEG", quality=60, subsampling=2)
    yield "jpeg_gray.jpg", saved(rgb.convert("L"), "JPEG", quality=70)
    yield "jpeg_progressive.jpg", saved(rgb, "JPEG", quality=70, progressive=True)
    yield "jpeg_restart.jpg", saved(rgb, "JPEG", quality=70, subsampling=2, restart_marker_blocks=1)
    yield "jpeg_adobe_rgb.jpg", adobe_rgb(saved(rgb, "JPEG", quality=90, subsampling=0))
    cmyk = saved(Image.fromarray(np.concatenate([smooth(19, 13), smooth(13, 19).transpose(1, 0, 2)[..., :1]], 2), "CMYK"),
                 "JPEG", quality=85)
    yield "jpeg_cmyk.jpg", cmyk
    yield "jpeg_ycck.jpg", patched_adobe(cmyk, 2)
    for n in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = n
        yield f"exif_{n}.jpg", saved(Image.fromarray(smooth(7, 5)), "JPEG", quality=60, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "exif_6.png", saved(Image.fromarray(noise(4, 3)), "PNG", exif=exif)
    exif[0x0112] = 8
    yield "exif_8.webp", saved(Image.fromarray(noise(4, 3)), "WEBP", lossless=True, exif=exif.tobytes())


def webp_files():
    rgb = smooth(23, 17)
    rgba = Image.fromarray(np.dstack([rgb, np.where(rgb[..., 2] > 100, 255, 77).astype(np.uint8)]))
    yield "webp_lossy.webp", saved(Image.fromarray(rgb), "WEBP", quality=60)
    yield "webp_lossless.webp", saved(Image.fromarray(noise(9, 6)), "WEBP", lossless=True)
    yield "webp_alpha_lossy.webp", saved(rgba, "WEBP", quality=70)
    yield "webp_alpha_lossless.webp", saved(rgba, "WEBP", lossless=True, exact=True)


def describe(rgb: np.ndarray) -> str:
    return f"{rgb.shape[1]} {rgb.shape[0]} {fnv1a(rgb.tobytes())}"


def write_codec(folder: Path) -> None:
    lines = []
    files = [(n, d, None) for n, d in (*jpeg_files(), *webp_files())] + list(png_files())
    for name, data, expected in files:
        (folder / name).write_bytes(data)
        image = Image.open(io.BytesIO(data))
        if expected is None:
            stored, upright = np.array(image.convert("RGB")), np.array(ImageOps.exif_transpose(image).convert("RGB"))
        else:
            stored = upright = np.repeat(expected.astype(np.uint8), 3, 2)
        lines.append(f"{name} {describe(stored)} {describe(upright)}")
    animation = [Image.fromarray(noise(6, 4)), Image.fromarray(smooth(6, 4))]
    (folder / "animated.webp").write_bytes(saved(animation[0], "WEBP", save_all=True, append_images=animation[1:], lossless=True))
    (folder / "codec.txt").write_text("\n".join(lines) + "\n")


def resample_cases():
    sizes = [(1, 1), (1, 37), (41, 1), (2, 3), (16, 16), (17, 33), (48, 48), (53, 29), (97, 64), (333, 7), (5, 400)]
    outputs = [(1, 1), (1, 9), (224, 1), (16, 16), (17, 48), (33, 18), (50, 60), (224, 5), (3, 150)]
    for i, (w, h) in enumerate(sizes):
        for j, out in enumerate(outputs):
            yield w, h, (i + j) % 3 == 0, (0, 0, w, h), out
    yield 48, 48, True, (0, 0, 48, 48), (224, 224)
    yield 48, 48, False, (0, 0, 48, 48), (224, 224)
    yield 90, 70, False, (0, 0, 90, 70), (90, 31)  # one axis stays
    yield 90, 70, False, (0, 0, 90, 70), (31, 70)
    yield 90, 70, True, (0, 0, 90, 70), (31, 70)
    for part in ((3, 5, 40, 30), (50, 0, 40, 70), (89, 69, 1, 1), (0, 13, 90, 2), (11, 5, 64, 64)):
        yield 90, 70, False, part, (64, 64)
        yield 90, 70, True, part, (37, 80)


def write_resample(folder: Path) -> None:
    lines = []
    for w, h, gray, (left, top, pw, ph), out in resample_cases():
        part = Image.fromarray(noise(w, h, gray)).crop((left, top, left + pw, top + ph))
        for name, kind in FILTERS.items():
            # Width first, then height, as Pillow 9.4 always does; later ones begin with the cheaper axis.
            pixels = np.array(part.resize((out[0], ph), kind).resize(out, kind))
            lines.append(f"{w} {h} {int(gray)} {left} {top} {pw} {ph} {name} {out[0]} {out[1]} {fnv1a(pixels.tobytes())}")
    (folder / "resample.txt").write_text("\n".join(lines) + "\n")


FILL = (150, 117, 103)


def moved(image: Image.Image, matrix: tuple) -> Image.Image:
    return image.transform(image.size, Image.AFFINE, matrix, resample=Image.BICUBIC, fillcolor=FILL)


OPERATIONS = {
    "AutoContrast": (lambda i, a: ImageOps.autocontrast(i), (0,)),
    "Equalize": (lambda i, a: ImageOps.equalize(i), (0,)),
    "Invert": (lambda i, a: ImageOps.invert(i), (0,)),
    "Rotate": (lambda i, a: i.rotate(a, resample=Image.BICUBIC, fillcolor=FILL),
               (0, 3.1, -27, 45, 90, 180, -90, 269.5, 400)),
    "Posterize": (lambda i, a: ImageOps.posterize(i, int(a)), (1, 4, 8)),
    "Solarize": (lambda i, a: ImageOps.solarize(i, int(a)), (0, 1, 128, 255, 256)),
    "SolarizeAdd": (lambda i, a: i.point([min(255, v + int(a)) if v < 128 else v for v in range(256)] * 3), (0, 50, 128)),
    "Color": (lambda i, a: ImageEnhance.Color(i).enhance(a), (0, 0.1, 0.7, 1, 1.81, 3)),
    "Contrast": (lambda i, a: ImageEnhance.Contrast(i).enhance(a), (0, 0.1, 0.7, 1, 1.81, 3)),
    "Brightness": (lambda i, a: ImageEnhance.Brightness(i).enhance(a), (0, 0.1, 0.7, 1, 1.81, 3)),
    "Sharpness": (lambda i, a: ImageEnhance.Sharpness(i).enhance(a), (0, 0.1, 0.7, 1, 1.81, 3)),
    "ShearX": (lambda i, a: moved(i, (1, a, 0, 0, 1, 0)), (0, 0.27, -0.13)),
    "ShearY": (lambda i, a: moved(i, (1, 0, 0, a, 1, 0)), (0, 0.27, -0.13)),
    "TranslateXRel": (lambda i, a: moved(i, (1, 0, a * i.size[0], 0, 1, 0)), (0, 0.405, -0.2, 1)),
    "TranslateYRel": (lambda i, a: moved(i, (1, 0, 0, 0, 1, a * i.size[1])), (0, 0.405, -0.2, 1)),
}


def write_ops(folder: Path) -> None:
    lines = []
    for w, h in ((1, 1), (2, 5), (3, 3), (16, 16), (41, 23), (48, 61)):
        image = Image.fromarray(noise(w, h) // 2 + 31)  # not the whole range: AutoContrast has work
        for name, (apply, arguments) in OPERATIONS.items():
            for a in arguments:
                lines.append(f"{w} {h} {name} {a} {fnv1a(np.array(apply(image, a)).tobytes())}")
    (folder / "ops.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "tests/golden/image")
    target.mkdir(parents=True, exist_ok=True)
    write_codec(target)
    write_resample(target)
    write_ops(target)
