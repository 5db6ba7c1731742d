"""Find the columns of a long table that name the series of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading.labels import LABELS
from ape.series.reading.missing import cleaned
from ape.series.reading.names import NUMBERED_SERIES, SERIES_NAMES, TIMES, key_of, words_of
from ape.series.reading.number_cells import mostly_numbers
from ape.series.reading.table import is_text

# Last words of the names of columns that name the series.
SERIES_WORDS = SERIES_NAMES | {
    "anlage", "asset", "capteur", "equipment", "estacion", "geraet", "gerät", "instance", "kanal", "knoten", "kpi",
    "messpunkt", "messstelle", "meter", "node", "nr", "number", "probe", "site", "sonde", "standort", "turbine", "well",
}  # fmt: skip
VAGUE_SERIES = {"location", "name", "number", "type", "unit"}  # of `SERIES_NAMES`: descriptions too
CALENDAR = {"year", "month", "day", "hour", "minute", "second", "week", "doy", "dayofyear", "weekday", "quarter"}
MOST_SERIES = 5_000  # of a long table
MOST_KEYS = 3  # columns that name a series together
MOST_CANDIDATES = 8  # columns that are tried together
SAMPLED_TIMES = 2_000  # that columns are tried with
REPEATED = 0.05  # share of rows that repeat a time: fewer are no sign of several series
UNIQUE = 0.95  # share of the rows of a series that have a time of their own; others are duplicates
SHARED_TIMES = 0.9  # of all times: what series have on average at least, to become channels without asking
OTHER_TIMES, WITHOUT_TIMES = "with different times", "and has no times"
JOINT = "/"  # between the names of columns, and between the parts of the name of a series


@dataclass(frozen=True)
class SeriesKeys:
    """The columns that together name the series, and the one series to read; None for all."""

    columns: tuple[str, ...]
    value: str | None = None

    @property
    def title(self) -> str:
        """The columns as ``--series-column`` takes them."""
        return JOINT.join(self.columns)


@dataclass(frozen=True)
class _Candidate:
    """A column that may name series, with the number of the name in each row, from 0 to ``count - 1``."""

    name: str
    codes: np.ndarray
    count: int
    numbers: bool  # that may be measurements as well

    @property
    def in_blocks(self) -> bool:
        """Whether the rows of each name follow one another."""
        return int((np.diff(self.codes) != 0).sum()) == self.count - 1

    @property
    def takes_turns(self) -> bool:
        """Whether each name has as many rows, which follow one another or come by turns."""
        equal = len(set(np.bincount(self.codes).tolist())) == 1
        return equal and (self.in_blocks or bool((self.codes == np.arange(len(self.codes)) % self.count).all()))


def find_keys(
    columns: dict[str, pa.ChunkedArray],
    stamps: np.ndarray,
    column: Sequence[str] | None,
    where: str,
    numbers_too: bool = True,
) -> SeriesKeys | None:
    """Return the columns that name several series; None if the rows are those of one.

    Parameters
    ----------
    columns : dict of ChunkedArray
        All columns but those of times.
    stamps : ndarray, datetime64 or timedelta64 [n]
    column : sequence of str, optional
        Columns that are measurements.
    where : str
    numbers_too : bool
        Whether numbers may name series if the name of their column does not say so.

    Raises
    ------
    InputError
        The series have different times, or numbers may name them or not.
    """
    if len(stamps) < 4:
        return None
    if (np.diff(stamps) > np.timedelta64(0, "ns")).all():
        refuse_joined_series(columns, column, where, OTHER_TIMES)
        return None
    distinct, place = np.unique(stamps, return_inverse=True)
    candidates = _candidates({name: cells for name, cells in columns.items() if name not in (column or ())})
    candidates = [each for each in candidates if numbers_too or not each.numbers]
    if len(stamps) - len(distinct) < REPEATED * len(stamps):
        _refuse_blocks(columns, candidates, stamps, where)
        refuse_joined_series(columns, column, where, OTHER_TIMES)
        return None
    found = _fewest(candidates, place)
    if found is None:
        return None
    keys = SeriesKeys(tuple(name for name in columns if name in {each.name for each in found}))
    _refuse_blank_names(columns, keys, where)
    count = len(np.unique(_joined(found, slice(None))))
    if any(each.numbers and not each.in_blocks for each in found):
        raise InputError(
            f"times occur more than once, and the numbers of column '{keys.title}' tell their rows apart",
            where,
            f"say --series-column {keys.title} if they name series; otherwise write the whole time in one column",
        )
    if len(stamps) < SHARED_TIMES * len(distinct) * count:
        _refuse(columns, keys, count, where)
    return keys


def completed(columns: dict[str, pa.ChunkedArray], keys: SeriesKeys, stamps: np.ndarray) -> SeriesKeys:
    """Return the columns that ``--series-column`` names, and further ones if these do not tell all series apart."""
    place = np.unique(stamps, return_inverse=True)[1]
    start = [_coded(name, columns[name]) for name in keys.columns]
    others = {name: cells for name, cells in columns.items() if name not in keys.columns}
    more = _fewest([each for each in _candidates(others) if not each.numbers], place, start)
    return keys if more is None else SeriesKeys((*keys.columns, *(each.name for each in more)))


def keys_named(columns: Mapping[str, pa.ChunkedArray], given: str, where: str) -> SeriesKeys:
    """Return the columns of ``NAME``, ``NAME=VALUE``, or ``NAME/NAME=VALUE/VALUE``.

    Raises
    ------
    InputError
        There is no such column.
    """
    first, _, value = given.partition("=")
    for title, one in ((given, None), (first, value or None)):
        for names in ((title,), tuple(part.strip() for part in title.split(JOINT))):
            if all(name in columns for name in names):
                return SeriesKeys(names, one)
    raise InputError(f"no column '{first}'", where, f"give one of {', '.join(list(columns)[:30])}")


def names_in(columns: Mapping[str, pa.ChunkedArray], keys: Sequence[str]) -> pa.ChunkedArray:
    """Return the name of the series of each row."""
    texts = [pc.fill_null(pc.utf8_trim_whitespace(pc.cast(columns[key], pa.string())), "") for key in keys]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, JOINT)


def codes_of(cells: pa.ChunkedArray) -> np.ndarray:
    """Return the number of the value of each cell, int64 [n], counted in the order of the file."""
    coded = pc.dictionary_encode(cells, null_encoding="encode").combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0)
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _coded(name: str, cells: pa.ChunkedArray, numbers: bool = False) -> _Candidate:
    codes = codes_of(cells)
    return _Candidate(name, codes, int(codes.max()) + 1, numbers)


def _candidates(columns: dict[str, pa.ChunkedArray]) -> list[_Candidate]:
    """Return the columns that may name series, the likely ones first."""
    ranked = []
    for name, cells in columns.items():
        if key_of(name) in LABELS | TIMES | CALENDAR:
            continue
        named = key_of(name) in SERIES_NAMES
        words = is_text(cells) and not mostly_numbers(cleaned(cells))
        sample = cells.slice(0, 1000)
        if not named and not words and 2 * len(pc.unique(sample)) > len(sample):  # measurements
            continue
        numbers = not named and not words and (name[-1:].isdigit() or not set(words_of(name)[-1:]) & SERIES_WORDS)
        found = _coded(name, cells, numbers)
        if 2 <= found.count <= min(MOST_SERIES, len(cells) // 2):
            ranked.append((numbers, key_of(name) in VAGUE_SERIES, not named, found))
    return [each[-1] for each in sorted(ranked, key=lambda each: each[:-1])]


def _fewest(
    candidates: Sequence[_Candidate], place: np.ndarray, start: Sequence[_Candidate] = ()
) -> list[_Candidate] | None:
    """Return the fewest columns that, with those of ``start``, leave each series one row for each time.

    ``place`` [n] numbers the times.
    """
    times = int(place.max()) + 1
    rows = np.flatnonzero(place % max(1, times // SAMPLED_TIMES) == 0)

    sampled = len(np.unique(place[rows]))

    def share(chosen: Sequence[_Candidate]) -> float:
        return len(np.unique(_joined([*start, *chosen], rows) * times + place[rows])) / len(rows)

    def tell_apart(chosen: Sequence[_Candidate]) -> bool:
        if not any(each.numbers for each in chosen):
            return share(chosen) >= UNIQUE
        grid = len(rows) >= SHARED_TIMES * sampled * len(np.unique(_joined(chosen, rows)))
        return share(chosen) == 1 and (grid or all(each.in_blocks for each in chosen if each.numbers))

    alone = share(())
    if start and alone >= UNIQUE:
        return None
    helping = [each for each in candidates if share([each]) > alone][:MOST_CANDIDATES]
    choices = (each for size in range(1, MOST_KEYS + 1) for each in combinations(helping, size))
    return next((list(chosen) for chosen in choices if tell_apart(chosen)), None)


def _joined(chosen: Sequence[_Candidate], rows: np.ndarray | slice) -> np.ndarray:
    """Return one number for the names of several columns in each row."""
    codes = np.zeros(1, np.int64)
    for each in chosen:
        codes = codes * each.count + each.codes[rows]
    return codes


def _refuse(
    columns: dict[str, pa.ChunkedArray], keys: SeriesKeys, count: int, where: str, times: str = OTHER_TIMES
) -> None:
    first = names_in({name: columns[name].slice(0, 1) for name in keys.columns}, keys.columns)[0].as_py()
    what = f"column '{keys.title}' names" if len(keys.columns) == 1 else f"columns '{keys.title}' name"
    raise InputError(
        f"{what} {count} series {times}",
        where,
        f"read one with --series-column {keys.title}={first}"
        + ("" if times == WITHOUT_TIMES else f", or all with --series-column {keys.title}"),
    )


def _refuse_blank_names(columns: dict[str, pa.ChunkedArray], keys: SeriesKeys, where: str) -> None:
    """Refuse a few rows without the name of a series; many belong to a series without a name."""
    for name in keys.columns:
        names = names_in(columns, [name])
        blank = pc.sum(pc.equal(names, "")).as_py()
        if 0 < blank < REPEATED * len(names):
            first = pc.index(names, "").as_py() + 1
            raise InputError(
                f"{blank} row{'s' * (blank > 1)} without the name of a series",
                f"{where}, column '{name}', row {first} of the values",
                "write the name, or delete the row",
            )


def _refuse_blocks(
    columns: dict[str, pa.ChunkedArray], candidates: Sequence[_Candidate], stamps: np.ndarray, where: str
) -> None:
    """Refuse a table whose times go back where another series begins, if the series have different times."""
    falls = np.diff(stamps) < np.timedelta64(0, "ns")
    for each in candidates:
        changes = np.diff(each.codes) != 0
        if not each.in_blocks or not falls.any() or (falls & ~changes).any():
            continue
        begins = np.concatenate([[0], np.flatnonzero(changes) + 1])
        order = np.argsort(stamps[begins])
        ends = stamps[np.concatenate([begins[1:], [len(stamps)]]) - 1][order]
        if (stamps[begins][order][1:] < ends[:-1]).any():
            _refuse(columns, SeriesKeys((each.name,)), each.count, where)


def refuse_joined_series(
    columns: dict[str, pa.ChunkedArray], column: Sequence[str] | None, where: str, times: str = WITHOUT_TIMES
) -> None:
    """Refuse a table of several series with different times, or without, which would become one series."""
    for name, cells in columns.items():
        if key_of(name) not in SERIES_NAMES - VAGUE_SERIES or (column and name in column):
            continue
        if not is_text(cells) and not pa.types.is_integer(cells.type):
            continue
        found = _coded(name, cells)
        numbered = times == WITHOUT_TIMES and len(columns) > 1 and found.takes_turns
        named = numbered or key_of(name) in NUMBERED_SERIES
        if not named and is_text(cells) and mostly_numbers(cleaned(cells)):
            continue
        if 2 <= found.count <= min(MOST_SERIES, len(cells) // 10):
            _refuse(columns, SeriesKeys((name,)), found.count, where, times)
