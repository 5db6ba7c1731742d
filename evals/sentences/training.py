"""Training sentences composed from phrases and frames, in addition to the tuning half of the labelled sentences."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from ape.evals.sentences.labelled import Labelled

FOLDER = Path(__file__).parent
THIRD_PERSON = {"be": "is", "have": "has", "do": "does", "go": "goes"}
SHARES = {"failure": 0.38, "benign": 0.18, "normal": 0.28, "other": 0.09, "not understood": 0.07}
DENIALS = 0.35  # of the normal sentences
GAPS = ("subject", "frequency", "length", "size", "when", "machine", "tail", "aside", "fact")
_NAMES_PHRASE = re.compile(r"\{(?:does|noun|cause)", re.IGNORECASE)
_NAMES_EVENT = re.compile(r"\{event\}", re.IGNORECASE)
_DENIES = re.compile(r"\b(?:not|never|cannot)\b")
_ARTICLE = re.compile(r"^(?:an?|the) ")


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
    frames = _load("frames.toml")
    events = [(kind, name) for kind, group in _kinds(frames["event"]).items() for name in group["names"]]
    kinds = _kinds(phrases)
    # mechanisms with more phrases are drawn somewhat more often
    sizes = np.array([len(group["does"]) + len(group["noun"]) for group in kinds.values()]) ** 0.5
    drawn: dict[str, Labelled] = {}
    for role in rng.choice(list(SHARES), size=count, p=list(SHARES.values())):
        denial = role == "normal" and rng.random() < DENIALS
        frame = str(rng.choice(frames["denial" if denial else role]))
        kind = list(kinds)[rng.choice(len(kinds), p=sizes / sizes.sum())]
        event_kind, event = events[rng.choice(len(events))]
        text = _filled(frame, kinds[kind], event, frames, rng)
        terms: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        if role in ("failure", "benign"):
            named = kind if _NAMES_PHRASE.search(frame) else event_kind if _NAMES_EVENT.search(frame) else None
            terms = ((named[0],), (named[1],)) if named else terms
        drawn.setdefault(text, Labelled(text, "en", str(role), *terms, "", "", "", "denial" if denial else ""))
    return list(drawn.values())


def phrases() -> list[Labelled]:
    """Return all phrases, with their mechanism and morphology."""
    return [
        Labelled(text, "en", "failure", (mechanism,), (morphology,), "", "", "", "")
        for (mechanism, morphology), group in _kinds(_load("phrases.toml")).items()
        for texts in group.values()
        for text in texts
    ]


def _kinds(groups: dict[str, dict[str, dict[str, list[str]]]]) -> dict[tuple[str, str], dict[str, list[str]]]:
    return {(mechanism, morphology): group for mechanism in groups for morphology, group in groups[mechanism].items()}


def _filled(
    frame: str, phrase: dict[str, list[str]], event: str, frames: dict[str, Any], rng: np.random.Generator
) -> str:
    """Fill the gaps of a frame; a frame that denies gets no phrase that denies."""
    parts = {name: str(rng.choice(frames[name])) for name in GAPS} | {"event": event}
    parts |= {name: str(rng.choice(phrase[name])) for name in ("noun", "cause") if name in phrase}
    plain = [does for does in phrase["does"] if not does.startswith("not ")]
    parts["does"] = str(rng.choice(plain if _DENIES.search(frame) else phrase["does"]))
    parts["does3"] = _third_person(parts["does"])
    parts["bare"] = _ARTICLE.sub("", parts["noun"])
    parts.setdefault("cause", f"there is {parts['noun']}")
    parts |= {"n": str(rng.integers(2, 60)), "m": str(rng.integers(60, 9000))}
    parts |= {name.capitalize(): text[:1].upper() + text[1:] for name, text in parts.items()}
    return frame.format_map(parts)


def _third_person(does: str) -> str:
    verb, _, rest = does.partition(" ")
    if verb == "not":
        return f"is not{rest[2:]}" if rest.startswith("be ") else f"does not {rest}"
    if verb in THIRD_PERSON:
        verb = THIRD_PERSON[verb]
    elif verb.endswith(("s", "sh", "ch", "x", "z")):
        verb += "es"
    elif verb.endswith("y") and verb[-2] not in "aeou":
        verb = f"{verb[:-1]}ies"
    else:
        verb += "s"
    return f"{verb} {rest}".rstrip()


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))
