"""Time our backbones beside TSB-AD's, same windows and sizes: ``python -m ape.evals.speed.backbones [name ...]``.

A step is loss, backward, clipping where it is done, optimiser. Scores are those of the paper, of one batch. A series
goes through each detector's front door, a window at each point. Widths, layers, heads,
kernels, latents and draws are TSB-AD's. What cannot be made the same:

=================== ==================================================== ==================================
model               ours                                                 theirs
=================== ==================================================== ==================================
TimesNet            periods of each window                               periods of the batch
TranAD              both phases rebuild all points                       they rebuild the last point alone
AnomalyTransformer  both phases in one backward                          two backwards
OmniAnomaly         two GRUs, chained latents, 20 flows, Gaussian output one GRU of two layers, perceptrons
Donut               all points scored, weight decay in the loss          the last point scored, AdamW
=================== ==================================================== ==================================
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import ape.detectors
import ape.series

BATCH, WINDOW, CHANNELS, RATE, CLIP = 128, 100, (1, 25), 1e-4, 10.0
MOST_RUNS, ENOUGH = 15, 20.0  # runs of each at most, seconds of both together after which no more begin
POINTS = 10_000  # of a series


@dataclass(frozen=True)
class Pair:
    """A backbone of ours, and how TSB-AD trains and scores with its own; all that is theirs works on [B, L, C]."""

    ours: str
    options: Callable[[int], dict[str, Any]]  # by channels
    theirs: str  # module and class
    losses: Callable[[Any, Tensor], list[Tensor]]  # each goes backward by itself
    scores: Callable[[Any, Tensor], Tensor]
    clip: bool = False
    points: int = POINTS


def tranad_phases(peer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Both reconstructions of the last point, [B, C]."""
    first, second = peer.model(x.transpose(0, 1), x[None, :, -1])
    return first[0], second[0]


def tranad_losses(peer: Any, x: Tensor) -> list[Tensor]:
    """As in the second epoch."""
    first, second = (functional.mse_loss(phase, x[:, -1]) for phase in tranad_phases(peer, x))
    return [0.5 * first + 0.5 * second]


def apart(prior: Tensor, series: Tensor) -> Tensor:
    """Symmetric divergence of a layer, by their function, [B, L]."""
    divergence = import_module("TSB_AD.models.AnomalyTransformer").my_kl_loss
    both: Tensor = divergence(prior, series) + divergence(series, prior)
    return both


def associations(peer: Any, x: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Reconstruction, and each layer's prior, made to sum to one, and series association."""
    rebuilt, series, prior, _ = peer.model(x)
    return rebuilt, [(p / p.sum(dim=3, keepdim=True), s) for p, s in zip(prior, series, strict=True)]


def association_losses(peer: Any, x: Tensor) -> list[Tensor]:
    """Maximise and minimise phase."""
    rebuilt, layers = associations(peer, x)
    error = functional.mse_loss(rebuilt, x)
    push = torch.stack([apart(p.detach(), s).mean() for p, s in layers]).mean()
    pull = torch.stack([apart(p, s.detach()).mean() for p, s in layers]).mean()
    return [error - peer.k * push, error + peer.k * pull]


def association_scores(peer: Any, x: Tensor) -> Tensor:
    """Error times softmax of the discrepancy, [B, L]."""
    rebuilt, layers = associations(peer, x)
    discrepancy = torch.stack([50 * apart(*layer) for layer in layers]).sum(dim=0)
    return (x - rebuilt).square().mean(dim=2) * torch.softmax(-discrepancy, dim=1)


def omni_losses(peer: Any, x: Tensor) -> list[Tensor]:
    """Squared error and divergence from a standard normal."""
    rebuilt, mean, log_variance, _ = peer.model(x)
    divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1)
    return [((rebuilt - x.flatten(1)).square().mean(dim=1) + peer.model.beta * divergence).mean()]


def donut_scores(peer: Any, x: Tensor) -> Tensor:
    """Negative log likelihood of the last point, mean over the draws, [B]."""
    moments = peer.model.vae(x.flatten(1), num_samples=peer.mc_samples)[2:]
    mean, std = (moment.unflatten(2, x.shape[1:])[:, :, -1] for moment in moments)
    target = x[None, :, -1].expand_as(mean)
    return functional.gaussian_nll_loss(mean, target, std.square(), reduction="none").sum(dim=2).mean(dim=0)


def omni(**more: Any) -> Pair:
    """OmniAnomaly, with or without what theirs lacks."""
    return Pair(
        "omni-anomaly",
        lambda _: {"hidden": 32, "latent": 8, "draws": 1, **more},
        "OmniAnomaly",
        omni_losses,
        lambda peer, x: (peer.model(x)[0] - x.flatten(1)).square().mean(dim=1),
    )


PAIRS = {
    "TimesNet": Pair(
        "timesnet",
        lambda _: {"width": 8, "hidden": 16, "layers": 1, "periods": 3, "kernels": 6},
        "TimesNet",
        lambda peer, x: [functional.mse_loss(peer.model(x), x)],
        lambda peer, x: (x - peer.model(x)).square().mean(dim=2),
    ),
    "TranAD": Pair(
        "tranad",
        lambda channels: {"width": 2 * channels, "heads": channels, "hidden": 16},
        "TranAD",
        tranad_losses,
        lambda peer, x: (tranad_phases(peer, x)[1] - x[:, -1]).square().mean(dim=1),
    ),
    "AnomalyTransformer": Pair(
        "transformer",
        lambda _: {"width": 512, "heads": 8, "layers": 3, "hidden": 512, "association": True, "temperature": 50.0},
        "AnomalyTransformer",
        association_losses,
        association_scores,
        points=1_000,  # minutes otherwise
    ),
    "OmniAnomaly": omni(),
    "OmniAnomaly, no flows": omni(flows=0),
    "Donut": Pair(
        "donut",
        lambda _: {"hidden": (100,), "latent": 8, "draws": 1024},
        "Donut",
        lambda peer, x: [peer.vaeloss(peer.model(x), (x,))],
        donut_scores,
        clip=True,
    ),
}


@contextmanager
def quiet(device: str) -> Iterator[None]:
    """Swallow what TSB-AD prints, give it the name that NumPy 2 dropped, and keep it off the GPU for runs on CPU."""
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(mock.patch.object(np, "Inf", np.inf, create=True))
        if device == "cpu":
            stack.enter_context(mock.patch.object(torch.cuda, "is_available", lambda: False))
            stack.enter_context(mock.patch.object(Tensor, "cuda", lambda self: self))
        yield


def windows(channels: int) -> Tensor:
    """Noisy waves, each at its own period and phase, [BATCH, channels, WINDOW]."""
    draw = torch.Generator().manual_seed(0)
    period, phase = 10 + 40 * torch.rand(BATCH, 1, 1, generator=draw), torch.rand(BATCH, channels, 1, generator=draw)
    waves = torch.sin(2 * torch.pi * (torch.arange(WINDOW) / period + phase))
    return waves + 0.1 * torch.randn(waves.shape, generator=draw)


def seconds(calls: tuple[Callable[[], object], Callable[[], object]], device: str) -> list[float]:
    """Median wall-clock time of both, whose runs take turns, after one run of each that also loads code."""
    taken: list[list[float]] = [[], []]
    for run in range(MOST_RUNS + 1):
        for call, times in zip(calls, taken, strict=True):
            started = time.perf_counter()
            call()
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        if run and sum(map(sum, taken)) > ENOUGH:
            break
    return [statistics.median(times[1:]) for times in taken]


def steps(pair: Pair, module: Any, peer: Any, x: Tensor) -> tuple[Callable[[], object], Callable[[], object]]:
    """A training step of ours and of theirs."""
    module.train()
    peer.model.train()
    ours = torch.optim.Adam(module.parameters(), lr=RATE, fused=True)
    theirs = peer.model_optim if hasattr(peer, "model_optim") else peer.optimizer
    turned = x.transpose(1, 2).contiguous()

    def our_step() -> None:
        step([module.loss(x)], ours, module)

    def their_step() -> None:
        step(pair.losses(peer, turned), theirs, peer.model if pair.clip else None)

    return our_step, their_step


def step(losses: list[Tensor], optimiser: torch.optim.Optimizer, clipped: nn.Module | None) -> None:
    """Backward and update."""
    optimiser.zero_grad()
    for left, loss in zip(reversed(range(len(losses))), losses, strict=True):
        loss.backward(retain_graph=left > 0)
    if clipped is not None:
        nn.utils.clip_grad_norm_(clipped.parameters(), CLIP)
    optimiser.step()


def scores(pair: Pair, module: Any, peer: Any, x: Tensor) -> tuple[Callable[[], object], Callable[[], object]]:
    """Scores of one batch by ours and by theirs."""
    module.eval()
    peer.model.eval()
    turned = x.transpose(1, 2).contiguous()
    return torch.no_grad()(lambda: module.own_scores(x)), torch.no_grad()(lambda: pair.scores(peer, turned))


def series(pair: Pair, module: nn.Module, peer: Any, device: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """Scores of a whole series of one channel, a window at each point."""
    values = np.sin(np.arange(pair.points) / 8)[:, None] + 0.1 * np.random.default_rng(0).normal(size=(pair.points, 1))
    detector = ape.detectors.create(pair.ours, window=WINDOW, device=device)
    detector.set_trained(module, WINDOW, torch.zeros(1), torch.ones(1))
    known = ape.series.from_array(values, train_end=pair.points // 2)
    return lambda: detector.score(known, stride=1, own=True), lambda: peer.decision_function(values)


def rows(name: str, device: str) -> Iterator[str]:
    """Lines of the table."""
    pair = PAIRS[name]
    build = getattr(import_module(f"TSB_AD.models.{pair.theirs}"), pair.theirs)
    for channels in CHANNELS:
        torch.manual_seed(0)
        with quiet(device):
            peer = build(WINDOW, channels, batch_size=BATCH)
        module = ape.detectors.create(pair.ours, window=WINDOW, **pair.options(channels)).build_module(channels, WINDOW)
        module, x = module.to(device), windows(channels).to(device)
        kinds = {"step": steps, "scores": scores}
        for kind, calls in kinds.items():
            with quiet(device):
                times = seconds(calls(pair, module, peer, x), device)
            yield line(name, device, f"{kind}, {channels} ch.", times)
        if channels == 1:
            with quiet(device):
                times = seconds(series(pair, module, peer, device), device)
            yield line(name, device, f"series of {pair.points}", times)


def line(name: str, device: str, what: str, times: list[float]) -> str:
    """One line of the table."""
    return f"{name:<22} {device:<5} {what:<16} {times[0]:>9.4f} {times[1]:>9.4f} {times[1] / times[0]:>6.2f}\n"


def main(names: list[str]) -> int:
    """Print the table."""
    try:
        import_module("TSB_AD")
    except ImportError as error:
        sys.stderr.write(f"{error}: make peers\n")
        return 2
    if unknown := set(names) - set(PAIRS):
        sys.stderr.write(f"no model {min(unknown)}: give some of {', '.join(PAIRS)}\n")
        return 2
    torch.set_num_threads(1)
    sys.stdout.write(
        f"batch {BATCH}, window {WINDOW}, one thread, torch {torch.__version__}; medians of runs in turn\n"
    )
    sys.stdout.write(f"{'model':<22} {'on':<5} {'what':<16} {'ours s':>9} {'theirs s':>9} {'ratio':>6}\n")
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for name in names or PAIRS:
            for text in rows(name, device):
                sys.stdout.write(text)
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
