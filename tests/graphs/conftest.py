"""Minings that several tests share. Pictures of examples, which take most of the time, are blank."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import BaseMessage
from PIL import Image
from pydantic import PrivateAttr
from support import mine_into

from ape.agents import Brain
from ape.agents.expert.model import ExpertChatModel
from ape.rules import RuleBank
from ape.runs import Callbacks
from ape.series import Series, from_array, load

TAIL_VALUE = 98.7625  # occurs only after the training part
SECRET_NAME = "turbine-9-fault-at-1234"


class Recorder(ExpertChatModel):
    """Stores the messages that it received, as plain data."""

    _sent: list[str] = PrivateAttr(default_factory=list)

    def _generate(self, messages, *args, **kwargs):
        self._sent.append(json.dumps([_plain(message) for message in messages]))
        return super()._generate(messages, *args, **kwargs)


def _plain(message: BaseMessage) -> dict[str, Any]:
    own = {name: getattr(message, name, None) for name in ("tool_calls", "tool_call_id", "name")}
    return {"type": message.type, "content": message.content, **own}


@dataclass
class Mined:
    """One mining with its folder, and everything that can be observed from outside."""

    folder: Path
    series: Series
    bank: RuleBank
    messages: list[str] = field(default_factory=list)
    notes: list[tuple[str, str, set[str]]] = field(default_factory=list)  # and the decisions so far

    @property
    def ledger(self) -> list[dict[str, Any]]:
        return read_ledger(self.folder)


def read_ledger(folder: Path) -> list[dict[str, Any]]:
    path = folder / "ledger.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def blank(*_: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(out, "png")
    return out.getvalue()


def watched(series: Series, folder: Path, brain: ExpertChatModel | None = None, **limits: int) -> Mined:
    brain = brain or Recorder()
    result = Mined(folder, series, None)  # type: ignore[arg-type]

    def listen(agent: str, note: str) -> None:
        result.notes.append((agent, note, {entry["decision"] for entry in read_ledger(folder)}))

    with pytest.MonkeyPatch.context() as patch:
        nodes = importlib.import_module("ape.graphs.review")
        patch.setattr(nodes, "draw_examples", blank)
        for name, limit in limits.items():
            patch.setattr(nodes, name, limit)
        result.bank = mine_into(folder, series, Callbacks(listen), brain=Brain(brain))
    result.messages = getattr(brain, "_sent", [])
    return result


def wave(length: int = 1500) -> np.ndarray:
    steps = np.arange(length)
    noise = np.random.default_rng(0).normal(size=length)
    return np.sin(2 * np.pi * steps / 30) + 0.3 * np.sin(4 * np.pi * steps / 30 + 1) + 0.05 * noise


def series_of(values: np.ndarray, folder: Path, name: str = "pump") -> Series:
    np.savez(folder / f"{name}.npz", values=values, train_end=1000)
    return load(folder / f"{name}.npz")


@pytest.fixture(scope="session")
def watch() -> Callable[..., Mined]:
    """Mine a series into a folder and observe it, with another brain or other limits if given."""
    return watched


@pytest.fixture(scope="session")
def mined(tmp_path_factory) -> Mined:
    """The wave, mined."""
    folder = tmp_path_factory.mktemp("wave")
    return watched(series_of(wave(), folder), folder / "run")


@pytest.fixture(scope="session")
def twin(tmp_path_factory) -> Mined:
    """The wave with another name, and other values after train_end."""
    folder = tmp_path_factory.mktemp("twin")
    values = wave()
    values[1000:] = TAIL_VALUE + np.arange(500)
    return watched(series_of(values, folder, SECRET_NAME), folder / "run")


@pytest.fixture(scope="session")
def square(tmp_path_factory) -> Mined:
    """A series of two exact levels: most kinds of rules fail their figures on it."""
    folder = tmp_path_factory.mktemp("square")
    return watched(square_series(), folder / "run")


def square_series() -> Series:
    return from_array((np.arange(1500) // 100 % 2).astype(float), train_end=1000)


@pytest.fixture(scope="session")
def squares() -> Series:
    return square_series()
