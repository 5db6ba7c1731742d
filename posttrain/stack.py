"""Models post-trained side by side as one stack: steps of one kind, each model on windows of its own."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim import Optimizer

from ape.detectors import WindowedDetector
from ape.detectors.stack import batching_rules, clip_each
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.engine import Course, picked, stored_outputs
from ape.posttrain.freezing import training
from ape.posttrain.gradients import head_loss, joint_losses
from ape.posttrain.parts import Parts
from ape.posttrain.state import MAX_GRADIENT, NotFiniteError, State

Losses = Callable[[Any, Tensor], tuple[Tensor, Tensor]]
Told = Callable[[int], None]


def head_steps(courses: Sequence[Course], told: Told) -> dict[int, NotFiniteError]:
    """Take the steps of the heads, see `take_steps`; the heads are alike but for their weights."""
    recipe, head = courses[0].recipe, copy.deepcopy(courses[0].model.representation).train()
    started = time.perf_counter()
    stored = zip(*(stored_outputs(course.model, course.pool) for course in courses), strict=True)
    given = Parts(*(torch.stack(part) for part in stored))

    def losses(parts: Parts, pick: Tensor) -> tuple[Tensor, Tensor]:
        contrastive = head_loss(head, picked(parts, pick), recipe)
        return contrastive, torch.zeros_like(contrastive)

    stack = _Stack([course.state for course in courses], [[course.model.representation] for course in courses])
    return take_steps(courses, stack, _Reach([head], losses), given, started, told)


def joint_steps(courses: Sequence[Course], told: Told) -> dict[int, NotFiniteError]:
    """Take the steps of backbones and heads, see `take_steps`; both are alike but for their weights.

    The backbones are such that `torch.func.vmap` takes them.
    """
    started, recipe, model = time.perf_counter(), courses[0].recipe, on_standardised(courses[0].model)
    given = torch.stack([standardised(course) for course in courses]), torch.stack([c.pool.nearest for c in courses])

    def losses(pool: tuple[Tensor, Tensor], pick: Tensor) -> tuple[Tensor, Tensor]:
        return joint_losses(model, pool[0][:, pick], pool[1][:, pick], recipe)

    parts = [[course.model.representation, course.model.module] for course in courses]
    stack = _Stack([course.state for course in courses], parts)
    model.representation.train()
    with training(model.module, list(model.module.parameters())):
        reach = _Reach([model.representation, model.module], losses)
        return take_steps(courses, stack, reach, given, started, told)


def take_steps(
    courses: Sequence[Course], stack: _Stack, reach: _Reach, given: Any, started: float, told: Told
) -> dict[int, NotFiniteError]:
    """Take all steps of the kind that comes next: what `Course.go_on` does with each, but for rounding.

    The noise is what each would draw alone: one draw serves all, since the shapes are those of batches alone. A course
    is as it was until all steps are taken; its seconds are then its share.

    Parameters
    ----------
    courses : sequence of Course, N
        As far as each other.
    stack : _Stack
    reach : _Reach
        Gives the losses for what is ``given`` and a pick of one of them.
    given : tuple of Tensor [N, ...]
    started : float
        When work for these steps began.
    told : callable
        Given at each look how many steps of each course are done.

    Returns
    -------
    dict
        Refusals of those whose loss or gradient was not finite, by place; they are left as they were.
    """
    recipe, first = courses[0].recipe, courses[0].state
    end = first.head_steps if first.done < first.head_steps else first.total
    picks = torch.stack([torch.stack(course.picks[first.done : end]) for course in courses], dim=1)
    finite, curve = torch.full((len(courses),), first.done, device=picks.device), {}
    with batching_rules():
        for done, pick in enumerate(picks, first.done):
            *losses, norm = stack.step(reach, given, pick, recipe.weight)
            finite += (sum(losses) + norm).isfinite() & (finite == done)
            if done + 1 in first.looks:
                curve[done + 1] = torch.stack(losses, dim=1).tolist()
                told(done + 1)
    lost = {place: NotFiniteError.at(step + 1) for place, step in enumerate(finite.tolist()) if step < end}
    share = (time.perf_counter() - started) / len(courses)
    for place in set(range(len(courses))) - set(lost):
        stack.hand_back(place)
        courses[place].state.went_on({done: losses[place] for done, losses in curve.items()}, share)
    return lost


def on_standardised(model: EnhancedDetector) -> EnhancedDetector:
    """Copy of a model that takes its windows standardised, so that models of other scales may share its code."""
    backbone, scale = cast(WindowedDetector, model.backbone.clone()), model.scale_shift[1]
    backbone.adopt(backbone.module, model.window, torch.zeros_like(scale), torch.ones_like(scale))
    return replace(model, backbone=backbone, representation=copy.deepcopy(model.representation))


def standardised(course: Course) -> Tensor:
    """The windows of the pool, [3, n, C, L]."""
    shift, scale = course.model.scale_shift
    return (course.pool.windows - shift[:, None]) / scale[:, None]


class _Reach(nn.Module):
    """Lets `functional_call` put weights into the modules that some losses are of."""

    def __init__(self, parts: Sequence[nn.Module], losses: Losses) -> None:
        super().__init__()
        self.parts, self.losses = nn.ModuleList(parts), losses

    def forward(self, given: Any, pick: Tensor) -> tuple[Tensor, Tensor]:
        return self.losses(given, pick)


class _Stack:
    """Weights and buffers of models side by side, [N, ...] each, and an optimiser that is where theirs have come to."""

    def __init__(self, states: Sequence[State], parts: Sequence[Sequence[nn.Module]]) -> None:
        self.states, self.own = states, [_named(some) for some in parts]
        self.tensors = {name: torch.stack([one[name].detach() for one in self.own]) for name in self.own[0]}
        first, names = states[0].learning, {id(tensor): name for name, tensor in self.own[0].items()}
        groups = [
            group | {"params": [self.tensors[names[id(p)]].requires_grad_() for p in group["params"] if id(p) in names]}
            for group in first.optimiser.param_groups
        ]
        self.optimiser = torch.optim.AdamW(groups, fused=True)
        rates = [group["max_lr"] for group in groups]
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, rates, total_steps=states[0].total)
        self.schedule.load_state_dict(first.schedule.state_dict())
        _set_rates(self.optimiser, first.optimiser)
        for name, tensor in self._learned():
            moments = [
                state.learning.optimiser.state.get(one[name], {}) for state, one in zip(states, self.own, strict=True)
            ]
            if moments[0]:
                self.optimiser.state[tensor] = {
                    key: value.clone() if key == "step" else torch.stack([own[key] for own in moments])
                    for key, value in moments[0].items()
                }

    def step(self, reach: _Reach, given: Any, pick: Tensor, weight: float) -> tuple[Tensor, Tensor, Tensor]:
        """One step, each model on its part of ``given`` and its pick [N, B]; ``L_con``, ``L_rec`` and norms, [N]."""

        def one(tensors: dict[str, Tensor], given: Any, pick: Tensor) -> tuple[Tensor, Tensor]:
            return functional_call(reach, tensors, (given, pick))

        contrastive, reconstruction = vmap(one, randomness="same")(self.tensors, given, pick)
        self.optimiser.zero_grad()
        (weight * contrastive + reconstruction).sum().backward()
        norm = clip_each([tensor for _, tensor in self._learned()], MAX_GRADIENT)
        self.optimiser.step()
        self.schedule.step()
        return contrastive.detach(), reconstruction.detach(), norm

    @torch.no_grad()
    def hand_back(self, place: int) -> None:
        """Write weights, buffers, moments and rates of a place into its model and its optimiser."""
        learning, own = self.states[place].learning, self.own[place]
        for name, tensor in self.tensors.items():
            own[name].copy_(tensor[place])
        for name, tensor in self._learned():
            learning.optimiser.state[own[name]] = {
                key: value.clone() if key == "step" else value[place].clone()
                for key, value in self.optimiser.state[tensor].items()
            }
        learning.schedule.load_state_dict(self.schedule.state_dict())
        _set_rates(learning.optimiser, self.optimiser)

    def _learned(self) -> list[tuple[str, Tensor]]:
        return [(name, tensor) for name, tensor in self.tensors.items() if tensor.requires_grad]


def _named(parts: Sequence[nn.Module]) -> dict[str, Tensor]:
    """Parameters and buffers by the names that `_Reach` knows them by."""
    whole = nn.ModuleDict({"parts": nn.ModuleList(parts)})
    return dict([*whole.named_parameters(), *whole.named_buffers()])


def _set_rates(optimiser: Optimizer, other: Optimizer) -> None:
    """Take over what a schedule changes."""
    for group, its in zip(optimiser.param_groups, other.param_groups, strict=True):
        group |= {name: its[name] for name in ("lr", "betas")}
