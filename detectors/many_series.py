"""Train one detector for each of many series, in stacks where possible."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch

from ape.core.errors import InputError
from ape.core.progress import Progress
from ape.detectors.detector import TrainingSetup, WindowedDetector
from ape.detectors.registry import BACKBONES
from ape.detectors.schedule import Budget, split_tail, windows_at
from ape.detectors.stacked_training import max_stack_size, train_stack
from ape.detectors.training import train
from ape.series import Series


class PartlyTrainedError(InputError):
    """Training failed for some of the series and succeeded for the others.

    Parameters
    ----------
    what, where, hint : str
    detectors : list of WindowedDetector or None
        One entry per series: the trained detector, or None if its training failed.
    """

    def __init__(self, what: str, where: str, hint: str, detectors: list[WindowedDetector | None]) -> None:
        super().__init__(what, where, hint)
        self.detectors = detectors


def fit_together(
    detector: WindowedDetector, series: Sequence[Series], seed: int = 0, progress: Progress | None = None
) -> list[WindowedDetector]:
    """Train one detector per series. The result is that of `WindowedDetector.fit` for each series, but faster.

    Series with equal numbers of channels and equal windows are trained as one stack. Each has its own windows, early
    stop and best weights, and leaves the stack when it is done. Pass a window to `ape.detectors.create` if the series
    have different periods: the more series share a window, the larger the gain.

    The noise is the same as in single training. Only rounding differs: after a few steps, reconstructions differ by
    less than 1e-4 standard deviations; after hundreds of steps, the error differs by about one per cent. Backbones that
    cannot be stacked (``stackable`` in `ape.detectors.registry.BACKBONES`), and series with a window of their own, are
    trained one after another.

    Parameters
    ----------
    detector : WindowedDetector
        From `ape.detectors.create`; sets backbone, options, window and device. It is not changed.
    series : sequence of Series
        Lengths may differ.
    seed : int
        Used for every series.
    progress : Progress, optional
        Called with the steps of all series together.

    Returns
    -------
    list of WindowedDetector
        In the order of ``series``.

    Raises
    ------
    InputError
        A series is too short, or ``detector`` is a wrapped module; nothing is trained.
    PartlyTrainedError
        The loss of some series is not finite; the error has the detectors of the others.
    """
    if detector.name not in BACKBONES:
        raise InputError("a wrapped module cannot be trained several times", "detector", "use ape.detectors.create")
    setups = [_prepare(detector, one, index, seed) for index, one in enumerate(series)]
    budget, trained, failures = detector.budget, 0, dict[int, InputError]()
    for group in _groups(setups, budget, BACKBONES[detector.name].stackable):
        trained += len(group)
        report = _reporter(progress, trained, len(setups), budget.steps)
        failed = _train_group([setups[index] for index in group], budget, seed, report)
        failures |= {group[row]: error for row, error in failed.items()}
    fitted = {index: _fitted(detector, setup) for index, setup in enumerate(setups) if index not in failures}
    if failures:
        raise PartlyTrainedError(
            f"training failed for {len(failures)} of {len(setups)} series",
            "; ".join(f"{_label(index, series[index])}: {failures[index].what}" for index in sorted(failures)),
            "leave these series out, or use the error's attribute `detectors`",
            [fitted.get(index) for index in range(len(setups))],
        )
    return list(fitted.values())


def _prepare(detector: WindowedDetector, series: Series, index: int, seed: int) -> TrainingSetup:
    """Prepare one series; an error names the series."""
    try:
        return detector.prepare(series, seed)
    except InputError as error:
        raise InputError(error.what, _label(index, series), error.hint) from error


def _label(index: int, series: Series) -> str:
    return f"series[{index}] '{series.name}'"


def _groups(setups: Sequence[TrainingSetup], budget: Budget, stackable: bool) -> list[list[int]]:
    """Return the indices of the setups that are trained as one stack: equal shapes, and not too many at once."""
    if not stackable:
        return [[index] for index in range(len(setups))]
    by_shape = defaultdict[tuple[int, int, int], list[int]](list)
    for index, setup in enumerate(setups):
        learned, _ = split_tail(setup.segments, setup.window)
        channels = setup.values.shape[1]
        by_shape[channels, setup.window, min(budget.of_channels(channels).batch, len(learned))].append(index)
    groups = []
    for (_, window, batch), indices in by_shape.items():
        size = 1
        if len(indices) > 1:
            first = setups[indices[0]]
            size = max_stack_size(first.module, windows_at(first.values, torch.arange(batch), window))
        groups += [indices[begin : begin + size] for begin in range(0, len(indices), size)]
    return groups


def _reporter(progress: Progress | None, trained: int, count: int, steps: int) -> Callable[[int, int], None]:
    """Return a callback for one group that reports the progress of all ``count`` series.

    ``trained`` is the number of trained series once this group is done. The callback takes the number of series of the
    group that are still in training, and the steps that they have done.
    """

    def report(active: int, step: int) -> None:
        if progress is not None:
            done = (trained - active) * steps + active * step
            progress("training", done, count * steps, f"{trained - active} of {count} series")

    return report


def _train_group(
    setups: Sequence[TrainingSetup], budget: Budget, seed: int, report: Callable[[int, int], None]
) -> dict[int, InputError]:
    """Train one group in place; return the errors of failed trainings by position in the group."""
    first = setups[0]
    budget = budget.of_channels(first.values.shape[1])
    if len(setups) > 1:
        modules, values = [setup.module for setup in setups], [setup.values for setup in setups]
        return train_stack(modules, values, [setup.segments for setup in setups], first.window, budget, seed, report)

    def progress(step: str, done: int, total: int, note: str = "") -> None:
        report(int(done < total), done)

    try:
        train(first.module, first.values, first.segments, first.window, budget, seed, progress)
    except InputError as error:
        return {0: error}
    return {}


def _fitted(detector: WindowedDetector, setup: TrainingSetup) -> WindowedDetector:
    """Return a copy of ``detector`` with the trained module of ``setup``."""
    copied = copy.copy(detector)
    copied.set_trained(setup.module, setup.window, setup.shift, setup.scale, setup.required_when_trained())
    return copied
