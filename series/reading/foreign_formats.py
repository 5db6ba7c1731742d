"""Refuse files of other formats by their first bytes; the suffix does not matter."""

from __future__ import annotations

import re

from ape.core.errors import InputError

# How files of a format begin, after blanks and a byte order mark.
BEGINNINGS = (
    (rb"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (rb"%PDF-", "a PDF document"),
    (rb"\{\\rtf", "an RTF document"),
    (rb"<(?i:!doctype html|html|head|body|table|tr|div)\b", "an HTML page"),
    (rb"<\?xml\b", "an XML file"),
    (rb'\{\s*["}]|\[\s*["{\[]|\[\s*-?[\d.]+\s*,', "a JSON file"),
    (rb"\x89HDF", "an HDF5 file"),
    (rb"SQLite format 3", "an SQLite database"),
    (rb"MATLAB 5\.0", "a MATLAB file"),
    (rb"Rar!|7z\xbc\xaf", "an archive"),
)
MARK = rb"^(?:\xef\xbb\xbf)?\s*"


def require_table_format(head: bytes, where: str) -> None:
    """Refuse a file by its first bytes if it has another format.

    Raises
    ------
    InputError
        It is a workbook, a document, a page, a database, or JSON.
    """
    for beginning, name in BEGINNINGS:
        if re.match(MARK + rb"(?:" + beginning + rb")", head):
            raise InputError(name, where, "save the table as CSV")
