"""The matrix profile by stumpy, with its compiled code kept on disk.

stumpy compiles for about half a minute when it is first called in a process. numba can keep compiled functions in a
folder; stumpy does not ask it to, so we do, for the modules that a self-join runs through.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np

from ape.core.files import write_text

WORTH_A_GPU = 20_000  # points, from which a join takes longer than bringing it to a GPU
READY = "ready"  # the file that marks a folder of compiled code
STUMPY_MODULES = ("core", "stump")


@dataclass(frozen=True)
class MatrixProfile:
    """``distance`` float64 [T - m + 1], z-normalised, to the nearest other subsequence; ``index``: where that is."""

    distance: np.ndarray
    index: np.ndarray


def matrix_profile(x: np.ndarray, window: int) -> MatrixProfile:
    """Self-join matrix profile (Yeh et al. 2016; STUMP, Law 2019) of ``x`` [T] with subsequences of length ``window``.

    Constant subsequences are at distance 0 from each other and ``sqrt(window)`` from everything else; one without a
    neighbour is at the largest possible distance, ``2 sqrt(window)``, with index -1.
    """
    values = np.ascontiguousarray(x, dtype=np.float64)
    from numba import cuda

    on_gpu = len(values) >= WORTH_A_GPU and cuda.is_available()
    profile = _stumpy().gpu_stump(values, window) if on_gpu else _stumpy().stump(values, window)
    largest = 2 * np.sqrt(window)
    distance = np.nan_to_num(profile[:, 0].astype(np.float64), nan=largest, posinf=largest)
    return MatrixProfile(distance, profile[:, 1].astype(np.int64))


def arc_curve(index: np.ndarray, window: int) -> np.ndarray:
    """Corrected arc curve (FLUSS, Gharghabi et al. 2017), float64 [N], of neighbours' positions ``index`` [N].

    How many arcs from a subsequence to its neighbour cross each point, as a share of what chance would draw, at most 1;
    1 next to the ends.
    """
    curve, _ = _stumpy().fluss(index.astype(np.int64), L=window, n_regimes=2, excl_factor=5)
    return np.asarray(curve, dtype=np.float64)


def distance_profile(query: np.ndarray, x: np.ndarray) -> np.ndarray:
    """z-normalised distance of ``query`` [m] to each subsequence of ``x`` [T] (MASS, Mueen et al.), [T - m + 1]."""
    return np.asarray(
        _stumpy().mass(np.ascontiguousarray(query, dtype=np.float64), np.ascontiguousarray(x, dtype=np.float64)),
        dtype=np.float64,
    )


def warm_up(say: Callable[[str], None]) -> None:
    """Compile the matrix profile if no earlier process of this environment has; ``say`` is told before and after."""
    if is_compiled():
        return
    say("compiling the matrix profile, once in this environment (about half a minute)")
    matrix_profile(np.sin(np.arange(256) / 5.0), 16)
    with contextlib.suppress(ValueError):  # a cache that cannot be written only costs time
        write_text(_cache_folder() / READY, "compiled\n")
    say("compiled")


def is_compiled() -> bool:
    """Whether a process of this environment has compiled the matrix profile."""
    return (_cache_folder() / READY).exists()


@cache
def _cache_folder() -> Path:
    """Folder for compiled code of exactly these packages; a temporary one where the home is not writable.

    numba looks for compiled code by where its source lies, so each environment has a folder, and compiles, of its own.
    """
    from importlib.metadata import distribution, version

    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    stumpy = distribution("stumpy")
    place = hashlib.sha256(str(stumpy.locate_file("stumpy")).encode()).hexdigest()[:12]
    python = f"py{sys.version_info[0]}{sys.version_info[1]}"
    name = f"ape/compiled-{python}-numba{version('numba')}-stumpy{stumpy.version}-{place}"
    try:
        (base / name).mkdir(parents=True, exist_ok=True)
        return base / name
    except OSError:
        return Path(tempfile.mkdtemp(prefix="ape-compiled-"))


@cache
def _stumpy() -> ModuleType:
    """Import stumpy with numba's disk cache switched on for what a self-join compiles."""
    import numba

    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_cache_folder())
    try:
        stumpy = importlib.import_module("stumpy")
        for name in STUMPY_MODULES:
            for function in vars(importlib.import_module(f"stumpy.{name}")).values():
                if hasattr(function, "enable_caching") and function.__module__.startswith("stumpy."):
                    with contextlib.suppress(RuntimeError):  # no writable place: compiled in memory
                        function.enable_caching()
    finally:
        numba.config.CACHE_DIR = before
    return stumpy
