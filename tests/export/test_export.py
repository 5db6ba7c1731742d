"""``ape export``: graphs, manifest and script give the scores of APE, in a folder of their own."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from watched_run import TRAINED, WatchedRun

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

import ape
from ape.cli.main import main
from ape.core.errors import InputError
from ape.detectors import create
from ape.export import exporting
from ape.export.graphs import ScoreGraph
from ape.export.standalone import scorer
from ape.monitor.alarms import alarms
from ape.posttrain import EnhancedDetector
from ape.posttrain.backbone_inputs import BackboneStatistics
from ape.posttrain.calibration import Peaks
from ape.posttrain.discriminator.evidence import Evidence
from ape.posttrain.discriminator.tail import GRID, Tail
from ape.series import Series, load
from ape.series.series import Gap

TOLERANCE = 0.02


def short(detector: EnhancedDetector, backbone: str = "vae") -> EnhancedDetector:
    """Return a detector of one time scale, with another backbone, which is not trained."""
    part = detector.normal.before(450)
    other = create(backbone, window=40, device="cpu")
    torch.manual_seed(0)
    required, channels = detector.required, part.values.shape[1]
    other.set_trained(other.build_module(channels, 40), 40, *detector.backbone.shift_and_scale, required)
    calibration = detector.require_calibration()
    calibration = replace(calibration, latency=128, free=calibration.free[:1])
    statistics = BackboneStatistics.fit(other, part)
    return replace(detector, backbone=other, normal=part, calibration=calibration, statistics=statistics)


@pytest.fixture(scope="module")
def exported(watched_run: WatchedRun, tmp_path_factory) -> Path:
    """The run, exported by the command."""
    folder = tmp_path_factory.mktemp("exported") / "pump"
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["export", str(watched_run.folder), "--out", str(folder), "--json"]) == 0
    assert json.loads(out.getvalue())["difference"] <= TOLERANCE
    return folder


@pytest.mark.extended
def test_the_script_scores_a_csv_file_without_ape(watched_run, exported, tmp_path):
    blocked = "import sys; sys.modules.update(dict.fromkeys(('torch', 'ape', 'pandas')));"
    run = f"{blocked} import runpy; sys.argv = ['scorer.py', {str(watched_run.new)!r}];"
    run += f"runpy.run_path({str(exported / 'scorer.py')!r}, run_name='__main__')"
    printed = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True, cwd=tmp_path)
    table = pd.read_csv(io.StringIO(printed.stdout))
    found = table["score"]
    out = tmp_path / "scored"
    words = ["score", str(watched_run.new), "--detector", str(watched_run.folder / "enhanced"), "--out", str(out)]
    assert main([*words, "--quiet"]) == 0
    expected = pd.read_csv(out / "scores.csv")["score"]
    assert expected.max() > 5  # the anomaly
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    events = pd.read_csv(out / "events.csv")
    assert set(table["event"]) == {0, *events["rank"]}  # as many, though fewer rows than scores above the threshold
    assert 0 < (table["event"] > 0).sum() < (found >= watched_run.threshold.level).sum()


@given(data=st.data(), n=st.integers(40, 400), level=st.sampled_from([2.0, 3.3]))
@settings(max_examples=60, deadline=None)
def test_events_of_the_script_are_those_of_ape(data, n, level):
    """Scores with plateaus, so that spans are joined, with gaps, missing values and rows without a score."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    score = np.repeat(random.exponential(1.5, n), random.integers(1, 30, n))[:n].astype(np.float32)
    score[random.random(n) < 0.02] = np.nan
    missing = np.zeros(n, bool)
    missing[n - 10 :] = random.random() < 0.5
    begins = tuple(sorted(random.choice(np.arange(1, n), random.integers(0, 3), replace=False).tolist()))
    series = Series(np.zeros((n, 1)), ("load",), missing=missing[:, None], gaps=tuple(Gap(b, 50, 0.0) for b in begins))
    made = scorer.Scorer.__new__(scorer.Scorer)  # without its graphs, which are not needed
    made.threshold = level
    rank = made.events(score, missing, begins)
    expected = alarms(series, score, level)
    assert [(s.begin, s.end) for s in expected] == sorted(
        (int(np.flatnonzero(rank == k)[0]), int(np.flatnonzero(rank == k)[-1]) + 1) for k in range(1, rank.max() + 1)
    )
    assert [s.begin for s in sorted(expected, key=lambda s: (-s.peak, s.begin))] == [
        int(np.flatnonzero(rank == k)[0]) for k in range(1, rank.max() + 1)
    ]
    made.threshold = None
    assert made.events(score) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"time,other\n1,2\n", "columns are missing in the header: load"),
        (b"load\n", "no rows"),
        (b"time,load\n1,2\n\n2,much\n", r"row 1 \(line 4\), column 'load': 'much' is no number"),
        (b'time,load\n"a\nb",1\n1,1_000\n', r"row 1 \(line 4\), column 'load': '1_000' is no number"),
        (b"load\n\x1b[31m\n", r"row 0 \(line 2\), column 'load': '\\x1b"),
        (b"time,load\n1,1,5\n", r"row 0 \(line 2\): more cells"),
        (b"", "columns are missing"),
        (b"\xff\xfe\x00", "codec"),
        (None, "No such file"),
    ],
)
def test_the_script_says_what_is_wrong_with_a_file(content, why, tmp_path):
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=why) as error:
        scorer.read_rows(path, ["load"])
    assert str(error.value).startswith(str(path))


@pytest.mark.extended
def test_gaps_and_missing_values_give_the_same_scores(watched_run, exported):
    detector = watched_run.detector
    series = load(watched_run.training, required=detector.required, scoring=True)
    more = load(watched_run.new, required=detector.required, scoring=True)
    values = np.concatenate([series.values, more.values])
    missing = np.zeros(values.shape, bool)
    missing[TRAINED + 200 : TRAINED + 220] = True
    for gaps in ((), (Gap(TRAINED, 50, 0.0),), (Gap(TRAINED + 151, 50, 0.0), Gap(TRAINED + 400, 7, 0.0))):
        whole = Series(values, series.channels, missing=missing, gaps=gaps)
        assert exporting._difference(detector, exported, whole) <= TOLERANCE


@pytest.mark.extended
def test_the_manifest_says_what_a_caller_needs(watched_run, exported):
    manifest, detector = json.loads((exported / "manifest.json").read_text()), watched_run.detector
    assert manifest["channels"] == ["load"]
    assert manifest["latency"] == detector.latency
    assert manifest["threshold"] == pytest.approx(watched_run.threshold.level)
    assert manifest["check"]["difference"] <= manifest["check"]["tolerance"] == TOLERANCE
    assert {each["graph"] for each in manifest["scales"]} == {path.name for path in exported.glob("windows-*.onnx")}
    for path in exported.glob("*.onnx"):
        assert str(Path(ape.__file__).parent).encode() not in path.read_bytes()  # no path of this machine


def test_a_score_is_calibrated_as_by_ape(watched_run):
    generator, calibration = torch.Generator().manual_seed(0), watched_run.detector.require_calibration()
    distances, surprise, trained = (Tail(np.linspace(low, 3, GRID), 0.5) for low in (-9, 0, 1))
    scores = {**calibration.scores, "subspace": (surprise, trained)}
    detector = replace(watched_run.detector, calibration=replace(calibration, subspace=distances, scores=scores))
    rules, operators = len(detector.rule_names), len(detector.generic.question.weight)
    n, channels, scales = 500, 3, len(detector.require_calibration().free)
    odds = 6 * torch.randn(n, channels, rules + operators, generator=generator)
    free = 3 * torch.randn(n, scales, channels, generator=generator)
    free[:40, -1] = -torch.inf
    age = torch.randint(0, detector.latency + 1, (n,), generator=generator).clamp(max=detector.latency)
    subspace = 40 * torch.randn(n, channels, generator=generator)
    found = ScoreGraph(detector)(odds, free, subspace, age).numpy()
    bank, generic = odds.split([rules, operators], 2)
    nan_free = torch.where(free.isinf(), torch.nan, free)
    evidence = Evidence(bank, generic, nan_free, subspace, torch.arange(n), age, bank[..., :0])
    fitted, peaks = detector.require_calibration(), Peaks.of(evidence)
    np.testing.assert_allclose(found, fitted.score(peaks, detector.kept), rtol=1e-6)
    assert 0 < fitted.of_subspace(fitted.surprise(peaks), peaks.age).mean() < 1


@pytest.mark.extended
@pytest.mark.parametrize("backbone", ["vae", "lstm-ae", "timesnet", "crossad"])  # all kinds of layers
def test_backbones_can_be_exported(backbone, watched_run, tmp_path):
    series = load(watched_run.new, required=watched_run.detector.required, scoring=True)
    found = exporting.export(short(watched_run.detector, backbone), tmp_path / "out", series)
    assert found.difference <= TOLERANCE


def test_nothing_is_written_if_the_scores_differ(watched_run, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_write_graphs", lambda detector, folder: {})
    monkeypatch.setattr(exporting, "_difference", lambda *_: 0.5)
    series = load(watched_run.new, required=watched_run.detector.required, scoring=True)
    with pytest.raises(InputError, match=r"differ by 0\.5"):
        exporting.export(watched_run.detector, tmp_path / "out", series)
    assert not any(tmp_path.iterdir())


def test_what_cannot_be_exported_is_refused_in_one_line(watched_run, tmp_path, capsys):
    plain = str(watched_run.folder / "detector")
    assert main(["export", plain, "--out", str(tmp_path / "out")]) == 2
    assert "only an enhanced detector can be exported" in capsys.readouterr().err
    assert main(["export", str(watched_run.folder / "enhanced"), "--out", str(tmp_path / "out")]) == 2
    assert "no data to compare the scores on" in capsys.readouterr().err
    required = replace(watched_run.detector.required, counters=("load",))
    with pytest.raises(InputError, match="'load' is a counter"):
        exporting.require_exportable(replace(watched_run.detector, required=required))
    assert not any(tmp_path.iterdir())
