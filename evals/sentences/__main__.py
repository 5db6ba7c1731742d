"""``python -m ape.evals.sentences train``: train the models of meaning."""

from __future__ import annotations

import argparse
import io

import numpy as np

from ape.agents.understanding.meaning import WEIGHTS
from ape.core.files import write_bytes
from ape.evals.sentences.heads import TASKS, train
from ape.evals.sentences.labelled import labelled
from ape.evals.sentences.training import composed

COMPOSED = 3000


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.sentences", description=__doc__)
    parser.add_argument("command", choices=["train"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    arrays = {}
    for task in TASKS:
        head = train(labelled("tuning"), composed(COMPOSED, options.seed), task, seed=options.seed)
        arrays[f"{task}_terms"] = np.array(head.terms)
        arrays[f"{task}_weights"] = head.weights.astype(np.float16)
        arrays[f"{task}_bias"] = head.bias.astype(np.float32)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(WEIGHTS, buffer.getvalue())


if __name__ == "__main__":
    main()
