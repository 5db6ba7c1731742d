"""Train the models of meaning, compare ways to understand sentences on the held-out half, or read the fresh texts."""

from __future__ import annotations

import argparse
import dataclasses
import io
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ape.agents.understanding.features import PARTS, features
from ape.agents.understanding.meaning import WEIGHTS
from ape.core.files import write_bytes
from ape.evals.sentences.comparison import (
    Figures,
    Way,
    by_language,
    encoder,
    figures,
    linear,
    prototypes,
    reliability,
    stems,
)
from ape.evals.sentences.fresh import table
from ape.evals.sentences.heads import TASKS, calibrated, train
from ape.evals.sentences.labelled import labelled
from ape.evals.sentences.training import composed, phrases

COMPOSED = 8000  # composed sentences drawn
COMBINATIONS = (("words", "pieces"), ("stems", "words", "pieces"), ("vectors",), ("vectors", "stems"), PARTS)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.sentences", description=__doc__)
    parser.add_argument("command", choices=["train", "compare", "fresh"])
    parser.add_argument(
        "--encoder", type=Path, help="folder of a sentence encoder to compare, which needs transformers"
    )
    parser.add_argument("--seed", type=int, default=0, help="of composed sentences and folds")
    options = parser.parse_args()
    if options.command == "train":
        _train(options.seed)
    elif options.command == "fresh":
        sys.stdout.write("| what | sentences | right |\n")
        for line in table():
            sys.stdout.write(f"| {line} |\n")
    else:
        sys.stdout.write(f"| way | {' | '.join(field.name for field in dataclasses.fields(Figures))} |\n")
        for name, way in _ways(options.encoder, options.seed):
            row = dataclasses.astuple(figures(way, labelled("held out")))
            sys.stdout.write(f"| {name} | {' | '.join(f'{figure:.2f}' for figure in row)} |\n")
            sys.stdout.flush()
        sys.stdout.write("\n| task | probability | sentences | mean probability | right |\n")
        for line in reliability(labelled("held out")):
            sys.stdout.write(f"| {line} |\n")


def _train(seed: int) -> None:
    """Write the weights of the three models, trained on the tuning half, so that held-out figures stay true."""
    arrays: dict[str, np.ndarray] = {}
    rows, extra, known = labelled("tuning"), composed(COMPOSED, seed), phrases()
    arrays["phrases"] = np.array([row.text for row in known])
    for task in TASKS:
        head = calibrated(train(rows, extra, task, phrases=known), rows, extra, task, known, seed)
        arrays[f"{task}_terms"] = np.array(head.terms)
        arrays[f"{task}_weights"] = head.weights.astype(np.float16)
        arrays[f"{task}_bias"] = head.bias.astype(np.float32)
        arrays[f"{task}_temperature"] = np.array(head.temperature, np.float32)
        if head.phrases is not None:
            arrays[f"{task}_phrases"] = head.phrases
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(WEIGHTS, buffer.getvalue())


def _ways(folder: Path | None, seed: int) -> Iterator[tuple[str, Way]]:
    rows, extra = labelled("tuning"), composed(COMPOSED, seed)
    english = [row for row in rows if row.language == "en"]
    yield "stems, as before", stems
    yield "vectors, nearest prototypes", by_language(prototypes(english, extra))
    for parts in COMBINATIONS:
        yield " + ".join(parts), by_language(linear(rows, extra, partial(features, parts=parts)))
    yield "the same, with phrases", by_language(linear(rows, extra, features, phrases()))
    yield "the same, labelled sentences alone", by_language(linear(rows, [], features))
    if folder is not None:
        yield f"encoder {folder.name}", by_language(linear(rows, extra, encoder(folder)))


if __name__ == "__main__":
    main()
