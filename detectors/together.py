"""One backbone for each of many series, trained together."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ape.core.errors import InputError
from ape.core.progress import Progress
from ape.detectors.detector import Prepared, WindowedDetector
from ape.detectors.registry import BACKBONES
from ape.detectors.schedule import Budget, split_tail, windows_at
from ape.detectors.stack import bytes_kept, train_stack
from ape.detectors.training import train
from ape.series import Series

ON_CPU, ELSEWHERE = 1 << 26, 1 << 32  # bytes that a step of a stack may keep: what caches and what memory can hold


class PartlyTrainedError(InputError):
    """The training of some series failed, that of the others did not.

    Parameters
    ----------
    what, where, hint : str
    detectors : list of WindowedDetector or None
        The trained ones at their places, None where training failed.
    """

    def __init__(self, what: str, where: str, hint: str, detectors: list[WindowedDetector | None]) -> None:
        super().__init__(what, where, hint)
        self.detectors = detectors


def fit_together(
    detector: WindowedDetector, series: Sequence[Series], seed: int = 0, progress: Progress | None = None
) -> list[WindowedDetector]:
    """Train one detector for each series: what `WindowedDetector.fit` would give one by one, but sooner.

    Series with as many channels and the same window are trained as one stack, each with its own windows, early stop and
    best weights; one that is done leaves the stack. The more series share a window, the more there is to gain: give one
    to `ape.detectors.create` where their own periods would scatter. The noise of training is the same as alone, and
    only rounding differs: reconstructions by less than 1e-4 of a standard deviation in the first steps, the error by
    about a hundredth after hundreds. Backbones that cannot be stacked (``stacked`` in
    `ape.detectors.registry.BACKBONES`), and a series whose window no other has, are trained one after another.

    Parameters
    ----------
    detector : WindowedDetector
        From `ape.detectors.create`: backbone, options, window, device. It stays as it is.
    series : sequence of Series
        Of any lengths.
    seed : int
        The same for all of them.
    progress : Progress, optional
        Told of the steps of all series.

    Returns
    -------
    list of WindowedDetector
        In the order of ``series``.

    Raises
    ------
    InputError
        A series is too short; nothing was trained.
    PartlyTrainedError
        Losses of some series were not finite; it holds the detectors of all others.
    """
    if detector.name not in BACKBONES:
        raise InputError("it is wrapped around one module", "detector", "give one that ape.detectors.create gives")
    begun = [_prepared(detector, one, place, seed) for place, one in enumerate(series)]
    steps, past, lost = detector.budget.steps, 0, dict[int, InputError]()
    for group in _groups(begun, detector.budget, BACKBONES[detector.name].stacked):

        def told(active: int, step: int, ready: int = past + len(group)) -> None:
            if progress is not None:
                done = (ready - active) * steps + active * step
                progress("training", done, len(begun) * steps, f"{ready - active} of {len(begun)} series")

        failed = _train([begun[place] for place in group], detector.budget, seed, told)
        lost |= {group[place]: error for place, error in failed.items()}
        past += len(group)
    fitted = {place: _adopted(detector, one) for place, one in enumerate(begun) if place not in lost}
    if lost:
        raise PartlyTrainedError(
            f"training failed for {len(lost)} of {len(begun)} series",
            "; ".join(f"{_named(place, series[place])}: {lost[place].what}" for place in sorted(lost)),
            "leave them out, or take the others from the error's `detectors`",
            [fitted.get(place) for place in range(len(begun))],
        )
    return list(fitted.values())


def _prepared(detector: WindowedDetector, series: Series, place: int, seed: int) -> Prepared:
    """What training needs of one series; a refusal names it."""
    try:
        return detector.prepare(series, seed)
    except InputError as error:
        raise InputError(error.what, _named(place, series), error.hint) from error


def _named(place: int, series: Series) -> str:
    return f"series[{place}] '{series.name}'"


def _groups(begun: Sequence[Prepared], budget: Budget, stacked: bool) -> list[list[int]]:
    """Places of series that are trained as one stack: shapes alike, and no more at once than memory or caches hold."""
    if not stacked:
        return [[place] for place in range(len(begun))]
    alike = defaultdict[tuple[int, int, int], list[int]](list)
    for place, one in enumerate(begun):
        windows = split_tail(len(one.values), one.window)[0] - one.window + 1
        alike[one.values.shape[1], one.window, min(budget.batch, windows)].append(place)
    groups = []
    for (_, window, batch), places in alike.items():
        values, module = begun[places[0]].values, begun[places[0]].module
        most = most_at_once(module, windows_at(values, torch.arange(batch), window)) if len(places) > 1 else 1
        groups += [places[first : first + most] for first in range(0, len(places), most)]
    return groups


def most_at_once(module: nn.Module, windows: Tensor) -> int:
    """How many modules a stack may hold that are each trained on as many windows [B, C, L] a step."""
    return max(1, (ON_CPU if windows.device.type == "cpu" else ELSEWHERE) // bytes_kept(module, windows))


def _train(
    begun: Sequence[Prepared], budget: Budget, seed: int, told: Callable[[int, int], None]
) -> dict[int, InputError]:
    """Train one group; why it failed, by place."""
    first = begun[0]
    if len(begun) > 1:
        modules, values = [one.module for one in begun], [one.values for one in begun]
        return train_stack(modules, values, first.window, budget, seed, told)

    def progress(step: str, done: int, total: int, note: str = "") -> None:
        told(int(done < total), done)

    try:
        train(first.module, first.values, first.window, budget, seed, progress)
    except InputError as error:
        return {0: error}
    return {}


def _adopted(detector: WindowedDetector, trained: Prepared) -> WindowedDetector:
    own = copy.copy(detector)
    own.adopt(trained.module, trained.window, trained.shift, trained.scale)
    return own
