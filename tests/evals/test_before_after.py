"""Judging before and after: labels read as half-open, the test part alone judged, finished series kept."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import ape.detectors
import ape.posttrain
import ape.series
from ape.core.errors import InputError
from ape.core.files import write_json
from ape.evals import before_after, devdata


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A set of one series with an event at [400, 420)."""
    folder = tmp_path / "data" / "ucr"
    folder.mkdir(parents=True)
    np.savez(folder / "wave.npz", values=np.sin(np.arange(500) / 4), train_end=300)
    (folder / "index.csv").write_text("series,family,length,text\nwave,synthetic,500,A sine.\n")
    (folder / "labels.csv").write_text("series,begin,end\nother,0,5\nwave,400,420\n")
    monkeypatch.setenv("APE_DEV_DATA", str(folder.parent))
    return folder


def result(series, rows):
    """One series with runs of (seed, kept, before, after)."""
    runs = [
        {
            "backbone": "vae",
            "seed": seed,
            "accepted": kept,
            "before": {"ap": before, "ucr": 0.0},
            "after": {"ap": after, "ucr": 1.0},
            "kept": {"ap": after if kept else before, "ucr": float(kept)},
        }
        for seed, kept, before, after in rows
    ]
    rules = {"proposed": 5, "revised": 1, "rejected": 2, "accepted": 3}
    return {"series": series, "family": "synthetic", "rules": rules, "runs": runs}


def row(text, title, begin):
    """Words of the line that begins with ``begin`` in the table under ``title``."""
    lines = text.split(f"{title}\n\n")[1].splitlines()
    return next(line.split() for line in lines if line.split()[0] == begin)


def test_labels_are_half_open_and_of_the_series_alone(data):
    case = devdata.labelled("ucr", "wave")
    np.testing.assert_array_equal(np.flatnonzero(case.labels), np.arange(400, 420))
    assert (case.family, case.series.text, case.series.train_end) == ("synthetic", "A sine.", 300)


@pytest.mark.parametrize("value", ["", "nowhere/at/all"])
def test_missing_data_says_which_variable_to_set(monkeypatch, value):
    monkeypatch.setenv("APE_DEV_DATA", value)
    with pytest.raises(InputError, match="set APE_DEV_DATA"):
        devdata.index("ucr")


def test_tables_by_hand():
    # ap after: 0.4 and 0.6, mean 0.5, sd sqrt(0.02) = 0.141; given back: 0.4 and the 0.2 of before, mean 0.3.
    first = result("a", [(0, True, 0.2, 0.4), (1, False, 0.2, 0.6)])
    # Means over the three runs: before 0.5 / 3 = 0.167, after 1.9 / 3 = 0.633, given back 1.5 / 3 = 0.5.
    second = result("b", [(0, True, 0.1, 0.9)])
    text = before_after.tables([first, second])
    assert row(text, "Series", "a") == ["a", "vae", "0.5", "0.2", "0.5", "0.3", "0.0", "1.0", "0.5", "0.141"]
    assert row(text, "Means", "vae")[2:5] == ["0.167", "0.633", "0.5"]
    assert row(text, "Rules", "all") == ["all", "10", "2", "4", "6"]


@pytest.mark.parametrize("accepted", [True, False])
def test_only_the_part_after_training_is_judged(monkeypatch, accepted):
    series = ape.series.from_array(np.sin(np.arange(500) / 4), train_end=300)
    labels = np.zeros(500, bool)
    labels[400:420] = True

    class Peaks:
        def __init__(self, *at):
            self.at = at

        def fit(self, series, seed):
            return self

        def score(self, series):
            scores = np.zeros(500)
            scores[list(self.at)] = 2.0, 1.0
            return scores

    # Over the whole series the first would peak at 100, too early: 400 - 100 < p fails.
    before, after = Peaks(100, 410), Peaks(410, 310)
    monkeypatch.setattr(ape.detectors, "create", lambda name, device: before)
    kept = after if accepted else before
    outcome = SimpleNamespace(detector=kept, candidate=after, accepted=accepted, report={"reason": "as told"})
    monkeypatch.setattr(ape.posttrain, "enhance", lambda *_args, **_kwargs: outcome)
    figures = before_after.before_and_after(series, labels, None, "vae", 0)
    assert figures["before"]["ucr"] == 1.0
    # One of 20 points is found first, the other 19 tie at zero with all that is left of the 200.
    assert figures["after"]["ap"] == pytest.approx(1 / 20 + 19 / 20 * 20 / 200)
    assert figures["kept"] == figures["after" if accepted else "before"]


def test_finished_series_are_not_measured_again(data, tmp_path, capsys):
    out = tmp_path / "out"
    write_json(out / "wave.json", result("wave", [(0, True, 0.2, 0.4)]))
    assert before_after.report(out, 20_000, 1) == 0
    text = (out / "tables.txt").read_text()
    assert row(text, "Series", "wave")[2:6] == ["1.0", "0.2", "0.4", "0.4"]
    assert capsys.readouterr().out == text
