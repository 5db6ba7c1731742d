"""Read files that contain only arrays or numbers: NPZ, NPY and UCR text files."""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from ape.core.errors import InputError
from ape.series.reading.limits import MOST_TEXT, require_content, require_number_of_columns

UCR_NAME = re.compile(r"^\d{3}_UCR_Anomaly_.+_(\d+)_\d+_\d+$")
INNER_COMMA = re.compile(r"\d,\d")
HEAD = 4096  # bytes
ARRAYS = ("values", "channels", "train_end", "timestamps")  # of an archive; others are not read
DAMAGED = (
    zipfile.BadZipFile, ValueError, EOFError, OSError, TypeError, OverflowError, MemoryError, SyntaxError,
    RuntimeError, NotImplementedError, LookupError, zlib.error,
)  # fmt: skip
BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")


@dataclass(frozen=True)
class ArrayFile:
    """The content of a file of arrays.

    Parameters
    ----------
    values : ndarray [T] or [T, C]
    format : str
        In words.
    channels : tuple of str or None
    timestamps : ndarray [T] or None
    train_end : int or None
    """

    values: np.ndarray
    format: str
    channels: tuple[str, ...] | None = None
    timestamps: np.ndarray | None = None
    train_end: int | None = None


def read_arrays(path: Path) -> ArrayFile:
    """Read an NPZ, NPY or UCR text file.

    Raises
    ------
    InputError
        The file is damaged, or has something else.
    """
    if path.suffix.lower() == ".txt":
        return _read_ucr(path)
    try:
        with path.open("rb") as file:
            if path.suffix.lower() == ".npy":
                _require_array(file, path.stat().st_size, path.stat().st_size, str(path))
            else:
                _require_archive(file, str(path))
            file.seek(0)
            stored = np.load(file, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                return ArrayFile(stored, "NPY")
            with stored:
                arrays = {name: stored[name] for name in ARRAYS if name in stored.files}
    except DAMAGED as error:
        if isinstance(error, InputError):
            raise
        what = f"not a readable {path.suffix[1:].upper()} file: {str(error)[:80]}"
        raise InputError(what, str(path), "write it again with numpy") from error
    if "values" not in arrays:
        raise InputError("no array 'values'", str(path), "store the series as 'values', [T] or [T, C]")
    channels = None
    if "channels" in arrays:
        names = np.atleast_1d(arrays["channels"])
        channels = tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist())
    train_end = _whole(arrays["train_end"], str(path)) if "train_end" in arrays else None
    # 0 is used by data sets without a training part
    return ArrayFile(arrays["values"], "NPZ", channels, arrays.get("timestamps"), train_end or None)


def _require_archive(file: BinaryIO, where: str) -> None:
    """Refuse an archive whose arrays are far larger than it; only their headers are read."""
    with zipfile.ZipFile(file) as archive:
        for name in ARRAYS:
            if f"{name}.npy" in archive.namelist():
                entry = archive.getinfo(f"{name}.npy")
                with archive.open(entry) as array:
                    _require_array(array, entry.file_size, entry.compress_size, where)


def _require_array(file: IO[bytes], size: int, stored: int, where: str) -> None:
    """Refuse an array that is larger than its file of ``size`` bytes, or far larger than what is stored of that."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    needed = math.prod(shape) * dtype.itemsize
    if needed > size:
        msg = f"it declares {math.prod(shape):,} values, more than it has"
        raise ValueError(msg)
    require_content(size, stored, where)
    require_number_of_columns(shape[1] if len(shape) > 1 else 1, where)


def _whole(number: np.ndarray, where: str) -> int:
    try:
        value = float(number.item())
    except (TypeError, ValueError):
        value = float("nan")
    if not value.is_integer():
        raise InputError(f"train_end is {str(number)[:30]}", where, "store one whole number")
    return int(value)


def is_ucr(path: Path) -> bool:
    """Whether a text file has one series of numbers only: on one line, or one on each line."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(BYTE_ORDER_MARKS) or b";" in head or b"\t" in head:
        return False
    lines = [line for line in re.split(rb"[\r\n]+", head) if line.strip()]
    widths = {len(line.replace(b",", b" ").split()) for line in (lines if len(head) < HEAD else lines[:-1])}
    if len(widths) == 1 and widths != {1} and len(lines) > 2:
        return False  # a table
    words = head.replace(b",", b" ").split()
    return bool(words) and _is_float(words[0])


def _is_float(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _read_ucr(path: Path) -> ArrayFile:
    if (size := path.stat().st_size) > MOST_TEXT:
        raise InputError(f"{size:,} bytes of text are too many", str(path), "give a CSV, Parquet or NPZ file")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError("not a text file", str(path), "give numbers as UTF-8 text") from error
    words = text.split()
    if len(words) > 1 and (both := next((word for word in words if INNER_COMMA.search(word)), None)):
        what = f"spaces separate the numbers, so {both[:30]!r} may be one number or several"
        raise InputError(what, str(path), "write decimal points, and one number a line")
    words = text.replace(",", " ").split()
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError as error:
        bad = next(k for k, word in enumerate(words) if not _is_float(word.encode()))
        raise InputError(
            f"text {words[bad][:30]!r} among the numbers", f"{path}, value {bad + 1}", "give one number a line"
        ) from error
    named = UCR_NAME.match(path.stem)
    return ArrayFile(values, "text, one series", train_end=int(named[1]) if named else None)
