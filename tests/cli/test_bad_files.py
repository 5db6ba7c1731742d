"""Damaged Rule Banks and detectors: one line, exit code 2, no traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BAD_BANKS: dict[str, tuple[Callable[[dict], Any], str]] = {
    "an unknown field": (lambda b: b.update(code="import os"), "field code"),
    "an unknown field of a rule": (lambda b: b["rules"][0].update(hook="x"), "field rules.0.hook"),
    "a parameter out of range": (
        lambda b: b["rules"][0].update(
            program=[{"operator": "time_compress", "parameters": [{"name": "speed", "low": 2, "high": 1e6}]}]
        ),
        "field rules.0.program.0",
    ),
    "an unknown operator": (lambda b: b["rules"][0]["program"][0].update(operator="os.system"), "rules.0.program.0"),
    "NaN": (lambda b: b["rules"][0]["scale"].update(high=float("nan")), "field rules.0.scale.high"),
    "infinity": (lambda b: b["rules"][0]["duration"].update(high=float("inf")), "field rules.0.duration.high"),
    "a scale below zero": (lambda b: b["rules"][0]["scale"].update(low=-1), "field rules.0.scale.low"),
    "a word for a number": (lambda b: b["rules"][0].update(weight="heavy"), "field rules.0.weight"),
    "no context": (lambda b: b.pop("context"), "field context"),
}


@pytest.mark.parametrize("case", BAD_BANKS)
def test_bad_banks_are_refused_with_the_path_of_the_field(refused, bad_bank, case):
    change, field = BAD_BANKS[case]
    path = bad_bank(change)
    for look in ("validate", "show"):
        line = refused("bank", look, path)
        assert field in line and str(path) in line


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00", '{"rules": 3}', "[" * 100 + "]" * 100])
def test_files_that_are_not_banks_are_refused(refused, tmp_path, content):
    (tmp_path / "bank.json").write_text(content)
    assert "Rule Bank" in refused("bank", "validate", tmp_path)


def test_deeply_nested_json_is_refused(refused, tmp_path):
    (tmp_path / "bank.json").write_text("[" * 100_000)
    assert "Rule Bank" in refused("bank", "validate", tmp_path)


def test_a_cut_off_bank_is_refused(refused, data, finished, tmp_path):
    text = (finished.folder / "bank.json").read_text()
    for length in (1, len(text) // 2, len(text) - 3):
        (tmp_path / "bank.json").write_text(text[:length])
        assert "cut off or damaged" in refused("bank", "validate", tmp_path)
    line = refused("enhance", data, "--detector", finished.folder, "--bank", tmp_path, "--out", tmp_path / "out")
    assert "cut off or damaged" in line and not (tmp_path / "out").exists()


def test_a_missing_bank_is_refused(refused, data, finished, tmp_path):
    assert "no such Rule Bank" in refused("bank", "show", tmp_path)
    line = refused("enhance", data, "--detector", finished.folder, "--bank", tmp_path, "--out", tmp_path / "out")
    assert "no such Rule Bank" in line and not (tmp_path / "out").exists()


def test_a_tiny_weight_is_refused_or_drawn(ape, bad_bank, data, finished, tmp_path):
    def change(bank: dict) -> None:
        bank["rules"] = [bank["rules"][0] | {"weight": 1e-300}]

    path = bad_bank(change)
    outcome = ape("enhance", data, "--detector", finished.folder, "--bank", path, "--out", tmp_path / "out")
    assert outcome.code in (0, 2) and "Traceback" not in outcome.err


def edited(**changes: Any) -> Callable[[Path], Any]:
    def edit(folder: Path) -> None:
        path = folder / "detector.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return edit


def cut(name: str, keep: float = 0.5) -> Callable[[Path], Any]:
    def edit(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(keep * len(content))])

    return edit


BAD_DETECTORS: dict[str, Callable[[Path], Any]] = {
    "weights cut off": cut("weights.safetensors"),
    "weights empty": cut("weights.safetensors", 0),
    "weights missing": lambda folder: (folder / "weights.safetensors").unlink(),
    "weights of something else": lambda folder: (folder / "weights.safetensors").write_bytes(b"\x80\x04N." * 50),
    "description cut off": cut("detector.json"),
    "description missing": lambda folder: (folder / "detector.json").unlink(),
    "description a list": lambda folder: (folder / "detector.json").write_text("[]"),
    "unknown backbone": edited(backbone="oracle"),
    "unknown option": edited(options={"hook": "os.system"}),
    "option of another type": edited(options={"hidden": "big"}),
    "impossible option": edited(options={"latent": -3}),
    "no window": edited(window=0),
    "another window": edited(window=64),
    "a boundless window": edited(window=10**12),
    "words for the scale": edited(scale=["wide"]),
    "too many scales": edited(scale=[1.0, 1.0]),
    "no scales": edited(shift=[], scale=[]),
    "a scale of zero": edited(scale=[0.0]),
    "a scale that is no number": edited(scale=[float("nan")]),
    "another format": edited(format=99),
}


@pytest.mark.parametrize("case", BAD_DETECTORS)
def test_damaged_detectors_are_refused(refused, data, finished, tmp_path, case):
    shutil.copytree(finished.folder / "detector", tmp_path / "detector")
    BAD_DETECTORS[case](tmp_path / "detector")
    line = refused("score", data, "--detector", tmp_path / "detector", "--out", tmp_path / "out")
    assert str(tmp_path / "detector") in line
    assert not (tmp_path / "out").exists()


def test_a_missing_detector_is_refused(refused, data, tmp_path):
    assert "no such folder" in refused("score", data, "--detector", tmp_path / "none", "--out", tmp_path / "out")


def test_a_series_with_other_channels_is_refused(refused, wave, finished, tmp_path):
    np.savez(tmp_path / "two.npz", values=np.stack([wave, wave[::-1]], axis=1), train_end=1000)
    for command, options in (("score", []), ("enhance", ["--bank", finished.folder])):
        line = refused(
            command, tmp_path / "two.npz", "--detector", finished.folder, *options, "--out", tmp_path / command
        )
        assert "channels" in line and not (tmp_path / command).exists()
