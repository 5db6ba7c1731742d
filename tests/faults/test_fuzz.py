"""Changed banks and files of series: read, or refused in one line. ``make test-faults`` tries 1,000 of each."""

from __future__ import annotations

import pytest
from faults.fuzz import bank_case, series_case

SHORT, LONG = range(50), range(50, 1000)


def banks(numbers, text: str, folder) -> dict[int, str]:
    found = {number: bank_case(number, text, folder / "bank.json") for number in numbers}
    return {number: wrong for number, wrong in found.items() if wrong}


def files(numbers, folder) -> dict[int, str]:
    found = {number: series_case(number, folder) for number in numbers}
    return {number: wrong for number, wrong in found.items() if wrong}


def test_changed_banks(watched_run, tmp_path):
    assert banks(SHORT, (watched_run.folder / "bank.json").read_text(), tmp_path) == {}


def test_changed_files_of_series(tmp_path):
    assert files(SHORT, tmp_path) == {}


@pytest.mark.faults
def test_many_changed_banks(watched_run, tmp_path):
    assert banks(LONG, (watched_run.folder / "bank.json").read_text(), tmp_path) == {}


@pytest.mark.faults
def test_many_changed_files_of_series(tmp_path):
    assert files(LONG, tmp_path) == {}
