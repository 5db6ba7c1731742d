"""The rules that come from the manual's sentence about a fault, and the best that any bank could reach."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ape.evals.timeanomalybench.scenario import Fault, Scenario
from ape.rules import RuleBank

STEM, LEAST_LETTERS = 5, 4  # letters of a word that are compared, and of a word that counts
BY_HAND = tomllib.loads((Path(__file__).parent / "fault_sentences.toml").read_text(encoding="utf-8"))


def own_rule(bank: RuleBank, scenario: Scenario, fault: Fault) -> dict[str, float]:
    """Return whether a rule that comes from the sentence about a fault has its mechanism and its morphology.

    The sentence is known by hand for tuning scenarios. For others it is the one that shares the rarest words with the
    fault's name and note. Both figures are NaN if the bank was mined without a text that has the sentence.
    """
    texts = [each.text for each in bank.sentences if each.source == "text"]
    words = BY_HAND.get(scenario.name, {}).get(fault.name)
    about = sentence_with(texts, words) if words else sentence_by_words(texts, f"{fault.name} {fault.note}")
    if about is None:
        return {"own_mechanism": np.nan, "own_morphology": np.nan}
    ids = {rule for each in bank.sentences if each.text == about for rule in each.rules}
    rules = [rule for rule in bank.rules if rule.id in ids]
    return {
        "own_mechanism": float(fault.mechanism in {rule.mechanism for rule in rules}),
        "own_morphology": float(fault.morphology in {rule.morphology for rule in rules}),
    }


def sentence_with(texts: Sequence[str], words: str) -> str | None:
    """Return the sentence that contains some words."""
    return next((text for text in texts if words.lower() in text.lower()), None)


def sentence_by_words(texts: Sequence[str], description: str) -> str | None:
    """Return the sentence that shares the rarest words with a description; None if no sentence shares any."""
    stems = [_stems(text) for text in texts]
    sentences_of = Counter(stem for each in stems for stem in each)
    scores = [sum(1 / sentences_of[stem] for stem in each & _stems(description)) for each in stems]
    return texts[int(np.argmax(scores))] if scores and max(scores) > 0 else None


def ceilings(faults: Sequence[Fault], fault: Fault, top: Sequence[int]) -> dict[str, float]:
    """Return whether the bank with the best mean ``mechanism@k`` over all faults has the fault's mechanism at k.

    One bank serves all faults of a scenario, so that five faults of five mechanisms cannot all be first.
    """
    ranked = [mechanism for mechanism, _ in Counter(each.mechanism for each in faults).most_common()]
    return {f"ceiling@{k}": float(fault.mechanism in ranked[:k]) for k in top}


def _stems(text: str) -> set[str]:
    words = re.findall(r"[a-z]+", text.lower().replace("_", " "))
    return {word[:STEM] for word in words if len(word) >= LEAST_LETTERS}
