"""Matrix profile by stumpy, with compiled code cached on disk.

stumpy needs about half a minute to compile on its first call in a process. numba can cache compiled functions on disk,
but stumpy does not enable the cache. This module enables it for the stumpy modules that a self-join uses.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np

from ape.core.files import write_text
from ape.series.numerics import unit_of
from ape.series.windows import Segments

GPU_MIN_LENGTH = 20_000  # points; for shorter series the transfer to a GPU costs more than it saves
READY = "ready"  # file in the cache folder: the code is compiled
STUMPY_MODULES = ("core", "stump")

_computing = threading.Lock()  # one of numba's threading layers allows one parallel call at a time


@dataclass(frozen=True)
class MatrixProfile:
    """Matrix profile of a series of T points with subsequences of m points.

    Parameters
    ----------
    distance : ndarray, float64 [T - m + 1]
        z-normalised Euclidean distance to the nearest neighbour outside the exclusion zone; NaN for a subsequence
        across a gap.
    index : ndarray, int64 [T - m + 1]
        Position of that neighbour; -1 if there is none.
    """

    distance: np.ndarray
    index: np.ndarray


def matrix_profile(x: np.ndarray, window: int, segments: Segments | None = None) -> MatrixProfile:
    """Compute the self-join matrix profile (Yeh et al. 2016) by STUMP (Law 2019).

    Constant subsequences have distance 0 to each other and ``sqrt(window)`` to all others. A subsequence without a
    neighbour has the largest possible distance, ``2 sqrt(window)``, and index -1.

    Parameters
    ----------
    x : ndarray [T]
    window : int
        Length of the subsequences, in samples.
    segments : sequence of (int, int), optional
        Only subsequences within these stretches are compared. Default: the whole series.

    Returns
    -------
    MatrixProfile
    """
    separated = _Separated.of(x, segments)
    from numba import cuda

    on_gpu = len(separated.values) >= GPU_MIN_LENGTH and cuda.is_available()
    compute = load_stumpy().gpu_stump if on_gpu else load_stumpy().stump
    with _computing, np.errstate(divide="ignore"):  # stumpy replaces NaN by zeros, which have no deviation
        profile = compute(separated.values, window)
    largest = 2 * np.sqrt(window)
    found = np.nan_to_num(profile[:, 0].astype(np.float64), nan=largest, posinf=largest)
    places, starts = separated.starts(window)
    distance, index = np.full(len(x) - window + 1, np.nan), np.full(len(x) - window + 1, -1)
    distance[starts] = found[places]
    index[starts] = separated.positions(profile[:, 1].astype(np.int64)[places])
    return MatrixProfile(distance, index)


@dataclass(frozen=True)
class _Separated:
    """The segments of a series, with a NaN between one and the next.

    It is close to unit scale, because stumpy takes standard deviations below 1e-7 for zero. ``values`` is float64
    [points of the segments + segments - 1]; ``begins`` and ``ends``, int64, are those of the segments in the series.
    """

    values: np.ndarray
    begins: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, segments: Segments | None) -> _Separated:
        values = np.asarray(x, dtype=np.float64)
        values = values / unit_of(values)
        begins, ends = np.array([(0, len(values))] if segments is None else segments, dtype=np.int64).T
        parts = [part for begin, end in zip(begins, ends, strict=True) for part in (values[begin:end], [np.nan])]
        return cls(np.concatenate(parts[:-1]), begins, ends)

    @property
    def offsets(self) -> np.ndarray:
        """By how much places in ``values`` lag behind positions in the series, in each segment, int64."""
        lengths = self.ends - self.begins
        return self.begins - (lengths.cumsum() - lengths + np.arange(len(lengths)))

    def starts(self, window: int) -> tuple[np.ndarray, np.ndarray]:
        """Return where windows start that lie in a segment, in ``values`` and in the series, int64 [N] each."""
        spans = zip(self.begins, self.ends - window + 1, self.offsets, strict=True)
        pairs = [(np.arange(begin, stop) - offset, np.arange(begin, stop)) for begin, stop, offset in spans]
        places, positions = (np.concatenate(column) for column in zip(*pairs, strict=True))
        return places, positions

    def positions(self, places: np.ndarray) -> np.ndarray:
        """Return the positions in the series of places in ``values``; -1 stays."""
        offsets = self.offsets
        segment = np.searchsorted(self.begins - offsets, places, side="right") - 1
        return np.where(places < 0, -1, places + offsets[segment])


def arc_curve(index: np.ndarray, window: int) -> np.ndarray:
    """Compute the corrected arc curve (FLUSS, Gharghabi et al. 2017).

    An arc joins a subsequence to its nearest neighbour. The curve is the number of arcs over each point, divided by
    the number expected by chance, at most 1. Near both ends it is 1.

    Parameters
    ----------
    index : ndarray, int [N]
        Positions of the nearest neighbours, from `matrix_profile`.
    window : int
        Length of the subsequences, in samples.

    Returns
    -------
    ndarray, float64 [N]
    """
    curve, _ = load_stumpy().fluss(index.astype(np.int64), L=window, n_regimes=2, excl_factor=5)
    return np.asarray(curve, dtype=np.float64)


def distance_profile(query: np.ndarray, x: np.ndarray, segments: Segments | None = None) -> np.ndarray:
    """Compute the z-normalised distance of ``query`` [m] to each subsequence of ``x`` [T] by MASS (Mueen et al.).

    Returns
    -------
    ndarray, float64 [T - m + 1]
        Infinite for a subsequence that does not lie within one of the ``segments``.
    """
    separated = _Separated.of(x, segments)
    query = np.ascontiguousarray(query, dtype=np.float64)
    found = np.asarray(load_stumpy().mass(query / unit_of(query), separated.values), dtype=np.float64)
    places, starts = separated.starts(len(query))
    distance = np.full(len(x) - len(query) + 1, np.inf)
    distance[starts] = found[places]
    return distance


def warm_up(on_message: Callable[[str], None]) -> None:
    """Compile the matrix profile unless an earlier process of this environment did.

    ``on_message`` receives a message before and after compiling.
    """
    if is_compiled():
        return
    on_message("compiling the matrix profile, once in this environment (about half a minute)")
    matrix_profile(np.sin(np.arange(256) / 5.0), 16)
    with contextlib.suppress(ValueError):  # an unwritable cache only costs time
        write_text(_cache_folder() / READY, "compiled\n")
    on_message("compiled")


def is_compiled() -> bool:
    """Return whether a process of this environment has compiled the matrix profile."""
    return (_cache_folder() / READY).exists()


@cache
def _cache_folder() -> Path:
    """Return the folder for compiled code, a temporary one if the home folder is not writable.

    numba finds compiled code by the path of its source file, so each environment needs its own folder.
    """
    from importlib.metadata import distribution, version

    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    stumpy = distribution("stumpy")
    location = hashlib.sha256(str(stumpy.locate_file("stumpy")).encode()).hexdigest()[:12]
    python = f"py{sys.version_info[0]}{sys.version_info[1]}"
    name = f"ape/interruptible-{python}-numba{version('numba')}-stumpy{stumpy.version}-{location}"
    try:
        (base / name).mkdir(parents=True, exist_ok=True)
        return base / name
    except OSError:
        return Path(tempfile.mkdtemp(prefix="ape-compiled-"))


@cache
def load_stumpy() -> ModuleType:
    """Import stumpy with numba's disk cache enabled for the functions of a self-join.

    Call it before threads start: stumpy parses source code when it is imported, and Python 3.11 fails if two threads
    parse at once (https://github.com/python/cpython/issues/106905).
    """
    import numba

    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_cache_folder())
    try:
        with _each_file_parsed_once():
            stumpy = importlib.import_module("stumpy")
        for name in STUMPY_MODULES:
            for function in vars(importlib.import_module(f"stumpy.{name}")).values():
                if hasattr(function, "enable_caching") and function.__module__.startswith("stumpy."):
                    function.targetoptions["nogil"] = True  # else no thread can react to Ctrl-C meanwhile
                    with contextlib.suppress(RuntimeError):  # no writable folder: compile in memory
                        function.enable_caching()
    finally:
        numba.config.CACHE_DIR = before
    return stumpy


@contextlib.contextmanager
def _each_file_parsed_once() -> Iterator[None]:
    """Let the import of stumpy parse each of its files once.

    It parses the whole file again for each compiled function, to read an option from the decorator: a second in all.
    """
    parse, segment = ast.parse, ast.get_source_segment
    ast.parse = cache(parse)  # type: ignore[assignment]
    ast.get_source_segment = lambda source, node, **_: ast.unparse(node)
    try:
        yield
    finally:
        ast.parse, ast.get_source_segment = parse, segment
