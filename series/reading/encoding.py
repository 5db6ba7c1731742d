"""Find the encoding of a text file and turn it into UTF-8."""

from __future__ import annotations

import codecs
import mmap

from ape.core.errors import InputError

SAMPLE_BYTES = 1 << 18
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ENCODING_NAMES = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 with BOM", "cp1252": "Windows-1252"}
CONTROL = bytes({*range(32)} - set(b"\t\n\f\r\x1a"))
CONTROL_SHARE = 0.01  # of the bytes: more are not in text, even if some are damaged
ZERO_SHARE = 0.3  # of every other byte: UTF-16 has more zeros in ordinary text


def find_encoding(content: bytes | mmap.mmap) -> str:
    """Return the encoding of a text file: by its byte order mark, its zero bytes, or as UTF-8 or Windows-1252."""
    head = content[:SAMPLE_BYTES]
    for mark, name in BOMS:
        if head.startswith(mark):
            return name
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) > ZERO_SHARE * len(head) / 2:
        return "utf-16-le" if odd > even else "utf-16-be"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for begin in range(0, len(content), SAMPLE_BYTES):
            decoder.decode(content[begin : begin + SAMPLE_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def as_utf8(content: bytes | mmap.mmap, encoding: str, where: str) -> bytes | mmap.mmap:
    """Return a file as UTF-8 without a byte order mark and without zero bytes at its end.

    Raises
    ------
    InputError
        The bytes are no text.
    """
    if encoding == "utf-8-sig":
        content = content[len(codecs.BOM_UTF8) :]
    elif encoding != "utf-8":
        try:
            content = content[:].decode(encoding).encode()
        except UnicodeDecodeError as error:
            if encoding != "cp1252":
                what = f"not readable as {encoding.upper()}: {error.reason} at byte {error.start}"
                raise InputError(what, where, "write the file as UTF-8") from error
            content = content[:].decode("latin-1").encode()
    zero = content.find(b"\0")
    if zero < 0:
        return content
    if content[zero:].strip(b"\0"):
        head = content[:SAMPLE_BYTES]
        if len(head.translate(None, CONTROL)) < (1 - CONTROL_SHARE) * len(head):
            raise InputError("not a text file", where, "give a CSV, Parquet, Feather, NPZ or UCR text file")
        line = content[:zero].count(b"\n") + 1
        raise InputError("a zero byte in the text", f"{where}, line {line}", "give a text file, or write it again")
    return content[:zero]
