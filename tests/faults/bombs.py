"""Files that are small, or of one line, and would take all memory: each has to be refused before that.

``python -m faults.bombs FOLDER`` reads the files of a folder, one after the other, in a process of its own.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
from faults.calls import call

ROWS = 100_000_000  # of repeated values
SIZE = 2**27  # bytes of what is compressed


def _lines() -> bytes:
    return b"time,value\n" + b"0,0.0\n" * (SIZE // 6)


def _header(shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return out.getvalue()


def _npz(path: Path, shape: tuple[int, ...], zeros: int = 0) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("values.npy", "w") as file:
        file.write(_header(shape))
        for _ in range(zeros // 2**20):
            file.write(bytes(2**20))


def _zip(path: Path, content: bytes, name: str = "series.csv") -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)


def _parquet(path: Path) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000_000, np.int8)), pa.array([1.5]))
    with pyarrow.parquet.ParquetWriter(path, pa.schema([("value", pa.float64())])) as writer:
        batch = pa.table({"value": column.dictionary_decode()})
        for _ in range(ROWS // 1_000_000):
            writer.write_table(batch)


def _feather(path: Path) -> None:
    batch = pa.record_batch({"value": pa.array(np.zeros(1_000_000))})
    with pa.ipc.new_file(path, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        for _ in range(ROWS // 1_000_000):
            writer.write_batch(batch)


def _stream(path: Path) -> None:
    batch = pa.record_batch({"value": pa.array(np.zeros(1_000_000))})
    with pa.ipc.new_stream(path, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        for _ in range(ROWS // 1_000_000):
            writer.write_batch(batch)


def _wide(columns: int, rows: int) -> bytes:
    names = ",".join(f"c{k}" for k in range(columns))
    return "\n".join([names, *[",".join(["1.5"] * columns)] * rows]).encode() + b"\n"


def _late_line(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"time,value\n" + b"".join(b"%d,%d\n" % (k, k % 7) for k in range(2000)))
        file.write(b"1," * 2**24 + b"1\n")


BOMBS: dict[str, Callable[[Path], object]] = {
    "shape.npz": lambda path: _npz(path, (10**12,)),
    "overflow.npz": lambda path: _npz(path, (2**62, 8)),
    "negative.npz": lambda path: _npz(path, (-5,)),
    "zeros.npz": lambda path: _npz(path, (SIZE // 8,), SIZE),
    "shape.npy": lambda path: path.write_bytes(b"\x93NUMPY\x01\x00" + _header((10**12,))),
    "columns.npz": lambda path: np.savez(path, values=np.zeros((20, 1_000_000))),
    "plain.csv.gz": lambda path: path.write_bytes(gzip.compress(_lines())),
    "plain.csv.bz2": lambda path: path.write_bytes(bz2.compress(b"\n" * SIZE)),
    "plain.csv.xz": lambda path: path.write_bytes(lzma.compress(_lines(), preset=0)),
    "plain.csv.zst": lambda path: path.write_bytes(pa.compress(_lines(), "zstd", asbytes=True)),
    "plain.csv.zip": lambda path: _zip(path, _lines()),
    "twice.csv.gz": lambda path: path.write_bytes(gzip.compress(gzip.compress(_lines()))),
    "inside.zip": lambda path: _zip(path, _lines(), "inside.zip"),
    "rows.parquet": _parquet,
    "rows.feather": _feather,
    "rows.arrow": _stream,
    "wide.csv": lambda path: path.write_bytes(_wide(3_000_000, 2)),
    "wider.csv": lambda path: path.write_bytes(_wide(30_000, 60)),
    "semicolons.csv": lambda path: path.write_bytes(b";" * 2**24 + b"\n" + b";" * 2**24),
    "one line.csv": lambda path: path.write_bytes(b"1.25," * 2**25),
    "one line.txt": lambda path: path.write_bytes(b"1.25 " * (2**26 + 2**20)),
    "late line.csv": _late_line,
    "zeros.csv": lambda path: path.write_bytes(b"time,value\n1,2\n" + bytes(2**28)),
    "zeros within.csv": lambda path: path.write_bytes(b"time,value\n" + b"1,\x002\n" * 100),
     "long cell.csv": lambda path: path.write_bytes(b'time,value\n1,"' + b"x" * 2**27 + b'"\n'),
}  # fmt: skip


def tried(path: Path) -> str:
    """Read a file; return what is wrong if it is not refused in one line."""
    done = call(["check", path, "--quiet"])
    if done.crash:
        return done.crash.strip().splitlines()[-1][:300]
    one = done.err.startswith("ape: ") and done.err.count("\n") == 1 and len(done.err) < 600
    return "" if done.code == 2 and one else f"code {done.code}: {done.err[:200]!r}"


def most_memory() -> int:
    """Return the most memory that this process has had, in bytes; `resource` would count that of its parent too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main(folder: Path) -> None:
    """Read the files of a folder and print as JSON what is wrong, and the most memory in bytes."""
    wrong = {path.name: why for path in sorted(folder.iterdir()) if (why := tried(path))}
    sys.stdout.write(json.dumps({"wrong": wrong, "memory": most_memory()}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
