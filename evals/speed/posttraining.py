"""Time post-training and plain training: ``python -m ape.evals.speed.posttraining [BACKBONE ...]``.

Times are medians of runs in turns, on windows of 100 points, with the default recipe. Columns:

- ``plain``: a training step of the backbone on raw windows; ``head``: a step of the head on stored outputs;
  ``joint``: a step on all three branches; ``ratio``: joint / plain;
- with ``--faster``: ``bf16``: a joint step under autocast / joint; ``compiled``: a joint step with the backbone's pass
  compiled / joint; ``first s``: seconds of the first compiled step;
- ``drawn``: pseudo-anomalies per second, when the whole pool is drawn at once; ``fresh %``: time to draw as many as one
  joint step uses / joint; ``pool %``: time to draw the pool / time of all steps that use it;
- ``MiB``: peak memory of profile, pool and steps beyond the imports, in a new process; on a GPU, peak of allocations.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
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
from ape.evals.speed.timing import Table, medians_in_turns, seconds
from ape.posttrain import DEFAULT, from_bank
from ape.posttrain.candidates import Candidates, profile
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.engine import Pool, draw_pool, stored_outputs, train
from ape.posttrain.enhancement import untrained
from ape.posttrain.freezing import training
from ape.posttrain.gradients import head_gradients, joint_gradients
from ape.posttrain.parts import Parts
from ape.posttrain.state import MAX_GRADIENT, PostTrainingState
from ape.rules import RuleBank, broad_bank, build_context
from ape.series.windows import sliding

WINDOW, POINTS, PERIOD = 100, 4000, 50
OPERATORS = ("spike_global", "level_shift", "trend_drift", "amplitude_scale", "noise_burst", "time_reverse")
NUMBERS = {"plain ms": 2, "joint ms": 2, "ratio": 2, "head ms": 2, "bf16": 2, "compiled": 2, "first s": 1}
NUMBERS |= {"drawn": 0, "fresh %": 1, "pool %": 1, "MiB": 0}  # digits of each column
NAN = float("nan")
COLUMNS = {"backbone": "<13"} | {title: f">8.{digits}f" for title, digits in NUMBERS.items()}


@dataclass(frozen=True)
class Setting:
    """An untrained backbone, ready for post-training on a noisy wave of one channel."""

    model: EnhancedDetector
    bank: RuleBank
    candidates: Candidates
    generator: torch.Generator

    @classmethod
    def of(cls, name: str, device: str) -> Setting:
        """Prepare a backbone, including the first gradients of a plain training step."""
        wave = np.sin(2 * np.pi * np.arange(POINTS) / PERIOD) + 0.1 * np.random.default_rng(0).normal(size=POINTS)
        series = ape.series.from_array(wave[:, None], train_end=POINTS)
        generator = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        detector = ape.detectors.create(name, window=WINDOW, device=device)
        detector.set_trained(detector.build_module(1, WINDOW), WINDOW, torch.zeros(1), torch.ones(1))
        candidates = profile(series, WINDOW, *detector.shift_and_scale)
        model = untrained(detector, candidates, DEFAULT, generator)
        model.backbone.loss(model.reference_windows.windows[: DEFAULT.joint_batch]).backward()
        return cls(model, broad_bank(build_context(series), OPERATORS), candidates, generator)

    def pool(self) -> Pool:
        """Draw the pool of the default recipe."""
        return draw_pool(self.model, self.bank, from_bank(self.bank), self.candidates, DEFAULT, self.generator)


def steps(setting: Setting, device: str) -> dict[str, Callable[[], object]]:
    """Return each kind of step, by name."""
    model, pool = setting.model, setting.pool()
    backbone, head, batch = model.backbone, model.representation, DEFAULT.joint_batch
    free = list(model.module.parameters())
    state = PostTrainingState(model, free, replace(DEFAULT, joint_steps=10**6))
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


def first_seconds(call: Callable[[], object], device: str) -> float | None:
    """Return the seconds of a first step, or None if the backbone does not support it."""
    try:
        return seconds(call, device)
    except (RuntimeError, NotImplementedError) as error:
        sys.stderr.write(f"{str(error).splitlines()[0]}\n")
        return None


def sampling_seconds(setting: Setting) -> float:
    """Return the median time to draw as many pseudo-anomalies as the pool contains."""
    candidates = setting.candidates
    positions = np.resize(candidates.fit, DEFAULT.pool)
    hosts = torch.from_numpy(sliding(candidates.values, WINDOW)[positions])

    def draw() -> object:
        return setting.bank.sample(hosts, setting.generator, torch.from_numpy(positions))

    return medians_in_turns({"draw": draw}, max_runs=5)["draw"]


def peak_memory(name: str, device: str) -> float:
    """Return the MiB that profile, pool and a few steps need; call it in a new process."""
    torch.set_num_threads(1)
    before = peak_resident()
    setting = Setting.of(name, device)
    recipe = replace(DEFAULT, head_steps=3, joint_steps=3)
    train(setting.model, setting.pool(), recipe, setting.generator, lambda *_, **__: None)
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return peak_resident() - before


def peak_resident() -> float:
    """Return the peak memory of this process in MiB. `resource` would include the peak of its parent."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 2**10 for line in status if line.startswith("VmHWM"))


def measure(name: str, device: str, faster: bool) -> list[float]:
    """Return one value for each of `NUMBERS`; NaN if the backbone does not support it."""
    setting = Setting.of(name, device)
    module = setting.model.module
    with training(module, list(module.parameters())):
        calls = steps(setting, device)
        first = {kind: first_seconds(calls[kind], device) if faster else None for kind in ("bf16", "compiled")}
        taken = medians_in_turns({kind: calls[kind] for kind in calls if first.get(kind, 0.0) is not None}, device)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        memory = pool.submit(peak_memory, name, device).result()
    drawn = sampling_seconds(setting)
    plain, joint, head = taken["plain"], taken["joint"], taken["head"]
    fresh = drawn * DEFAULT.joint_batch / DEFAULT.pool / joint
    of_all_steps = drawn / (DEFAULT.head_steps * head + DEFAULT.joint_steps * joint)
    values = [1e3 * plain, 1e3 * joint, joint / plain, 1e3 * head]
    values += [taken.get(kind, NAN) / joint for kind in ("bf16", "compiled")]
    return [*values, first["compiled"] or NAN, DEFAULT.pool / drawn, 100 * fresh, 100 * of_all_steps, memory]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.posttraining", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="BACKBONE", help="default: all")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="default: cpu")
    parser.add_argument("--faster", action="store_true", help="also time bf16 and torch.compile, which takes minutes")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(ape.detectors.names()):
        sys.stderr.write(f"no backbone '{min(unknown)}': use names from {', '.join(ape.detectors.names())}\n")
        return 2
    torch.set_num_threads(1)
    sys.stdout.write(
        f"{arguments.device}, one thread, torch {torch.__version__}; {DEFAULT.joint_batch} windows per branch,"
        f" {len(OPERATORS)} rules\n"
    )
    table = Table(COLUMNS)
    for name in arguments.names or ape.detectors.names():
        table.row(name, *measure(name, arguments.device, arguments.faster))
    return 0


if __name__ == "__main__":
    sys.exit(main())
