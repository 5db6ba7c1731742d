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
        """Return the score of each row, and the rank of the event that it belongs to.

        1 is the worst event, 0 is none; null without a threshold. A score that reaches the threshold is no alarm by
        itself: scores stay high around a fault.
        """
        score, event = self.scorer.event_rows(model_input[self.scorer.channels].to_numpy(dtype=float))
        return pd.DataFrame({"score": score, "event": event}, index=model_input.index)


mlflow.models.set_model(DetectorModel())
