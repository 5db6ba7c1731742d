"""A folder that is deleted while it is in use does not come back."""

from __future__ import annotations

import shutil

import pytest

from ape.core.errors import InputError
from ape.core.files import atomic_folder, write_bytes
from ape.core.in_place import kept_in_place


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def test_nothing_is_written_into_a_deleted_folder(run):
    with pytest.raises(InputError, match="deleted or moved"), kept_in_place(run):
        write_bytes(run / "a", b"1")
        shutil.rmtree(run)
        write_bytes(run / "artefacts" / "b", b"1")
    assert not run.exists()


def test_no_folder_is_made_in_a_deleted_one(run):
    with pytest.raises(InputError, match="deleted or moved"), kept_in_place(run):
        shutil.rmtree(run)
        with atomic_folder(run / "detector", "detector.json"):
            pass
    assert not run.exists()


def test_another_folder_in_its_place_stays_as_it_is(run):
    with pytest.raises(InputError, match="deleted or moved"), kept_in_place(run):
        shutil.rmtree(run)
        run.mkdir()
        write_bytes(run / "a", b"1")
    assert list(run.iterdir()) == []


def test_other_errors_of_the_deletion_are_replaced(run):
    with pytest.raises(InputError, match="deleted or moved"), kept_in_place(run):
        shutil.rmtree(run)
        (run / "ledger.jsonl").open("a")


def test_it_is_said_although_nothing_more_was_written(run):
    with pytest.raises(InputError, match="deleted or moved"), kept_in_place(run):
        shutil.rmtree(run)


def test_other_errors_stay(run):
    with pytest.raises(ZeroDivisionError), kept_in_place(run):
        raise ZeroDivisionError


def test_afterwards_the_folder_may_be_made_again(run):
    with kept_in_place(run), kept_in_place(run):
        pass
    shutil.rmtree(run)
    write_bytes(run / "a", b"1")
