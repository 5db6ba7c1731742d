"""Time our backbones and TSB-AD's on the same windows: ``python -m ape.evals.speed.backbones [MODEL ...]``.

A step is loss, backward pass, clipping if the model clips, and optimiser. Scores are those of the paper, for one batch.
A series is scored through the public function of each detector, with a window at each point. Widths, layers, heads,
kernels, latents and draws are TSB-AD's. These differences remain:

=================== ==================================================== ==================================
model               ours                                                 TSB-AD
=================== ==================================================== ==================================
TimesNet            periods of each window                               periods of the batch
TranAD              both phases reconstruct all points                   they reconstruct the last point
AnomalyTransformer  both phases in one backward pass                     two backward passes
OmniAnomaly         two GRUs, chained latents, 20 flows, Gaussian output one GRU of two layers, perceptrons
Donut               all points scored, weight decay in the loss          last point scored, AdamW
=================== ==================================================== ==================================
"""

from __future__ import annotations

import io
import sys
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
from ape.evals.speed.timing import Table, medians_in_turns

BATCH, WINDOW, CHANNELS, RATE, CLIP = 128, 100, (1, 25), 1e-4, 10.0
POINTS = 10_000  # per series

Calls = tuple[Callable[[], object], Callable[[], object]]  # ours and TSB-AD's


@dataclass(frozen=True)
class Pair:
    """One of our backbones, and the training and scoring of TSB-AD's model, which takes windows [B, L, C]."""

    ours: str
    options: Callable[[int], dict[str, Any]]  # from the number of channels
    peer: str  # name of TSB-AD's module and class
    losses: Callable[[Any, Tensor], list[Tensor]]  # each has its own backward pass
    scores: Callable[[Any, Tensor], Tensor]
    clip: bool = False
    points: int = POINTS


def tranad_phases(peer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return both reconstructions of the last point, [B, C]."""
    first, second = peer.model(x.transpose(0, 1), x[None, :, -1])
    return first[0], second[0]


def tranad_losses(peer: Any, x: Tensor) -> list[Tensor]:
    """Return the loss of the second epoch."""
    first, second = (functional.mse_loss(phase, x[:, -1]) for phase in tranad_phases(peer, x))
    return [0.5 * first + 0.5 * second]


def symmetric_divergence(prior: Tensor, series: Tensor) -> Tensor:
    """Return the symmetric divergence of a layer by TSB-AD's function, [B, L]."""
    divergence = import_module("TSB_AD.models.AnomalyTransformer").my_kl_loss
    both: Tensor = divergence(prior, series) + divergence(series, prior)
    return both


def associations(peer: Any, x: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Return the reconstruction, and the normalised prior and the series association of each layer."""
    rebuilt, series, prior, _ = peer.model(x)
    return rebuilt, [(p / p.sum(dim=3, keepdim=True), s) for p, s in zip(prior, series, strict=True)]


def association_losses(peer: Any, x: Tensor) -> list[Tensor]:
    """Return the losses of the maximise phase and the minimise phase."""
    rebuilt, layers = associations(peer, x)
    error = functional.mse_loss(rebuilt, x)
    push = torch.stack([symmetric_divergence(p.detach(), s).mean() for p, s in layers]).mean()
    pull = torch.stack([symmetric_divergence(p, s.detach()).mean() for p, s in layers]).mean()
    return [error - peer.k * push, error + peer.k * pull]


def association_scores(peer: Any, x: Tensor) -> Tensor:
    """Return the error times the softmax of the discrepancy, [B, L]."""
    rebuilt, layers = associations(peer, x)
    discrepancy = torch.stack([50 * symmetric_divergence(*layer) for layer in layers]).sum(dim=0)
    return (x - rebuilt).square().mean(dim=2) * torch.softmax(-discrepancy, dim=1)


def omni_losses(peer: Any, x: Tensor) -> list[Tensor]:
    """Return the squared error plus the divergence from a standard normal distribution."""
    rebuilt, mean, log_variance, _ = peer.model(x)
    divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1)
    return [((rebuilt - x.flatten(1)).square().mean(dim=1) + peer.model.beta * divergence).mean()]


def donut_scores(peer: Any, x: Tensor) -> Tensor:
    """Return the negative log likelihood of the last point, mean over the draws, [B]."""
    moments = peer.model.vae(x.flatten(1), num_samples=peer.mc_samples)[2:]
    mean, std = (moment.unflatten(2, x.shape[1:])[:, :, -1] for moment in moments)
    target = x[None, :, -1].expand_as(mean)
    return functional.gaussian_nll_loss(mean, target, std.square(), reduction="none").sum(dim=2).mean(dim=0)


def omni(**more: Any) -> Pair:
    """Return the pair for OmniAnomaly, with further options for ours."""
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
        points=1_000,  # more would take minutes
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
    """Discard TSB-AD's output, restore a name that NumPy 2 removed, and hide the GPU if ``device`` is ``cpu``."""
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(mock.patch.object(np, "Inf", np.inf, create=True))
        if device == "cpu":
            stack.enter_context(mock.patch.object(torch.cuda, "is_available", lambda: False))
            stack.enter_context(mock.patch.object(Tensor, "cuda", lambda self: self))
        yield


def windows(channels: int) -> Tensor:
    """Return noisy waves with different periods and phases, [BATCH, channels, WINDOW]."""
    draw = torch.Generator().manual_seed(0)
    period, phase = 10 + 40 * torch.rand(BATCH, 1, 1, generator=draw), torch.rand(BATCH, channels, 1, generator=draw)
    waves = torch.sin(2 * torch.pi * (torch.arange(WINDOW) / period + phase))
    return waves + 0.1 * torch.randn(waves.shape, generator=draw)


def steps(pair: Pair, module: Any, peer: Any, x: Tensor) -> Calls:
    """Return a training step of both models."""
    module.train()
    peer.model.train()
    optimiser = torch.optim.Adam(module.parameters(), lr=RATE, fused=True)
    peer_optimiser = peer.model_optim if hasattr(peer, "model_optim") else peer.optimizer
    transposed = x.transpose(1, 2).contiguous()

    def own_step() -> None:
        step([module.loss(x)], optimiser, module)

    def peer_step() -> None:
        step(pair.losses(peer, transposed), peer_optimiser, peer.model if pair.clip else None)

    return own_step, peer_step


def step(losses: list[Tensor], optimiser: torch.optim.Optimizer, clipped: nn.Module | None) -> None:
    """Run the backward passes and the update."""
    optimiser.zero_grad()
    for left, loss in zip(reversed(range(len(losses))), losses, strict=True):
        loss.backward(retain_graph=left > 0)
    if clipped is not None:
        nn.utils.clip_grad_norm_(clipped.parameters(), CLIP)
    optimiser.step()


def scores(pair: Pair, module: Any, peer: Any, x: Tensor) -> Calls:
    """Return the scoring of one batch by both models."""
    module.eval()
    peer.model.eval()
    transposed = x.transpose(1, 2).contiguous()
    return torch.no_grad()(lambda: module.own_scores(x)), torch.no_grad()(lambda: pair.scores(peer, transposed))


def series(pair: Pair, module: ape.detectors.Backbone, peer: Any, device: str) -> Calls:
    """Return the scoring of a series with one channel by both detectors, with a window at each point."""
    values = np.sin(np.arange(pair.points) / 8)[:, None] + 0.1 * np.random.default_rng(0).normal(size=(pair.points, 1))
    detector = ape.detectors.create(pair.ours, window=WINDOW, device=device)
    detector.set_trained(module, WINDOW, torch.zeros(1), torch.ones(1))
    own_series = ape.series.from_array(values, train_end=pair.points // 2)
    return lambda: detector.score(own_series, stride=1, own=True), lambda: peer.decision_function(values)


def measure(name: str, device: str) -> Iterator[tuple[str, float, float]]:
    """Yield what was timed, and the seconds of both models."""
    pair = PAIRS[name]
    build = getattr(import_module(f"TSB_AD.models.{pair.peer}"), pair.peer)
    for channels in CHANNELS:
        torch.manual_seed(0)
        with quiet(device):
            peer = build(WINDOW, channels, batch_size=BATCH)
        module = ape.detectors.create(pair.ours, window=WINDOW, **pair.options(channels)).build_module(channels, WINDOW)
        module, x = module.to(device), windows(channels).to(device)
        yield f"step, {channels} ch.", *in_turns(lambda: steps(pair, module, peer, x), device)  # noqa: B023
        yield f"scores, {channels} ch.", *in_turns(lambda: scores(pair, module, peer, x), device)  # noqa: B023
        if channels == 1:
            what = f"series of {pair.points}"
            yield what, *in_turns(lambda: series(pair, module, peer, device), device)  # noqa: B023


def in_turns(prepare: Callable[[], Calls], device: str) -> tuple[float, float]:
    """Prepare two calls, and return their median seconds."""
    with quiet(device):
        ours, peer = prepare()
        taken = medians_in_turns({"ours": ours, "peer": peer}, device)
    return taken["ours"], taken["peer"]


def main(names: list[str]) -> int:
    """Print the table."""
    try:
        import_module("TSB_AD")
    except ImportError as error:
        sys.stderr.write(f"{error}: make peers\n")
        return 2
    if unknown := set(names) - set(PAIRS):
        sys.stderr.write(f"no model '{min(unknown)}': use names from {', '.join(PAIRS)}\n")
        return 2
    torch.set_num_threads(1)
    sys.stdout.write(
        f"batch {BATCH}, window {WINDOW}, one thread, torch {torch.__version__}; medians of runs in turns\n"
    )
    columns = {"model": "<22", "on": "<5", "what": "<16", "ours s": ">9.4f", "TSB-AD s": ">9.4f", "ratio": ">6.2f"}
    table = Table(columns)
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for name in names or PAIRS:
            for what, ours, peer in measure(name, device):
                table.row(name, device, what, ours, peer, peer / ours)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
