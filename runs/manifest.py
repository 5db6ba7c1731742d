"""Read the manifest of a batch: a folder, a glob or a CSV file of series, one request each."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ape.core.errors import InputError
from ape.runs.folder import Request
from ape.series import ReadOptions
from ape.series.loaders import SUFFIXES, is_series_file, stem_of
from ape.series.reading.files import read_table
from ape.series.reading.long_tables import names_of_series
from ape.series.reading.train_end import is_train_end

READING = tuple(field.name for field in fields(ReadOptions))
COLUMNS = ("path", "name", "text", "log", "column", "train_end", *READING, "backbone", "seed")
IGNORED = ("error",)  # failures.csv has this column
SEPARATOR = ";"  # between channels in the column "column", and between words in "missing"
DELIMITERS = ",;\t"  # of manifests
PATTERN = re.compile(r"[*?\[]")  # of a glob
EACH = "=*"  # after the name of a series column: each of its series is an item
MAX_NAME = 80


def read_manifest(given: str, defaults: Request) -> dict[str, Request]:
    """Return the requests of a batch by item name.

    Parameters
    ----------
    given : str
        A folder, a glob, a series, or a CSV file with the column ``path`` and any of ``name``, ``text`` and ``log``
        (files), ``column`` (several separated by ``;``), ``train_end``, the options of reading, ``backbone`` and
        ``seed``. Paths are relative to the folder of the manifest. With the series column ``NAME=*``, each series of a
        long table is an item.
    defaults : Request
        Values for everything that the manifest leaves open.

    Raises
    ------
    InputError
        No series is found, or the CSV file is not a manifest. The series themselves are read later, one by one.
    """
    path = Path(given)
    if path.is_dir():
        paths = [each for each in sorted(path.iterdir()) if each.is_file() and is_series_file(each)]
    elif not path.exists() and PATTERN.search(given):
        anchor = Path(path.anchor or ".")
        paths = sorted(anchor.glob(str(path.relative_to(path.anchor) if path.anchor else path)))
    elif path.is_file() and is_series_file(path) and not _may_be_manifest(path, defaults):
        paths = [path]
    else:
        return _from_csv(path, defaults)
    if not paths:
        raise InputError("no series", given, f"give a folder or glob with {', '.join(SUFFIXES)} files, or a manifest")
    return _named((stem_of(each), replace(defaults, data=str(each.resolve()))) for each in paths)


def names_many(given: str, reading: ReadOptions) -> bool:
    """Return whether a command that takes one series is given many: a folder, a glob, a manifest, or ``NAME=*``."""
    path = Path(given)
    return (
        path.is_dir()
        or (not path.exists() and PATTERN.search(given) is not None)
        or (reading.series_column or "").endswith(EACH)
        or (path.is_file() and path.suffix.lower() == ".csv" and "path" in _header(path))
    )


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline()
    return [name.strip() for name in header.split(_delimiter(header))]


def _may_be_manifest(path: Path, defaults: Request) -> bool:
    """Whether a file is no series: a CSV file that names paths, or that is not said to be a long table."""
    if path.suffix.lower() != ".csv":
        return False
    return "path" in _header(path) or defaults.reading.series_column is None


def _delimiter(header: str) -> str:
    return max(DELIMITERS, key=header.count)


def _from_csv(path: Path, defaults: Request) -> dict[str, Request]:
    if not path.is_file():
        raise InputError("no such file", str(path), "give a folder, a glob, or a manifest (CSV with the column 'path')")
    try:
        text = path.read_text(encoding="utf-8-sig")
        delimiter = _delimiter(text.partition("\n")[0])
        rows = list(csv.DictReader(io.StringIO(text), skipinitialspace=True, restval="", delimiter=delimiter))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"not a manifest: {error}", str(path), "give a CSV with the column 'path'") from error
    if not rows:
        raise InputError("the manifest is empty", str(path), "give a header with 'path', and one row per series")
    unknown = [str(name) for name in rows[0] if name not in (*COLUMNS, *IGNORED)]
    if "path" not in rows[0] or unknown:
        what = f"it has the column '{unknown[0]}'" if unknown else "it has no column 'path'"
        raise InputError(f"not a manifest: {what}", str(path), f"columns are {', '.join(COLUMNS)}")
    return _named(
        (row.get("name") or stem_of(Path(row["path"])), _request(row, defaults, f"{path}, row {number}", path.parent))
        for number, row in enumerate(rows, 2)
    )


def _request(row: dict[str, str], defaults: Request, where: str, folder: Path) -> Request:
    def cell(name: str) -> str | None:
        return row.get(name, "").strip() or None

    def integer(name: str, default: int | None) -> int | None:
        word = cell(name)
        if word is not None and not (word.isdecimal() and len(word) < 20):
            raise InputError(f"'{word[:40]}' is not a valid {name}", where, "give a whole number")
        return default if word is None else int(word)

    def end() -> int | str | None:
        word = cell("train_end")
        if word is not None and not is_train_end(word):
            raise InputError(f"'{word[:40]}' is not a valid train_end", where, "give a row, a date or a percentage")
        return word or defaults.train_end

    data = row["path"].strip()
    if not data:
        raise InputError("a row has no path", where, "give the file of the series")
    text, log, column = cell("text"), cell("log"), cell("column")
    return replace(
        defaults,
        data=data if data.startswith("example:") else str((folder / data).resolve()),
        text=defaults.text if text is None else _read(folder / text, where),
        text_file=defaults.text_file if text is None else Path(text).name,
        log=defaults.log if log is None else str((folder / log).resolve()),
        column=defaults.column if column is None else tuple(column.split(SEPARATOR)),
        train_end=end(),
        reading=_reading({name: word for name in READING if (word := cell(name))}, defaults.reading, where),
        backbone=cell("backbone") or defaults.backbone,
        seed=integer("seed", defaults.seed) or 0,
    )


def _reading(cells: dict[str, str], defaults: ReadOptions, where: str) -> ReadOptions:
    """Return how a row says to read its file; what its cells leave open is as in ``defaults``."""
    given: dict[str, Any] = {**cells}
    if "missing" in given:
        given["missing"] = given["missing"].split(SEPARATOR)
    try:
        return TypeAdapter(ReadOptions).validate_python({**asdict(defaults), **given})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise InputError(f"{name} {first['msg']}".strip(), where, f"correct the columns {', '.join(cells)}") from error


def reading_cells(options: ReadOptions) -> dict[str, str]:
    """Return the cells of a manifest that say how to read a file."""
    given = {name: value for name, value in asdict(options).items() if value not in (None, ())}
    return {name: SEPARATOR.join(value) if name == "missing" else str(value) for name, value in given.items()}


def _items(stem: str, request: Request) -> Iterator[tuple[str, Request]]:
    """Yield the items of a request: itself, or one for each series of a long table."""
    column = request.reading.series_column or ""
    if not column.endswith(EACH):
        yield stem, request
        return
    name = column.removesuffix(EACH)
    try:
        names = names_of_series(read_table(Path(request.data), request.reading), name, request.data)
    except (InputError, OSError):  # reading the item reports it, and stops no other
        yield stem, request
        return
    for each in names:
        reading = replace(request.reading, series_column=f"{name}={each}")
        yield f"{stem}-{each}", replace(request, reading=reading)


def _read(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the text {path}: {error}", where, "give a UTF-8 text file") from error


def _named(requests: Iterable[tuple[str, Request]]) -> dict[str, Request]:
    """Turn stems into unique folder names."""
    found: dict[str, Request] = {}
    for stem, request in (item for each in requests for item in _items(*each)):
        base = re.sub(r"[^\w.,+()=-]+", "_", stem).strip("._-")[:MAX_NAME] or "series"
        name, number = base, 1
        while name in found:
            number += 1
            name = f"{base}-{number}"
        found[name] = request
    return found
