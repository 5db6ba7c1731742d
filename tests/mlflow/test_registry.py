"""An export in a registry: MLflow logs it without pickle, and the model gives the scores of APE."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from watched_run import WatchedRun, watched_run

from ape.export import export
from ape.series import load

__all__ = ["watched_run"]
ENVIRONMENT = os.environ.get("APE_MLFLOW")
pytestmark = [pytest.mark.mlflow, pytest.mark.skipif(not ENVIRONMENT, reason="make test-mlflow sets APE_MLFLOW")]


def test_a_model_of_mlflow_scores_like_ape(watched_run: WatchedRun, tmp_path):
    detector = watched_run.detector
    series = load(watched_run.new, required=detector.required, scoring=True)
    export(detector, tmp_path / "export", series, watched_run.threshold)
    script, python = Path(__file__).with_name("serve_export.py"), Path(str(ENVIRONMENT)) / "bin" / "python"
    printed = subprocess.run(
        [python, script, tmp_path / "export", watched_run.new], capture_output=True, text=True, cwd=tmp_path
    )
    assert printed.returncode == 0, printed.stderr[-2000:]
    found = json.loads(printed.stdout.splitlines()[-1])
    assert found["pickled"] == []
    expected = detector.score(series)
    np.testing.assert_allclose(found["score"], expected, atol=0.02)
    assert set(found["event"]) == {0, 1} and sum(found["event"]) < sum(expected >= watched_run.threshold.level)
