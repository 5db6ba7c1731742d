"""Damaged files of a run: a command refuses them in one line, makes them again, or does not need them.

``make test-faults`` tries every file with every kind of damage; the short form one kind for each file.
"""

from __future__ import annotations

import itertools

import pytest
from faults.damage import ALL_DAMAGES, DAMAGES
from faults.made_run import MadeRun, make_run
from faults.matrix import COMMANDS, Case, cases, clean_results, files_of, run_case
from support import made_once

SHORT = ("events", "trace", "bank show", "why")


def failures(chosen: list[Case], source: MadeRun, commands: list[str], place) -> list[str]:
    clean = clean_results(source, commands, place)
    wrong = {case: run_case(case, source, clean, place) for case in chosen}
    return [f"{case}: {why}" for case, why in wrong.items() if why]


def test_no_command_reads_a_damaged_file_without_a_word(watched_run, tmp_path):
    source = MadeRun.of(watched_run.folder, watched_run.training, watched_run.new)
    damages, commands = itertools.cycle(DAMAGES), itertools.cycle(SHORT)
    chosen = [
        Case(file, next(damages), "score" if file.startswith("enhanced") else next(commands))
        for file in files_of(source.folder)
    ]
    assert len(chosen) > 20
    assert failures(chosen, source, ["score", *SHORT], tmp_path) == []


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("damage", ALL_DAMAGES)
def test_every_file_with_every_damage_and_all_commands_in_turn(damage, tmp_path_factory, tmp_path, one_thread):
    folder = made_once(tmp_path_factory, "faults", make_run)
    source = MadeRun.of(folder / "run", folder / "load.csv", folder / "new.csv")
    chosen = [case for case in cases(source.folder, list(COMMANDS), 1) if case.damage == damage]
    assert failures(chosen, source, list(COMMANDS), tmp_path) == []
