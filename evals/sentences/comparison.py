"""Compare ways to understand sentences on the held-out half."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ape.agents.understanding.features import COMPARED, features_by_part, similarities
from ape.agents.understanding.language import ENGLISH, language
from ape.agents.understanding.meaning import meanings
from ape.agents.understanding.stems import HARMLESS, MECHANISM, MORPHOLOGY, weights
from ape.agents.understanding.vectors import vectors
from ape.evals.sentences.heads import TASKS, Embedding, answers, train
from ape.evals.sentences.labelled import Labelled
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES

Answer = dict[str, dict[str, float]]  # probabilities of the terms of each task
EDGES = (0.0, 0.4, 0.6, 0.8, 1.0)  # of the ranges of probability
Way = Callable[[Sequence[str]], list[Answer]]


@dataclass(frozen=True)
class Figures:
    """How well a way does on some sentences: shares between 0 and 1, and milliseconds per sentence.

    Parameters
    ----------
    role : float
        Sentences whose role is right.
    mechanism_1, mechanism_3, morphology_1, morphology_3 : float
        Sentences with something unusual for which a right term is the first, or one of the first three.
    benign_recall, benign_precision : float
    false_failures : float
        Sentences about normal things, denials among them, and other machines that are taken for failures.
    foreign_1 : float
        Sentences in other languages whose mechanism comes first, if the language is disregarded.
    milliseconds : float
    """

    role: float
    mechanism_1: float
    mechanism_3: float
    morphology_1: float
    morphology_3: float
    benign_recall: float
    benign_precision: float
    false_failures: float
    foreign_1: float
    milliseconds: float


def figures(way: Way, rows: Sequence[Labelled]) -> Figures:
    """Measure a way on some labelled sentences."""
    started = time.process_time()
    found = way([row.text for row in rows])
    milliseconds = 1e3 * (time.process_time() - started) / len(rows)
    pairs = [(_first(answer["role"], 1)[0], answers(row, "role")[0]) for answer, row in zip(found, rows, strict=True)]
    foreign = [
        (answer, row) for answer, row in zip(found, rows, strict=True) if row.language != "en" and row.mechanisms
    ]
    return Figures(
        _mean(said == right for said, right in pairs),
        _hits(found, rows, "mechanism", 1),
        _hits(found, rows, "mechanism", 3),
        _hits(found, rows, "morphology", 1),
        _hits(found, rows, "morphology", 3),
        _mean(said == "benign" for said, right in pairs if right == "benign"),
        _mean(right == "benign" for said, right in pairs if said == "benign"),
        _mean(said == "failure" for said, right in pairs if right in ("normal", "other")),
        _mean(_first(answer["mechanism"], 1)[:1] == [row.mechanisms[0]] for answer, row in foreign),
        milliseconds,
    )


def reliability(rows: Sequence[Labelled]) -> list[str]:
    """Return, for each task and range of the highest probability, how often the shipped models are right."""
    found = [vars(meaning) for meaning in meanings([row.text for row in rows])]
    lines = []
    for task, field in zip(TASKS, ("roles", "mechanisms", "morphologies"), strict=True):
        best = [
            (max(meaning[field].values()), _first(meaning[field], 1)[0] in answers(row, task))
            for meaning, row in zip(found, rows, strict=True)
            if answers(row, task) and row.language == "en"
        ]
        for low, high in pairwise(EDGES):
            some = [(share, right) for share, right in best if low <= share < high or high == share == 1]
            share, right = (_mean(column) for column in zip(*some, strict=True)) if some else (0.0, 0.0)
            lines.append(f"{task} | {low:.1f} to {high:.1f} | {len(some)} | {share:.2f} | {right:.2f}")
    return lines


def stems(texts: Sequence[str]) -> list[Answer]:
    """What the stems of the lexicon say alone: the way that was used before."""
    found = []
    for text in texts:
        mechanisms, morphologies = (
            {term: weight for term, (weight, _) in weights(text, patterns).items()}
            for patterns in (MECHANISM, MORPHOLOGY)
        )
        role = "normal" if HARMLESS.search(text) else "failure" if mechanisms else "not understood"
        found.append({"role": {role: 1.0}, "mechanism": mechanisms, "morphology": morphologies})
    return found


def prototypes(rows: Sequence[Labelled], extra: Sequence[Labelled]) -> Way:
    """Return the way of the nearest mean vector of the sentences of a term, to which its gloss belongs."""
    centres = {}
    for task in TASKS:
        texts: dict[str, list[str]] = {}
        for row in [*rows, *extra]:
            for term in answers(row, task)[:1]:
                texts.setdefault(term, []).append(row.text)
        for term, gloss in {"role": {}, "mechanism": MECHANISMS, "morphology": MORPHOLOGIES}[task].items():
            texts.setdefault(term, []).append(gloss)
        means = np.stack([vectors(group).mean(axis=0) for group in texts.values()])
        centres[task] = (list(texts), means / np.linalg.norm(means, axis=1, keepdims=True))

    def way(texts: Sequence[str]) -> list[Answer]:
        found = vectors(texts)
        near = {task: found @ means.T for task, (_, means) in centres.items()}
        return [
            {task: dict(zip(centres[task][0], near[task][i].tolist(), strict=True)) for task in TASKS}
            for i in range(len(texts))
        ]

    return way


def linear(
    rows: Sequence[Labelled], extra: Sequence[Labelled], embed: Embedding, phrases: Sequence[Labelled] = ()
) -> Way:
    """Return the way of linear models over some features, with the phrases that texts resemble if there are any."""
    heads = {task: train(rows, extra, task, embed, phrases) for task in TASKS}
    others = features_by_part([row.text for row in phrases], COMPARED) if phrases else None

    def way(texts: Sequence[str]) -> list[Answer]:
        x = embed(texts)
        similar = None if others is None else similarities(features_by_part(texts, COMPARED), others)
        found = {task: head.probabilities(x, similar) for task, head in heads.items()}
        return [{task: found[task][i] for task in TASKS} for i in range(len(texts))]

    return way


def by_language(way: Way) -> Way:
    """Return the way with sentences in other languages not understood."""

    def known(texts: Sequence[str]) -> list[Answer]:
        return [
            answer if language(text) == ENGLISH else {**answer, "role": {"not understood": 1.0}}
            for text, answer in zip(texts, way(texts), strict=True)
        ]

    return known


def encoder(folder: Path) -> Callable[[Sequence[str]], np.ndarray]:
    """Return the embedding of a sentence encoder (mean of the last layer) from a folder in Hugging Face's format."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def embed(texts: Sequence[str]) -> np.ndarray:
        found = []
        for start in range(0, len(texts), 32):
            batch = tokenizer(list(texts[start : start + 32]), padding=True, truncation=True, return_tensors="pt")
            with torch.no_grad():
                states, mask = model(**batch).last_hidden_state, batch["attention_mask"][..., None]
            found.append(torch.nn.functional.normalize((states * mask).sum(1), dim=1).numpy())
        return np.concatenate(found)

    return embed


def _hits(found: Sequence[Answer], rows: Sequence[Labelled], task: str, count: int) -> float:
    asked = [(answer[task], answers(row, task)) for answer, row in zip(found, rows, strict=True) if answers(row, task)]
    return _mean(bool(set(_first(terms, count)) & set(right)) for terms, right in asked)


def _first(terms: dict[str, float], count: int) -> list[str]:
    return sorted(terms, key=lambda term: -terms[term])[:count]


def _mean(values: object) -> float:
    return float(np.mean(list(values) or [0.0]))  # type: ignore[call-overload]
