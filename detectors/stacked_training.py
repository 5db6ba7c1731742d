"""Train equal backbones as one stack: each on the windows of its own series, with its own early stop."""

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
from ape.detectors.contract import Backbone
from ape.detectors.schedule import MAX_GRADIENT, Budget, EarlyStop, adam, batches, split_tail, windows_at
from ape.detectors.training import finish, not_finite, seeded
from ape.series.windows import Segments

# Bytes that one step of a stack may keep for the backward pass: about the CPU's caches, and a part of a GPU's memory.
STACK_BYTES_CPU, STACK_BYTES_GPU = 1 << 26, 1 << 32


def train_stack(
    modules: Sequence[Backbone],
    values: Sequence[Tensor],
    segments: Sequence[Segments],
    window: int,
    budget: Budget,
    seed: int,
    on_evaluation: Callable[[int, int], None],
) -> dict[int, InputError]:
    """Train each module in place as `ape.detectors.training.train` does, all of them at once.

    Each module gets the same noise as when it is trained alone: all start from the same seed and draw for batches of
    the same size, so one draw serves all. Only rounding differs, because batched matrix products add in another order.

    Parameters
    ----------
    modules : sequence of Backbone, N
        Equal except for their weights, and supported by `torch.func.vmap`.
    values : sequence of Tensor [n, C], N
        Standardised training parts, on the modules' device. Lengths may differ if the batch sizes are equal.
    segments : sequence of sequences of (int, int), N
        Stretches of the values of each series, as for `ape.detectors.training.train`.
    window : int
    budget : Budget
    seed : int
    on_evaluation : callable
        Called after each evaluation as ``on_evaluation(modules still in training, steps done)``.

    Returns
    -------
    dict of int to InputError
        Errors of the modules whose loss is not finite, by index. Those modules are not changed.
    """
    joined, stack, failures = torch.cat(list(values)), _Stack(modules, budget), dict[int, InputError]()
    plans = [_Plan(part, window, budget, seed) for part in segments]
    offsets = torch.tensor([0, *(len(part) for part in values[:-1])]).cumsum(0)
    active, step = list(range(len(modules))), 0
    with seeded(seed), _vmap_compatible():
        while active:
            count = min(budget.check_every, budget.steps - step)
            starts = torch.stack([plans[i].next_starts(count) for i in active], dim=1) + offsets[active, None]
            losses = [stack.step(windows_at(joined, batch, window)) for batch in starts.to(joined.device)]
            tails, weights = _padded_tails([plans[i].tail for i in active])
            held_out = windows_at(joined, tails + offsets[active, None], window)
            errors = stack.errors(held_out, weights.to(joined.device))
            stack.record_best([plans[i].stop.update(error) for i, error in zip(active, errors, strict=True)])
            failures |= {active[row]: not_finite(step + late) for row, late in _first_not_finite(losses).items()}
            step += count
            done = [i in failures or plans[i].stop.waited >= budget.patience or step >= budget.steps for i in active]
            for row, i in enumerate(active):
                if done[row] and i not in failures:
                    stack.copy_best_into(modules[i], row)
                    finish(modules[i], windows_at(values[i], plans[i].tail, window))
            stack.select([row for row, is_done in enumerate(done) if not is_done])
            active = [i for i, is_done in zip(active, done, strict=True) if not is_done]
            on_evaluation(len(active), step)
    return failures


def max_stack_size(module: Backbone, windows: Tensor) -> int:
    """Return how many modules fit into one stack if each is trained on a batch like ``windows`` [B, C, L]."""
    limit = STACK_BYTES_CPU if windows.device.type == "cpu" else STACK_BYTES_GPU
    return max(1, limit // _bytes_for_backward(module, windows))


class _Plan:
    """The order of the training windows of one series, its held-out tail, and its early stop."""

    def __init__(self, segments: Segments, window: int, budget: Budget, seed: int) -> None:
        learned, self.tail = split_tail(segments, window)
        self.order = batches(learned, budget, torch.Generator().manual_seed(seed))
        self.stop = EarlyStop()

    def next_starts(self, steps: int) -> Tensor:
        """Return the window starts of the next steps, [steps, B]."""
        return torch.stack(list(islice(self.order, steps)))


class _Stack:
    """Stacked parameters and buffers [N, ...] of N modules, their optimiser, and the best values so far."""

    def __init__(self, modules: Sequence[Backbone], budget: Budget) -> None:
        self.template = _MethodCaller(copy.deepcopy(modules[0]))
        self.parameters, self.buffers = stack_module_state([_MethodCaller(module) for module in modules])
        self.optimiser, self.schedule = adam(self.parameters.values(), budget)
        self.best = {name: tensor.detach().clone() for name, tensor in self._tensors()}

    def step(self, windows: Tensor) -> Tensor:
        """Take one step on windows [N, B, C, L] and return the losses before it, [N]."""
        self.template.train()
        losses = self._call("loss", windows)
        self.optimiser.zero_grad()
        losses.sum().backward()
        _clip_each(self.parameters.values(), MAX_GRADIENT)
        self.optimiser.step()
        self.schedule.step()
        return losses.detach()

    @torch.no_grad()
    def errors(self, windows: Tensor, weights: Tensor) -> list[float]:
        """Return the squared reconstruction errors of windows [N, B, C, L], summed with ``weights`` [N, B]."""
        self.template.eval()
        residual = windows - self._call("reconstruct", windows)
        return (residual.square().mean(dim=(2, 3)) * weights).sum(dim=1).tolist()

    @torch.no_grad()
    def record_best(self, improved: list[bool]) -> None:
        """Record the current weights of the improved modules as their best ones."""
        if any(improved):
            for name, tensor in self._tensors():
                chosen = torch.tensor(improved, device=tensor.device).view(-1, *[1] * (tensor.dim() - 1))
                self.best[name] = torch.where(chosen, tensor, self.best[name])

    @torch.no_grad()
    def copy_best_into(self, module: Backbone, row: int) -> None:
        """Copy the best weights and buffers of a row into ``module``."""
        caller = _MethodCaller(module)
        for name, tensor in [*caller.named_parameters(), *caller.named_buffers()]:
            tensor.copy_(self.best[name][row])

    @torch.no_grad()
    def select(self, rows: list[int]) -> None:
        """Continue with these rows only."""
        if len(rows) == len(next(iter(self.best.values()))):
            return
        self.optimiser.zero_grad()
        for parameter in self.parameters.values():
            parameter.data = parameter.data[rows]
            state = self.optimiser.state[parameter]
            state |= {name: moment[rows] for name, moment in state.items() if moment.dim()}
        self.buffers = {name: buffer[rows] for name, buffer in self.buffers.items()}
        self.best = {name: tensor[rows] for name, tensor in self.best.items()}

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield from self.parameters.items()
        yield from self.buffers.items()

    def _call(self, method: str, windows: Tensor) -> Tensor:
        def call_one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(self.template, (parameters, buffers), (method, x))

        return vmap(call_one, randomness="same")(self.parameters, self.buffers, windows)


class _MethodCaller(nn.Module):
    """Make any method of a module callable with `functional_call`, which only calls ``forward``."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, method: str, x: Tensor) -> Tensor:
        return getattr(self.module, method)(x)


def _padded_tails(tails: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return window starts [N, B], padded with each tail's last start, and the windows' weights in the mean, [N, B]."""
    place = torch.arange(max(len(tail) for tail in tails))
    starts = torch.stack([tail[place.clamp(max=len(tail) - 1)] for tail in tails])
    return starts, torch.stack([(place < len(tail)) / len(tail) for tail in tails])


def _first_not_finite(losses: list[Tensor]) -> dict[int, int]:
    """Return the rows with a loss that is not finite, and the first such step, counted from 1."""
    finite = torch.stack(losses).isfinite().int().T.cpu()
    return {row: int(steps.argmin()) + 1 for row, steps in enumerate(finite) if not steps.all()}


def _clip_each(parameters: Iterable[Tensor], max_norm: float) -> None:
    """Clip the gradients of each model of a stack, as `torch.nn.utils.clip_grad_norm_` does for one model."""
    gradients = [p.grad.view(len(p), -1) for p in parameters if p.grad is not None]
    norm = torch.stack([gradient.norm(dim=1) for gradient in gradients]).norm(dim=0)
    for gradient in gradients:
        gradient.mul_((max_norm / (norm + 1e-6)).clamp(max=1.0)[:, None])


def _bytes_for_backward(module: Backbone, windows: Tensor) -> int:
    """Return the bytes that the loss on windows [B, C, L] keeps for its backward pass."""
    sizes: dict[int, int] = {}

    def record(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor)
    with seeded(0), _vmap_compatible(), hooks:
        loss = copy.deepcopy(module).train().loss(windows)
    del loss  # kept until here: freed memory could be reused, and two tensors would share an address
    return sum(sizes.values())


@contextmanager
def _vmap_compatible() -> Iterator[None]:
    """Use plain attention, because fused attention has no batching rule, and silence warnings about slow fallbacks."""
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
        warnings.filterwarnings("ignore", "There is a performance drop")
        yield
