#!/usr/bin/env python3
"""Makes the seeds of the fuzzers of src/data and io/tar: tests/fuzz/corpus/{tar,data_text}, npy/label.npy. Only Python's library.

Small tars of every header kind, cut behind their last member (the zero blocks of the end add nothing), and texts."""
import io
import pathlib
import tarfile

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fuzz" / "corpus"


def member(tar, name, data=b"", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    tar.addfile(info, io.BytesIO(data))


def make_tar(name, form, fill, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as tar:
        fill(tar)
    data = buffer.getvalue()
    if mode == "w":
        data = data.rstrip(b"\0")
        data += bytes(-len(data) % 512 + 512)
    (OUT / "tar" / name).write_bytes(data)


def plain(tar):
    member(tar, "train/anger/1.png", b"first")
    member(tar, "train/fear/1.jpg", b"second")


def links(tar):
    member(tar, "a", kind=tarfile.DIRTYPE)
    member(tar, "a/1.png", b"x")
    member(tar, "b/1.png", kind=tarfile.LNKTYPE, link="a/1.png")
    member(tar, "b/2.png", kind=tarfile.SYMTYPE, link="1.png")
    member(tar, "a/1.png", b"again")


def long_names(tar):
    member(tar, "d" * 120 + "/" + "\u00e9" * 30 + ".png", b"x")
    member(tar, "./x//y.png", b"y")


def unsafe(tar):
    member(tar, "../x.png", b"x")


TEXTS = {
    "list.csv": "path,label\r\na.png,anger\r\n\"b, c.png\",\"f\"\"ear\"\r\n",
    "split.csv": "\ufeffsplit,file,class\ntrain,a.png,0\n\nvalid,b.png,1",
    "broken.csv": "a,\"b\nc",
    "braces": "s-{00..03}.tar,{a,b}-{x..z},c",
    "rand": "rand-m9-n3-p0.5-mstd0.5-mmax8-inc1",
}


def main():
    for folder in ("tar", "data_text", "npy"):
        (OUT / folder).mkdir(parents=True, exist_ok=True)
    make_tar("ustar.tar", tarfile.USTAR_FORMAT, plain)
    make_tar("links.tar", tarfile.GNU_FORMAT, links)
    make_tar("long_gnu.tar", tarfile.GNU_FORMAT, long_names)
    make_tar("long_pax.tar", tarfile.PAX_FORMAT, long_names)
    make_tar("unsafe.tar", tarfile.USTAR_FORMAT, unsafe)
    make_tar("plain.tar.xz", tarfile.USTAR_FORMAT, plain, "w:xz")
    for name, text in TEXTS.items():
        (OUT / "data_text" / name).write_bytes(text.encode())
    header = "{'descr': '<U1', 'fortran_order': False, 'shape': (), }".ljust(117) + "\n"
    (OUT / "npy" / "label.npy").write_bytes(b"\x93NUMPY\1\0\x76\0" + header.encode() + b"1\0\0\0")


if __name__ == "__main__":
    main()
