"""Equal backbones trained side by side as one stack: each on windows of its own series, with its own early stop."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from ape.core.errors import InputError
from ape.detectors.schedule import MAX_GRADIENT, Budget, EarlyStop, adam, batches, split_tail, windows_at
from ape.detectors.training import finish, not_finite, seeded


def train_stack(
    modules: Sequence[nn.Module],
    values: Sequence[Tensor],
    window: int,
    budget: Budget,
    seed: int,
    told: Callable[[int, int], None],
) -> dict[int, InputError]:
    """Train each module in place as `ape.detectors.training.train` does, all of them at once.

    Each gets the noise that it would draw alone: all begin at the same seed and draw for batches of the same size, so
    one draw serves all. What differs is rounding, as a product of many matrices adds in another order.

    Parameters
    ----------
    modules : sequence of nn.Module, N
        Alike but for their weights, and such that `torch.func.vmap` takes them.
    values : sequence of Tensor [n, C], N
        Standardised training parts, on the modules' device, of any lengths that give batches of one size.
    window : int
    budget : Budget
    seed : int
    told : callable
        Given at each look how many are still in training, and the step.

    Returns
    -------
    dict
        Refusals of those whose loss was not finite, by place; they are left as they were.
    """
    joined, stack, lost = torch.cat(list(values)), _Stack(modules, budget), dict[int, InputError]()
    courses = [_Course(len(part), window, budget, seed) for part in values]
    begins = torch.tensor([0, *(len(part) for part in values[:-1])]).cumsum(0)
    active, step = list(range(len(modules))), 0
    with seeded(seed), batching_rules():
        while active:
            count = min(budget.check_every, budget.steps - step)
            drawn = torch.stack([courses[i].next(count) for i in active], dim=1) + begins[active, None]
            losses = [stack.step(windows_at(joined, first, window)) for first in drawn.to(joined.device)]
            tails, shares = _padded([courses[i].tail for i in active])
            errors = stack.errors(windows_at(joined, tails + begins[active, None], window), shares.to(joined.device))
            stack.keep([courses[i].stop.improves(error) for i, error in zip(active, errors, strict=True)])
            lost |= {active[place]: not_finite(step + late) for place, late in _first_not_finite(losses).items()}
            step += count
            over = [i in lost or courses[i].stop.waited >= budget.patience or step >= budget.steps for i in active]
            for place, i in enumerate(active):
                if over[place] and i not in lost:
                    stack.hand_back(place, modules[i])
                    finish(modules[i], windows_at(values[i], courses[i].tail, window))
            stack.narrow([place for place, leaves in enumerate(over) if not leaves])
            active = [i for i, leaves in zip(active, over, strict=True) if not leaves]
            told(len(active), step)
    return lost


def clip_each(parameters: Iterable[Tensor], most: float) -> Tensor:
    """Clip the gradients of each model of a stack to a norm, as `clip_grad_norm_` does for one; what they were, [N]."""
    gradients = [p.grad.view(len(p), -1) for p in parameters if p.grad is not None]
    norm = torch.stack([gradient.norm(dim=1) for gradient in gradients]).norm(dim=0)
    for gradient in gradients:
        gradient.mul_((most / (norm + 1e-6)).clamp(max=1.0)[:, None])
    return norm


def bytes_kept(module: nn.Module, windows: Tensor) -> int:
    """Bytes that a step on windows [B, C, L] keeps until its gradients are known."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with seeded(0), batching_rules(), hooks:
        loss = copy.deepcopy(module).train().loss(windows)  # type: ignore[operator]
    del loss  # until here nothing it keeps was freed, so that no two tensors had the same address
    return sum(kept.values())


class _Course:
    """Which windows of a series are learned from when, and when it is enough."""

    def __init__(self, length: int, window: int, budget: Budget, seed: int) -> None:
        points, self.tail = split_tail(length, window)
        self.order = batches(points - window + 1, budget, torch.Generator().manual_seed(seed))
        self.stop = EarlyStop()

    def next(self, steps: int) -> Tensor:
        """Starts of the windows of the next steps, [steps, B]."""
        return torch.stack(list(islice(self.order, steps)))


class _Method(nn.Module):
    """Lets `functional_call` reach any method of a module."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, name: str, x: Tensor) -> Tensor:
        return getattr(self.module, name)(x)


class _Stack:
    """Parameters and buffers of modules, [N, ...] each, their optimiser, and the best of them so far."""

    def __init__(self, modules: Sequence[nn.Module], budget: Budget) -> None:
        self.pattern = _Method(copy.deepcopy(modules[0]))
        self.parameters, self.buffers = stack_module_state([_Method(module) for module in modules])
        self.optimiser, self.schedule = adam(self.parameters.values(), budget)
        self.best = {name: tensor.detach().clone() for name, tensor in self._tensors()}

    def step(self, windows: Tensor) -> Tensor:
        """One step on windows [N, B, C, L]; the losses before it, [N]."""
        self.pattern.train()
        losses = self._call("loss", windows)
        self.optimiser.zero_grad()
        losses.sum().backward()
        clip_each(self.parameters.values(), MAX_GRADIENT)
        self.optimiser.step()
        self.schedule.step()
        return losses.detach()

    @torch.no_grad()
    def errors(self, windows: Tensor, shares: Tensor) -> list[float]:
        """Squared errors of windows [N, B, C, L], their mean weighed by ``shares`` [N, B]."""
        self.pattern.eval()
        apart = windows - self._call("reconstruct", windows)
        return (apart.square().mean(dim=(2, 3)) * shares).sum(dim=1).tolist()

    @torch.no_grad()
    def keep(self, improved: list[bool]) -> None:
        """Take the weights as they are for the best, at the places where they are."""
        if any(improved):
            for name, tensor in self._tensors():
                chosen = torch.tensor(improved, device=tensor.device).view(-1, *[1] * (tensor.dim() - 1))
                self.best[name] = torch.where(chosen, tensor, self.best[name])

    @torch.no_grad()
    def hand_back(self, place: int, module: nn.Module) -> None:
        """Write the best weights of a place into its module."""
        for name, own in [*_Method(module).named_parameters(), *_Method(module).named_buffers()]:
            own.copy_(self.best[name][place])

    @torch.no_grad()
    def narrow(self, places: list[int]) -> None:
        """Go on with these places alone."""
        if len(places) == len(next(iter(self.best.values()))):
            return
        self.optimiser.zero_grad()
        for parameter in self.parameters.values():
            parameter.data = parameter.data[places]
            state = self.optimiser.state[parameter]
            state |= {name: moment[places] for name, moment in state.items() if moment.dim()}
        self.buffers = {name: buffer[places] for name, buffer in self.buffers.items()}
        self.best = {name: tensor[places] for name, tensor in self.best.items()}

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield from self.parameters.items()
        yield from self.buffers.items()

    def _call(self, name: str, windows: Tensor) -> Tensor:
        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(self.pattern, (parameters, buffers), (name, x))

        return vmap(one, randomness="same")(self.parameters, self.buffers, windows)


@contextmanager
def batching_rules() -> Iterator[None]:
    """Attention in plain products, as the fused ones have no rule for stacks; no warning of what else has none."""
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
        warnings.filterwarnings("ignore", "There is a performance drop")
        yield


def _padded(tails: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Starts of the windows of each tail, its last one repeated, and what each window counts for, [N, B] both."""
    place = torch.arange(max(len(tail) for tail in tails))
    starts = torch.stack([tail[place.clamp(max=len(tail) - 1)] for tail in tails])
    return starts, torch.stack([(place < len(tail)) / len(tail) for tail in tails])


def _first_not_finite(losses: list[Tensor]) -> dict[int, int]:
    """Places whose losses [N] of some steps are not all finite, with the first step where, counted from 1."""
    finite = torch.stack(losses).isfinite().int().T.cpu()
    return {place: int(row.argmin()) + 1 for place, row in enumerate(finite) if not row.all()}
