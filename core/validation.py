"""Check plain data against a type; the first invalid field gives one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ape.core.errors import InputError

LONGEST_FIELD = 200  # characters of its path in an error

T = TypeVar("T")


def validated(
    kind: type[T], obj: Any, what: str, path: Path | str, hint: str, *, root: str = "file", inside: str = ""
) -> T:
    """Return plain data as a record or dataclass.

    Parameters
    ----------
    kind : type
        Whatever pydantic can validate.
    obj : any
        Plain data, such as those of a JSON file.
    what : str
        What an error says first: ``not a threshold``.
    path : Path or str
        Where the data come from.
    hint : str
        What to do about an error.
    root : str
        What an error names instead of a field if the data as a whole are invalid.
    inside : str
        Field of the file that the data are, which an error names first.

    Raises
    ------
    InputError
        Names the first invalid field.
    """
    try:
        return TypeAdapter(kind).validate_python(obj)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(filter(None, (inside, *map(str, first["loc"])))) or root
        field = field[:LONGEST_FIELD]
        raise InputError(f"{what}: {first['msg']}", f"{path}, field {field}", hint) from error
