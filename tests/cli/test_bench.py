"""``ape bench``: list faults, make sets, describe them."""

from __future__ import annotations

import json


def test_list_is_a_table_of_all_faults(ape):
    lines = ape("bench", "list").out.splitlines()
    listed = json.loads(ape("bench", "list", "--json").out)
    assert lines[0].split() == ["scenario", "fault", "mechanism", "morphology"]
    assert len(listed) >= 45
    assert [word for fault in listed for word in fault.values()] == " ".join(lines[1:]).split()


def test_set_is_made_and_described(ape, tmp_path):
    config = {"series_per_scenario": 1, "length": 3000, "scenarios": ["stirred_reactor"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    made = ape("bench", "make", "--out", tmp_path / "set", "--config", tmp_path / "config.json", "--seed", "4")
    assert (made.code, made.err) == (0, "")
    described = ape("bench", "describe", tmp_path / "set")
    assert described.code == 0 and "1 series of 3000 points, generated with seed 4" in described.out
    assert "jacket_fouling" in ape("bench", "describe", "stirred_reactor").out
    assert ape("bench", "make", "--out", tmp_path / "set").code == 2


def test_folder_that_is_no_set_is_refused(ape, tmp_path):
    outcome = ape("bench", "describe", tmp_path)
    assert outcome.code == 2 and outcome.err.count("\n") == 1 and "neither a scenario nor a made set" in outcome.err


def test_supplement_has_the_files_of_a_set(ape, data, tmp_path):
    made = ape("bench", "supplement", data, "--out", tmp_path / "set", "--seed", "1")
    assert (made.code, made.err) == (0, "")
    names = sorted(path.stem for path in (tmp_path / "set/series").glob("*.npz"))
    assert names == sorted(path.stem for path in (tmp_path / "set/truth").glob("*.json")) and len(names) == 8
    truth = json.loads((tmp_path / f"set/truth/{names[0]}.json").read_text())
    assert truth["mechanism"] and truth["events"] and truth["difficulty"]["level"]
