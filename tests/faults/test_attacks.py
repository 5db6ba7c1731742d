"""Strangers get nothing from the page, the service and the terminal.

``python -m faults.attacks`` prints the counts. Short forms are in ``tests/cli/test_page_guard.py``,
``tests/api/test_guard.py``, ``tests/cli/test_page.py``, and here.
"""

from __future__ import annotations

import os
import shutil

import pytest

pytest.importorskip("gradio")
from faults.attacks import PARTS
from faults.attacks_terminal import HOSTILE, RAW, hostile_banks, printed

LEAST = {"page": 3000, "service": 2000, "browser": 500, "terminal": 300}  # attacks


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", PARTS)
def test_no_attack_gets_through(part, tmp_path, one_thread):
    if part == "browser":
        pytest.importorskip("playwright")
        if not (os.environ.get("APE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")):
            pytest.skip("no Chromium")
    outcomes = list(PARTS[part](tmp_path))
    assert len(outcomes) > LEAST[part]
    assert [(name, why) for name, why in outcomes if why] == []


def test_hostile_banks_and_names_are_printed_without_control_characters(watched_run, tmp_path):
    assert RAW.search(HOSTILE) and not RAW.search("plain\n\t\x1b[1mbold\x1b[0m")
    banks = [(what, path.read_text()) for what, path in hostile_banks(watched_run.folder / "bank.json", tmp_path)]
    assert len(banks) > 20
    path = tmp_path / "bank.json"
    for number, (what, text) in enumerate(banks):
        path.write_text(text)
        shown, crash = printed(["bank", ("show", "validate")[number % 2], path], terminal=number % 3 == 0)
        assert not crash and shown and not RAW.search(shown), what
    for words in (
        ["check", tmp_path / f"{HOSTILE.replace('/', '')}.csv"],
        ["events", HOSTILE],
        ["run", f"--{HOSTILE}"],
    ):
        for terminal in (False, True):
            shown, crash = printed(words, terminal=terminal)
            assert not crash and "HACK" in shown and not RAW.search(shown)
