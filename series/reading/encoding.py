"""Find the encoding of a text file and turn it into UTF-8."""

from __future__ import annotations

import codecs
import mmap
import re

from ape.core.errors import InputError
from ape.series.reading.lines import LINE_END

SAMPLE_BYTES = 1 << 18
DAMAGED = "utf-8 with other bytes"
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ENCODING_NAMES = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 with BOM", DAMAGED: "UTF-8", "cp1252": "Windows-1252"}
UTF8_CHARACTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# Rare in the languages that Windows-1252 is for: four such characters in a row that are no dashes or spaces, and signs
# such as a dagger.
NOT_WESTERN = re.compile(rb"[\x80-\x95\x98-\x9f\xa1-\xff]{4}|[\x81-\x83\x86-\x88\x8d\x8f\x90\x98\x9b\x9d]")
REPLACEMENT = "\ufffd"
CONTROL = bytes({*range(32)} - set(b"\t\n\f\r\x1a"))
CONTROL_SHARE = 0.01  # of the bytes: more are not in text, even if some are damaged
ZERO_SHARE = 0.3  # of every other byte: UTF-16 has more zeros in ordinary text


def find_encoding(content: bytes | mmap.mmap) -> str:
    """Return the encoding of a text file: by its byte order mark, its zero bytes, or as UTF-8 or Windows-1252.

    UTF-8 may have a few other bytes, as long as most characters that are not ASCII are UTF-8.
    """
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
        text = content[:]
        right = len(UTF8_CHARACTER.findall(text))
        wrong = len(re.findall(f"{REPLACEMENT}+", text.decode("utf-8", errors="replace")))
        return DAMAGED if right and right >= wrong else "cp1252"
    return "utf-8"


def encoding_notes(content: bytes | mmap.mmap, encoding: str) -> list[str]:
    """Return a note on a file that is not plain UTF-8, before it becomes so."""
    if encoding == "cp1252":
        return ["the file is not UTF-8 and is read as Windows-1252"]
    if encoding != DAMAGED:
        return []
    lines = LINE_END.split(content[:].decode("utf-8", errors="replace"))
    damaged = [number for number, line in enumerate(lines, start=1) if REPLACEMENT in line]
    if len(damaged) == 1:
        return [f"line {damaged[0]} has bytes that are not UTF-8; they were replaced"]
    return [f"{len(damaged)} lines, the first of them {damaged[0]}, have bytes that are not UTF-8; they were replaced"]


def as_utf8(content: bytes | mmap.mmap, encoding: str, where: str) -> bytes | mmap.mmap:
    """Return a file as UTF-8 without a byte order mark and without zero bytes at its end.

    Raises
    ------
    InputError
        The bytes are no text, or text in another encoding.
    """
    if encoding == "cp1252" and (found := NOT_WESTERN.search(content)):
        line = content[: found.start()].count(b"\n") + 1
        _require_text(content, where)
        what = "neither UTF-8 nor Western European text"
        raise InputError(what, f"{where}, line {line}", "write it as UTF-8")
    if encoding == "utf-8-sig":
        content = content[len(codecs.BOM_UTF8) :]
    elif encoding == DAMAGED:
        content = content[:].decode("utf-8", errors="replace").encode()
    elif encoding != "utf-8":
        try:
            content = content[:].decode(encoding).encode()
        except UnicodeDecodeError as error:
            what = f"not readable as {encoding.upper()}: {error.reason} at byte {error.start}"
            raise InputError(what, where, "write the file as UTF-8") from error
    zero = content.find(b"\0")
    if zero < 0:
        return content
    if content[zero:].strip(b"\0"):
        _require_text(content, where)
        line = content[:zero].count(b"\n") + 1
        raise InputError("a zero byte in the text", f"{where}, line {line}", "give a text file, or write it again")
    return content[:zero]


def _require_text(content: bytes | mmap.mmap, where: str) -> None:
    """Refuse a file with more control characters than damaged text has."""
    head = content[:SAMPLE_BYTES]
    if len(head.translate(None, CONTROL)) < (1 - CONTROL_SHARE) * len(head):
        raise InputError("not a text file", where, "give a CSV, Parquet, Feather, NPZ or UCR text file")
