"""Training sentences composed from phrases and frames, in addition to the tuning half of the labelled sentences."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from ape.evals.sentences.labelled import Labelled

FOLDER = Path(__file__).parent
THIRD_PERSON = {"be": "is", "have": "has", "do": "does", "go": "goes"}
SHARES = {"failure": 0.5, "benign": 0.2, "normal": 0.16, "other": 0.08, "not understood": 0.06}
DENIALS = 0.35  # of the normal sentences


def composed(count: int, seed: int = 0) -> list[Labelled]:
    """Return composed sentences without repetitions, with the mechanism and morphology of the phrase in each.

    Parameters
    ----------
    count : int
        Number of sentences drawn; repetitions are left out.
    seed : int
    """
    rng = np.random.default_rng(seed)
    phrases = _load("phrases.toml")
    kinds = [(mechanism, morphology) for mechanism, group in phrases.items() for morphology in group]
    # phrases of a mechanism share its weight, which the number of phrases tempers
    sizes = np.array([len(phrases[m][p]["does"]) + len(phrases[m][p]["noun"]) for m, p in kinds]) ** 0.5
    frames = _load("frames.toml")
    drawn: dict[str, Labelled] = {}
    for role in rng.choice(list(SHARES), size=count, p=list(SHARES.values())):
        denial = role == "normal" and rng.random() < DENIALS
        frame = str(rng.choice(frames["denial" if denial else role]))
        mechanism, morphology = kinds[rng.choice(len(kinds), p=sizes / sizes.sum())]
        text = _filled(frame, phrases[mechanism][morphology], frames, rng)
        unusual = role in ("failure", "benign") and any(
            f"{{{part}" in frame.lower() for part in ("does", "noun", "cause")
        )
        terms = ((mechanism,), (morphology,)) if unusual else ((), ())
        drawn.setdefault(text, Labelled(text, "en", str(role), *terms, "", "", "", "denial" if denial else ""))
    return list(drawn.values())


def _filled(frame: str, phrase: dict[str, list[str]], frames: dict[str, Any], rng: np.random.Generator) -> str:
    def draw(options: list[str]) -> str:
        return str(rng.choice(options))

    does, noun = draw(phrase["does"]), draw(phrase["noun"])
    first, _, rest = does.partition(" ")
    denied = f"does {does}".replace("does not be", "is not")
    parts = {
        "does": does if first != "not" else rest,
        "does3": f"{_third_person(first)} {rest}".strip()
        if first != "not"
        else f"does {does}".replace("does not be", "is not"),
        "noun": noun,
        "bare": noun.removeprefix("a ").removeprefix("an ").removeprefix("the "),
        "cause": draw(phrase.get("cause", phrase["noun"])) if "cause" in phrase else f"there is {noun}",
        "n": str(rng.integers(2, 60)),
        "m": str(rng.integers(60, 9000)),
        **{name: draw(frames[f"{name}s" if name == "subject" else name]) for name in _SLOTS},
    }
    parts |= {name.capitalize(): text[:1].upper() + text[1:] for name, text in parts.items()}
    return frame.format_map(parts)


_SLOTS = ("subject", "frequency", "length", "size", "event", "when", "machine")


def _third_person(verb: str) -> str:
    if verb in THIRD_PERSON:
        return THIRD_PERSON[verb]
    if verb.endswith(("s", "sh", "ch", "x", "z")):
        return f"{verb}es"
    if verb.endswith("y") and verb[-2] not in "aeou":
        return f"{verb[:-1]}ies"
    return f"{verb}s"


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))
