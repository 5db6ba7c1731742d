"""What post-training costs beside training: ``python -m ape.evals.speed.posttraining [BACKBONE ...]``.

Times are medians of runs that take turns, of steps on windows of 100 points, as many as in the default recipe:

- ``plain``: the backbone's own training step on the raw windows; ``head``: one of the head alone on stored outputs;
  ``joint``: one on all three branches; ``ratio``: joint over plain;
- with ``--faster`` ``bf16``, ``compiled``: a joint step under autocast, and with the backbone's pass compiled, over one
  as it is; ``first s``: what the first compiled step took;
- ``drawn``: pseudo-anomalies a second, as many at once as the pool holds; ``fresh %``: the time for as many as one
  joint step is on, over that step; ``pool %``: the time for the pool over that of all the steps that it feeds;
- ``MiB``: the most that profile, pool and steps of both kinds take beyond the imports, in a process of its own; on a
  GPU the most that is allocated.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import nn

import ape.detectors
import ape.series
from ape.posttrain import DEFAULT, from_bank
from ape.posttrain.candidates import Candidates, profile
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.engine import Pool, draw_pool, stored_outputs, train
from ape.posttrain.enhancement import untrained
from ape.posttrain.freezing import training
from ape.posttrain.gradients import head_gradients, joint_gradients
from ape.posttrain.parts import Parts
from ape.posttrain.state import MAX_GRADIENT, State
from ape.rules import RuleBank, build_context, generic_bank
from ape.series.windows import sliding

WINDOW, POINTS, PERIOD = 100, 4000, 50
OPERATORS = ("spike_global", "level_shift", "trend_drift", "amplitude_scale", "noise_burst", "time_reverse")
MOST_RUNS, ENOUGH = 15, 20.0  # runs of each at most, seconds of all together after which no more begin
COLUMNS = (
    "plain ms",
    "joint ms",
    "ratio",
    "head ms",
    "bf16",
    "compiled",
    "first s",
    "drawn",
    "fresh %",
    "pool %",
    "MiB",
)
DIGITS = (2, 2, 2, 2, 2, 2, 1, 0, 1, 1, 0)
NOTHING = float("nan")  # where a backbone cannot


@dataclass(frozen=True)
class Setting:
    """A backbone with its first weights on a noisy wave of one channel, ready for post-training."""

    model: EnhancedDetector
    bank: RuleBank
    candidates: Candidates
    generator: torch.Generator

    @classmethod
    def of(cls, name: str, device: str) -> Setting:
        """The setting of a backbone, a plain training step of which has run already."""
        wave = np.sin(2 * np.pi * np.arange(POINTS) / PERIOD) + 0.1 * np.random.default_rng(0).normal(size=POINTS)
        series = ape.series.from_array(wave[:, None], train_end=POINTS)
        generator = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        detector = ape.detectors.create(name, window=WINDOW, device=device)
        detector.set_trained(detector.build_module(1, WINDOW), WINDOW, torch.zeros(1), torch.ones(1))
        candidates = profile(series, WINDOW, *detector.scale_shift)
        model = untrained(detector, candidates, DEFAULT, generator)
        model.backbone.loss(model.memory.windows[: DEFAULT.joint_batch]).backward()
        return cls(model, generic_bank(build_context(series), OPERATORS), candidates, generator)

    def pool(self) -> Pool:
        """The pool of the default recipe."""
        return draw_pool(self.model, self.bank, from_bank(self.bank), self.candidates, DEFAULT, self.generator)


def times(calls: dict[str, Callable[[], object]], device: str) -> dict[str, list[float]]:
    """Seconds of the runs of each, which take turns; those that cannot run are left out, and why is told."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(MOST_RUNS + 1):
        for name in list(taken):
            begun = time.perf_counter()
            try:
                calls[name]()
            except (RuntimeError, NotImplementedError) as error:
                sys.stderr.write(f"{name}: {str(error).splitlines()[0]}\n")
                del taken[name]
                continue
            if device == "cuda":
                torch.cuda.synchronize()
            taken[name].append(time.perf_counter() - begun)
        if sum(sum(runs[1:]) for runs in taken.values()) > ENOUGH:  # the first compiled run may take minutes
            break
    return taken


def steps(setting: Setting, device: str) -> dict[str, Callable[[], object]]:
    """Each kind of step, by name."""
    model, pool = setting.model, setting.pool()
    backbone, head, batch = model.backbone, model.representation, DEFAULT.joint_batch
    free = list(model.module.parameters())
    state = State(model, free, replace(DEFAULT, joint_steps=10**6))
    optimiser = torch.optim.AdamW(free, lr=1e-5, fused=True)
    windows, nearest = pool.windows[:, :batch], pool.nearest[:, :batch]
    stored = Parts(*(part[:, : DEFAULT.batch].flatten(0, 1) for part in stored_outputs(model, pool)))
    compiled = torch.compile(backbone.one_pass)  # type: ignore[attr-defined]

    def plain() -> None:
        optimiser.zero_grad(set_to_none=True)
        backbone.loss(windows[0]).backward()
        nn.utils.clip_grad_norm_(free, MAX_GRADIENT)
        optimiser.step()

    def head_alone() -> None:
        state.forget_gradients()
        state.update(*head_gradients(head, stored, DEFAULT))

    def joint() -> None:
        state.forget_gradients()
        state.update(*joint_gradients(model, windows, nearest, DEFAULT, 3 * batch))

    def bf16() -> None:
        with torch.autocast(device, dtype=torch.bfloat16):
            joint()

    def joint_compiled() -> None:
        with mock.patch.object(backbone, "one_pass", compiled):
            joint()

    return {"plain": plain, "joint": joint, "head": head_alone, "bf16": bf16, "compiled": joint_compiled}


def sampling_seconds(setting: Setting) -> float:
    """Median time for as many pseudo-anomalies as the pool holds."""
    candidates, taken = setting.candidates, []
    positions = np.resize(candidates.fit, DEFAULT.pool)
    hosts = torch.from_numpy(sliding(candidates.values, WINDOW)[positions])
    for _ in range(6):
        begun = time.perf_counter()
        setting.bank.sample(hosts, setting.generator, torch.from_numpy(positions))
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[1:])


def peak_memory(name: str, device: str) -> float:
    """MiB that profile, pool and a few steps of both kinds need; to be called in a process of its own."""
    torch.set_num_threads(1)
    before = most_resident()
    setting = Setting.of(name, device)
    recipe = replace(DEFAULT, head_steps=3, joint_steps=3)
    train(setting.model, setting.pool(), recipe, setting.generator, lambda *_, **__: None)
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return most_resident() - before


def most_resident() -> float:
    """MiB that this process has held at most; ``resource`` would count what its parent held."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 2**10 for line in status if line.startswith("VmHWM"))


def row(name: str, device: str, faster: bool) -> str:
    """One line of the table."""
    setting = Setting.of(name, device)
    model = setting.model
    with training(model.module, list(model.module.parameters())):
        calls = steps(setting, device)
        taken = times(calls if faster else {kind: calls[kind] for kind in ("plain", "joint", "head")}, device)
    step = dict.fromkeys(("bf16", "compiled"), NOTHING)
    step |= {kind: statistics.median(runs[1:]) for kind, runs in taken.items()}
    first = taken.get("compiled", [NOTHING])[0]
    drawn = sampling_seconds(setting)
    fed = DEFAULT.head_steps * step["head"] + DEFAULT.joint_steps * step["joint"]
    fresh = drawn * DEFAULT.joint_batch / DEFAULT.pool / step["joint"]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        memory = pool.submit(peak_memory, name, device).result()
    figures = [1e3 * step["plain"], 1e3 * step["joint"], step["joint"] / step["plain"], 1e3 * step["head"]]
    figures += [step["bf16"] / step["joint"], step["compiled"] / step["joint"], first]
    figures += [DEFAULT.pool / drawn, 100 * fresh, 100 * drawn / fed, memory]
    return (
        f"{name:<13}" + "".join(f"{figure:>9.{digits}f}" for figure, digits in zip(figures, DIGITS, strict=True)) + "\n"
    )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.posttraining", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="BACKBONE", help="default: all")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="default: cpu")
    parser.add_argument("--faster", action="store_true", help="try bf16 and torch.compile too; compiling takes minutes")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(ape.detectors.names()):
        sys.stderr.write(f"no backbone {min(unknown)}: give some of {', '.join(ape.detectors.names())}\n")
        return 2
    torch.set_num_threads(1)
    sys.stdout.write(
        f"{arguments.device}, one thread, torch {torch.__version__}; {DEFAULT.joint_batch} windows a branch,"
        f" {len(OPERATORS)} rules\n"
    )
    sys.stdout.write(f"{'backbone':<13}" + "".join(f"{column:>9}" for column in COLUMNS) + "\n")
    for name in arguments.names or ape.detectors.names():
        sys.stdout.write(row(name, arguments.device, arguments.faster))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
