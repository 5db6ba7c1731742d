"""What a request asks for: it is compared with the phrases of `intents.toml` by its words and by their meaning.

A linear model over sentence vectors, words and a few cues is fitted to the phrases when the first request comes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ape.agents.expert.transcript import Transcript
from ape.agents.guide.days import Span
from ape.agents.guide.names import mechanisms_in, named_rules, without_channels, without_rules
from ape.agents.guide.plain_words import in_plain_words
from ape.agents.guide.times import without_times
from ape.agents.understanding.vectors import vectors

STAND_INS = {  # words that sentence vectors know, for the stand-ins of the phrases
    "xrule": "the rule", "xtime": "that time", "xchannel": "the sensor", "xnumber": "five", "xfailure": "a fault",
}  # fmt: skip
CUES = tuple(  # patterns over requests with stand-ins
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        "xrule", "xtime", "xchannel", "xnumber", "xfailure", "(?:event|anomaly|alarm|alert) (?:number )?xnumber",
        r"^\W*(?:why|how|what|which|where|when|who|is|are|does|do|did|was|were|can|could|should|would)\b",
        r"\b(?:not|never|no)\b|n't\b",
        r"\b(?:events?|anomal\w+|alarms?|alerts?|incidents?|outliers?|warnings?|findings|faults?|problems?|issues?)\b",
        r"\b(?:odd|weird|strange\w*|unusual\w*|abnormal\w*|irregular\w*|suspicious\w*|peculiar|wrong|off|broken"
        r"|anomalous|misbehav\w*|funny|funn\w+|broke)\b",
        r"\b(?:show|plot|draw|display|see|graph|picture|look at|zoom|view|chart|visuali[sz]e)\b",
        r"\b(?:also|another|additional\w*|as well|too|in addition|new|missing|add)\b",
        r"\b(?:threshold|limit|cut-?off|sensitiv\w+|nervous|strict\w*|tolerant)\b",
        r"\b(?:file|csv|json|excel|spreadsheet|disk|export|save|download|store|write|table)\b",
        r"\b(?:better|worse|improve\w*|help\w*|gain\w*|benefit|compare\w*|evidence|prove|worth|good)\b",
        r"\b(?:undo|revert|back|mistake|oops|reverse)\b",
        r"\b(?:drop|remove|delete|discard|get rid|throw|kick|scrap|eliminate|reject)\b",
        r"\b(?:longer|shorter|larger|smaller|bigger|slower|faster|size|length|only|limit|restrict|half|halve|twice"
        r"|double|weaker|stronger|gradual\w*)\b",
        r"\b(?:notes?|text|lines?|sentences?|manual|log|description|remarks?|comments?)\b",
        r"\b(?:normal|harmless|planned|maintenance|expected|false (?:alarm|positive)|ignore|fine|intended|okay)\b",
        r"\b(?:fewer|less|more|many|much|often|rarely)\b",
        r"\b(?:train|score|run|fit|go|start|detect)\b",
        r"\b(?:find|mine|fail\w*|come up|propose|could|might)\b.*\b(?:rules?|modes?|failures?|wrong|fail|break)\b",
        r"\brules?\b",
    )
)  # fmt: skip
VECTOR_WEIGHT = 3.0  # of the sentence vectors, compared with words and cues
PENALTY = 3.0  # inverse strength of the regularisation
LIKELY, UNLIKELY = 2.0, 0.5  # factors of the probability of an intent, by what there is already
_NUMBER = re.compile(
    r"\b(?:\d+(?:\.\d+)?|two|three|four|five|six|seven|eight|nine|ten|twenty|second|third)(?:st|nd|rd|th)?\b"
)
_RANK = re.compile(r"(?<!event )(?<!anomaly )(?<!alarm )(?<!alert )(?:\bnumber|\bno\.?|\bnr\.?|#) ?xnumber\b")
_TOP = re.compile(r"\b((?:top|worst|biggest|most severe) xnumber)$")
_NO_RULE = {"sensor", "signal", "level", "levels", "limits", "limit", "cycles", "pattern", "noise", "relation", "loss"}
_DEFINITE = re.compile(
    r"\b(?:the|those|these|my|your) (?P<word>[a-z]+)\b"
    r"|(?<!a )(?<!an )(?<!some )(?<!any )(?<!few )(?<!like )\b(?P<plural>[a-z]+s)\b"
)
_WORD = re.compile(r"[a-z']+")
_SUFFIX = re.compile(r"(?<=\w{3})(?:ing|ed|es|s|ly)$")


@dataclass(frozen=True)
class Intent:
    """Something that the guide can do.

    Parameters
    ----------
    id : str
    title, example : str
        What it is, and a request for it, for people.
    phrases : tuple of str
        Ways to ask for it.
    acts : bool
        Whether it changes something.
    """

    id: str
    title: str
    example: str
    phrases: tuple[str, ...]
    acts: bool = False


def _read() -> dict[str, Intent]:
    table = tomllib.loads((Path(__file__).parent / "intents.toml").read_text(encoding="utf-8"))
    return {name: Intent(name, **{**entry, "phrases": tuple(entry["phrases"])}) for name, entry in table.items()}


INTENTS = _read()


@dataclass(frozen=True)
class Reading:
    """What a request may ask for.

    Parameters
    ----------
    ranked : list of (Intent, float)
        With probabilities, the most probable first.
    familiar : float
        Similarity to the most similar phrase, 0 to 1: low for what is about something else.
    """

    ranked: list[tuple[Intent, float]]
    familiar: float


def read_request(transcript: Transcript) -> Reading:
    """Return what the last request may ask for."""
    vectoriser, model, phrases = _model()
    features = _features([generalised(transcript)], vectoriser)
    shares = model.predict_proba(features)[0] * [_likely(each, transcript.task) for each in model.classes_]
    shares /= shares.sum()
    order = np.argsort(-shares, kind="stable")
    ranked = [(INTENTS[model.classes_[each]], float(shares[each])) for each in order]
    return Reading(ranked, float((phrases @ _unit(features)[0]).max()))


def _likely(intent: str, task: dict[str, Any]) -> float:
    """Return how likely an intent is in a situation, compared with other situations."""
    if intent == "mine":
        return UNLIKELY if task.get("scored") else 1.0 if task.get("rules") else LIKELY
    needs_scores = intent in ("events", "explain", "scores", "alerts", "rate", "better", "export")
    needs_rules = intent in ("train", "sentences", "examples", "why_rule", "drop", "change", "undo")
    missing = (needs_scores and not task.get("scored")) or (needs_rules and not task.get("rules"))
    return UNLIKELY if missing else 1.0


def generalised(transcript: Transcript) -> str:
    """Return the request with stand-ins for the rules, times, channels, numbers and failures that it names."""
    task = transcript.task
    text = in_plain_words(transcript.request, _vocabulary())
    text = without_rules(text, [*task.get("rules", []), *task.get("dropped", [])], "xrule")
    text = _without_described(text, transcript)
    text = without_channels(text, [name.lower() for name in task.get("channels", [])], "xchannel")
    text = without_times(text, Span.of(task), "xtime")
    text = _TOP.sub(r"\1 events", _RANK.sub("event xnumber", _NUMBER.sub("xnumber", text)))
    return f"{text} xfailure" if "xrule" not in text and mechanisms_in(text) else text


def _without_described(text: str, transcript: Transcript) -> str:
    """Return a text with stand-ins for words such as "the drift" or "jumps" that fit a known rule."""

    def stand_in(match: re.Match[str]) -> str:
        if (word := match["word"] or match["plural"]) in _NO_RULE:
            return match[0]
        return "xrule" if named_rules(replace(transcript, request=word, earlier=[])).how == "words" else match[0]

    return _DEFINITE.sub(stand_in, text)


@cache
def _vocabulary() -> frozenset[str]:
    """The words of the phrases, and the everyday words for failures."""
    phrases = [phrase.lower() for intent in INTENTS.values() for phrase in intent.phrases]
    return frozenset(word for phrase in phrases for word in _WORD.findall(phrase))


@cache
def _model() -> tuple[Any, Any, np.ndarray]:
    """Fit the model to the phrases; return the words, the model, and the phrases as unit vectors [n, k]."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    phrases = [in_plain_words(phrase) for intent in INTENTS.values() for phrase in intent.phrases]
    labels = [intent.id for intent in INTENTS.values() for _ in intent.phrases]
    phrases = [f"{each} xfailure" if "xfailure" not in each and mechanisms_in(each) else each for each in phrases]
    vectoriser = TfidfVectorizer(analyzer=_stems, sublinear_tf=True).fit(phrases)
    features = _features(phrases, vectoriser)
    return vectoriser, LogisticRegression(C=PENALTY, max_iter=500).fit(features, labels), _unit(features)


def _unit(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)


def _features(texts: Sequence[str], vectoriser: Any) -> np.ndarray:
    """Return vectors, words and cues of texts, float64 [n, k]."""
    natural = [re.sub("|".join(STAND_INS), lambda match: STAND_INS[match[0]], text) for text in texts]
    cues = np.array([[float(cue.search(text) is not None) for cue in CUES] for text in texts])
    return np.hstack([VECTOR_WEIGHT * vectors(natural), vectoriser.transform(texts).toarray(), cues])


def _stems(text: str) -> list[str]:
    return [_SUFFIX.sub("", word) for word in _WORD.findall(text.lower())]
