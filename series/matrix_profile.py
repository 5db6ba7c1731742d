"""Matrix profile by stumpy, with compiled code cached on disk.

stumpy needs about half a minute to compile on its first call in a process. numba can cache compiled functions on disk,
but stumpy does not enable the cache. This module enables it for the stumpy modules that a self-join uses.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np

from ape.core.files import write_text
from ape.series.numerics import unit_of
from ape.series.windows import Segments, starts

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
    values = separated.values
    from numba import cuda

    on_gpu = len(values) >= GPU_MIN_LENGTH and cuda.is_available()
    compute = load_stumpy().gpu_stump if on_gpu else load_stumpy().stump
    with _computing, np.errstate(divide="ignore"):  # stumpy replaces NaN by zeros, which have no deviation
        profile = compute(values, window)
    largest = 2 * np.sqrt(window)
    distance = np.nan_to_num(profile[:, 0].astype(np.float64), nan=largest, posinf=largest)
    place = separated.places(len(x) - window + 1)
    distance, index = distance[place], separated.positions(profile[:, 1].astype(np.int64)[place])
    if segments is not None:
        across = np.ones(len(distance), dtype=bool)
        across[starts(segments, window)] = False
        distance[across] = np.nan
    return MatrixProfile(distance, index)


@dataclass(frozen=True)
class _Separated:
    """A series with NaN outside its segments, and one NaN inserted wherever a segment touches the next.

    It is close to unit scale, because stumpy takes standard deviations below 1e-7 for zero. ``values`` is float64
    [T + number of cuts]; ``cuts``, int64, are the begins of these next segments.
    """

    values: np.ndarray
    cuts: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, segments: Segments | None) -> _Separated:
        values = np.ascontiguousarray(x, dtype=np.float64)
        values = values / unit_of(values)
        if segments is None:
            return cls(values, np.zeros(0, np.int64))
        inside = np.full(len(values), np.nan)
        for begin, end in segments:
            inside[begin:end] = values[begin:end]
        cuts = np.array([begin for (_, end), (begin, _) in pairwise(segments) if end == begin], dtype=np.int64)
        return cls(np.insert(inside, cuts, np.nan), cuts)

    def places(self, count: int) -> np.ndarray:
        """Return the indices in ``values`` of the first ``count`` points of the series."""
        position = np.arange(count)
        return position + np.searchsorted(self.cuts, position, side="right")

    def positions(self, places: np.ndarray) -> np.ndarray:
        """Return the positions in the series of indices in ``values``; -1 stays."""
        return places - np.searchsorted(self.cuts + np.arange(len(self.cuts)), places, side="right")


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
    distance = load_stumpy().mass(query / unit_of(query), separated.values)
    return np.asarray(distance, dtype=np.float64)[separated.places(len(x) - len(query) + 1)]


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
