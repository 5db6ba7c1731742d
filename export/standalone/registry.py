"""An MLflow model of a detector that ``ape export`` wrote, as a script, which MLflow logs without pickle.

``mlflow.pyfunc.log_model(python_model=DIR + "/mlflow_model.py", artifacts={"detector": DIR}, ...)`` registers it, where
``DIR`` is the folder of the export.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd


class DetectorModel(mlflow.pyfunc.PythonModel):
    """Scores the rows of a data frame, which are taken as one series."""

    def load_context(self, context: Any) -> None:
        """Load the export that was logged with the model, and the script in it."""
        folder = Path(context.artifacts["detector"])
        spec = importlib.util.spec_from_file_location("ape_exported_scorer", folder / "scorer.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.scorer = module.Scorer(folder)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return the score of each row, and whether it reaches the threshold (null without one)."""
        score = self.scorer.score_rows(model_input[self.scorer.channels].to_numpy(dtype=float))
        level = self.scorer.threshold
        return pd.DataFrame(
            {"score": score, "alarm": None if level is None else score >= level}, index=model_input.index
        )


mlflow.models.set_model(DetectorModel())
