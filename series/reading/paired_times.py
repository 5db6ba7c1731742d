"""Refuse tables in which each channel has times of its own, beside it: Time A, A, Time B, B."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading.missing import cleaned
from ape.series.reading.names import TIME_WORD, words_of
from ape.series.reading.other_times import look_like_times
from ape.series.reading.table import is_text


def refuse_other_pairs(
    columns: Mapping[str, pa.ChunkedArray], used: Sequence[str], chosen: Sequence[str], where: str
) -> None:
    """Refuse a table with several pairs of times and values whose times differ.

    Parameters
    ----------
    columns : mapping of ChunkedArray
        All columns, in order.
    used : sequence of str
        The columns that were read as times.
    chosen : sequence of str
        The channels to use; all if empty.
    where : str

    Raises
    ------
    InputError
        Another column has the times of the channel that follows it.
    """
    names = list(columns)
    if len(used) != 1 or not names.index(used[0]) + 2 < len(names) - 1:
        return
    first = used[0]
    last = max((place for place, name in enumerate(names) if name in chosen), default=len(names))
    for place, name in enumerate(names[:-1][:last]):
        if place < names.index(first) + 2 or not _are_pairs(names, first, name):
            continue
        one, other = columns[first], columns[name]
        times = pa.types.is_temporal(other.type) or _mostly_times(other) or _same_words(name, first)
        if not times or _mostly_times(columns[names[place + 1]]):
            continue
        same = one.type == other.type and pc.all(pc.fill_null(pc.equal(one, other), False)).as_py()
        if not same:
            raise InputError(
                f"columns '{first}' and '{name}' have different times",
                where,
                f"write a file for each, or choose channels before '{name}' with --column",
            )


def _are_pairs(names: Sequence[str], first: str, second: str) -> bool:
    """Whether two columns of times have the same name but for numbers, or each the name of the column that follows."""
    if _same_words(first, second):
        return True
    own = [set(words_of(TIME_WORD.sub(" ", name))) for name in (first, second)]
    after = [set(words_of(names[names.index(name) + 1])) for name in (first, second)]
    return all(words and words <= following for words, following in zip(own, after, strict=True))


def _mostly_times(cells: pa.ChunkedArray) -> bool:
    """Whether a column has times, and otherwise missing cells."""
    return is_text(cells) and look_like_times(cleaned(cells).drop_null())


def _same_words(first: str, second: str) -> bool:
    """Whether two names are the same but for numbers and signs, and have letters."""
    bare = re.sub(r"[\W\d_]+", "", first.casefold())
    return bare != "" and bare == re.sub(r"[\W\d_]+", "", second.casefold())
