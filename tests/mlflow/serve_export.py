"""Log an export as an MLflow model and score rows with it: ``python serve_export.py EXPORT ROWS.csv``.

It prints the scores as JSON. ``make test-mlflow`` calls it in an environment without APE and PyTorch.
"""

import json
import sys
import tempfile
from pathlib import Path

import mlflow
import pandas as pd

REQUIRED = ["numpy", "pandas", "onnxruntime"]


def main(export: str, rows: str) -> None:
    """Register, load and score."""
    assert not any(name in sys.modules for name in ("ape", "torch"))
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        mlflow.pyfunc.save_model(
            model,
            python_model=str(Path(export) / "mlflow_model.py"),
            artifacts={"detector": export},
            pip_requirements=REQUIRED,
        )
        pickled = [path.name for path in model.rglob("*") if path.suffix in (".pkl", ".pickle")]
        found = mlflow.pyfunc.load_model(str(model)).predict(pd.read_csv(rows))
    document = {"pickled": pickled, "score": found["score"].tolist(), "event": found["event"].tolist()}
    sys.stdout.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
