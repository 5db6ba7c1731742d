"""Many detectors post-trained together, each with the bank of its own series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import torch

from ape.core.errors import InputError
from ape.core.progress import Progress
from ape.detectors import Detector, WindowedDetector
from ape.detectors.registry import BACKBONES
from ape.detectors.together import most_at_once
from ape.detectors.training import seeded
from ape.posttrain.detector import device_of
from ape.posttrain.engine import Course, train
from ape.posttrain.enhancement import Enhancement, Prepared, judge, prepare, refused
from ape.posttrain.recipe import DEFAULT, Recipe
from ape.posttrain.stack import head_steps, joint_steps, standardised
from ape.posttrain.state import NotFiniteError
from ape.rules import RuleBank
from ape.series import Series

HELD = 1 << 28  # bytes of pools that are drawn before their training begins, which takes a few times as many

T = TypeVar("T")
Told = Callable[[Iterable[int], int], None]  # places, and how many steps of each are done


def enhance_together(
    detectors: Sequence[Detector],
    banks: Sequence[RuleBank],
    series: Sequence[Series],
    seed: int = 0,
    recipe: Recipe = DEFAULT,
    progress: Progress | None = None,
) -> list[Enhancement]:
    """Post-train each detector with its bank: what `enhance` gives one by one, but sooner.

    Heads that see as many values are trained as one stack. So are backbones of one kind with equal windows and channels
    that `torch.func.vmap` takes (``stacked`` in `ape.detectors.registry.BACKBONES`); all others, wrapped modules among
    them, take their steps one after another. What is trained on is the same as alone, and so is the noise: only
    rounding differs, unless a module draws where it reconstructs or encodes, as no backbone of ours does.

    Parameters
    ----------
    detectors, banks, series : sequences of one length
        See `enhance`.
    seed : int
        The same for all of them.
    recipe : Recipe
    progress : Progress, optional
        Told of all series: how many are prepared, the steps that are done, how many are judged.

    Returns
    -------
    list of Enhancement
        In the order given. Where one is refused, also by what `enhance` raises an `InputError` for, its detector comes
        back as it is, with the reason in the report; the others are not affected. Seconds of a stack are shared out.

    Raises
    ------
    InputError
        The sequences are not of one length.
    """
    if not len(detectors) == len(banks) == len(series):
        raise InputError(
            f"{len(detectors)} detectors, {len(banks)} banks and {len(series)} series",
            "enhance_together",
            "give a detector and a bank for each series",
        )
    say = progress or (lambda *_args, **_kwargs: None)
    steps, done = recipe.head_steps + recipe.joint_steps, [0] * len(series)
    results, waiting = dict[int, Enhancement](), dict[int, Prepared]()

    def told(places: Iterable[int], step: int) -> None:
        for place in places:
            done[place] = step
        say("post-training", sum(done), steps * len(series))

    for place, (detector, bank, one) in enumerate(zip(detectors, banks, series, strict=True)):
        say("profiling", place, len(series), one.name)
        ready = _tried(detector, seed, partial(prepare, detector, bank, one, seed, recipe))
        if isinstance(ready, Enhancement):
            results[place] = ready
        else:
            waiting[place] = ready
        if place + 1 < len(series) and sum(each.pool.nbytes for each in waiting.values()) < HELD:
            continue
        lost = train_together(waiting, seed, recipe, told)
        told([*results, *waiting], steps)
        for each, trained in waiting.items():
            if each in lost:
                results[each] = refused(trained.detector, trained.report, lost[each])
            else:
                results[each] = _tried(trained.detector, seed, partial(judge, trained))
        waiting.clear()
        say("accepting", len(results), len(series))
    return [results[place] for place in range(len(series))]


def train_together(waiting: Mapping[int, Prepared], seed: int, recipe: Recipe, told: Told) -> dict[int, InputError]:
    """Train models in place, and add what `train` says of each to its report; refusals by place."""
    if recipe.head_steps + recipe.joint_steps == 0:
        for one in waiting.values():
            one.report["training"] = train(one.model, one.pool, recipe, one.generator, lambda *_args, **_kwargs: None)
            one.seconds["train"] = 0.0
        return {}
    courses = {place: Course.begin(one.model, one.pool, recipe, one.generator) for place, one in waiting.items()}
    lost = dict[int, InputError]()
    for heads in _alike(courses, _head):
        with seeded(seed):
            if len(heads) > 1 and courses[heads[0]].state.head_steps > 0:
                lost |= _stacked(head_steps, courses, heads, told)
            for places in _wholes({place: courses[place] for place in heads if place not in lost}):
                with torch.random.fork_rng(devices=range(torch.cuda.device_count())):  # each goes on from here alone
                    if len(places) > 1:
                        lost |= _stacked(joint_steps, courses, places, told)
                    else:
                        lost |= _alone(courses, places[0], told)
    for place in waiting.keys() - lost.keys():
        figures = courses[place].figures()
        waiting[place].report["training"] = figures
        waiting[place].seconds["train"] = sum(figures["seconds"].values())
    return lost


def _stacked(
    stage: Callable[[Sequence[Course], Callable[[int], None]], dict[int, NotFiniteError]],
    courses: Mapping[int, Course],
    places: Sequence[int],
    told: Told,
) -> dict[int, InputError]:
    failed = stage([courses[place] for place in places], partial(told, places))
    return {places[i]: error for i, error in failed.items()}


def _alone(courses: Mapping[int, Course], place: int, told: Told) -> dict[int, InputError]:
    try:
        courses[place].go_on(lambda _step, done, _total, _note="": told([place], done))
    except InputError as error:
        return {place: error}
    return {}


def _alike(courses: Mapping[int, Course], key: Callable[[Course], Hashable]) -> list[list[int]]:
    """Places of the courses with equal keys."""
    places = defaultdict[Hashable, list[int]](list)
    for place, course in courses.items():
        places[key(course)].append(place)
    return list(places.values())


def _head(course: Course) -> Hashable:
    """Equal for those whose heads make one stack."""
    shapes = [tensor.shape for tensor in course.model.representation.state_dict().values()]
    return tuple(shapes), course.pool.windows.shape[1], course.state.head_steps, device_of(course.model.backbone)


def _whole(course: Course) -> Hashable:
    """Equal for those whose backbones and heads make one stack, if their heads do."""
    backbone = course.model.backbone
    if not (isinstance(backbone, WindowedDetector) and backbone.name in BACKBONES and BACKBONES[backbone.name].stacked):
        return id(course)
    frozen = tuple(parameter.requires_grad for parameter in backbone.module.parameters())
    return backbone.name, repr(backbone.options), course.pool.windows.shape[2:], frozen


def _wholes(courses: Mapping[int, Course]) -> list[list[int]]:
    """Places of those with joint steps to come, by stacks that memory or caches hold; one that goes alone by itself."""
    groups = []
    for places in _alike(courses, _whole):
        first = courses[places[0]]
        if first.state.done == first.state.total:
            continue
        batch = standardised(first)[:, : first.recipe.joint_batch].flatten(0, 1)
        most = most_at_once(first.model.module, batch) if len(places) > 1 else 1
        groups += [places[i : i + most] for i in range(0, len(places), most)]
    return groups


def _tried(detector: Detector, seed: int, call: Callable[[], T]) -> T | Enhancement:
    try:
        with seeded(seed):
            return call()
    except InputError as error:
        return refused(detector, {}, error)
