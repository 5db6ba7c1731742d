"""The options that resolve what a file leaves open."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass

from ape.core.errors import InputError

EPOCH_UNITS = ("s", "ms", "us", "ns")
EXCEL = "excel"  # days since 1899-12-30


@dataclass(frozen=True)
class ReadOptions:
    """How to read a file. Everything that is None is inferred from the whole file.

    Parameters
    ----------
    decimal : str, optional
        ``"."`` or ``","``. The other one separates thousands.
    time_format : str, optional
        A ``strptime`` format, an epoch unit (``s``, ``ms``, ``us``, ``ns``), or ``excel`` for serial days.
    dayfirst : bool, optional
        Whether 01/02/2024 is 1 February.
    timezone : str, optional
        Zone of times without an offset, such as ``Europe/Berlin`` or ``+01:00``.
    series_column : str, optional
        Column of a long table that names the series; ``NAME=VALUE`` reads one of them. Several columns that name them
        together: ``NAME/NAME`` and ``NAME/NAME=VALUE/VALUE``.
    missing : tuple of str
        Further cells that mean a missing value.
    header : bool, optional
        Whether the first row has the column names.
    difference : bool
        Replace each counter by its increments.
    """

    decimal: str | None = None
    time_format: str | None = None
    dayfirst: bool | None = None
    timezone: str | None = None
    series_column: str | None = None
    missing: tuple[str, ...] = ()
    header: bool | None = None
    difference: bool = False

    def __post_init__(self) -> None:
        """Refuse unknown values."""
        if self.decimal not in (None, ".", ","):
            raise InputError(f"'{self.decimal}' is not a decimal mark", "--decimal", "give . or ,")
        if self.timezone is not None and not re.fullmatch(r"[+-]\d\d:\d\d", self.timezone):
            try:
                zoneinfo.ZoneInfo(self.timezone)
            except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
                raise InputError(
                    f"no time zone '{self.timezone}'", "--timezone", "give one such as Europe/Berlin, UTC or +01:00"
                ) from error
