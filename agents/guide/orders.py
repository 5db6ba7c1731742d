"""Tell an order from what only sounds like one: "should I drop it?", "do not drop it", "drop all except ..."."""

from __future__ import annotations

import re
from collections.abc import Callable

from ape.agents.expert.transcript import Transcript
from ape.agents.guide.clarify import ask, example_of
from ape.agents.guide.event_numbers import event_number
from ape.agents.guide.intents import Intent
from ape.agents.guide.names import named_rules
from ape.agents.guide.plain_words import in_plain_words

NOTHING = "All right, nothing was changed."
_NOTHING = re.compile(
    r"^\W*(?:cancel|stop|never ?mind|forget it|i changed my mind|no|nope|leave it)\b\W*$", re.IGNORECASE
)
_POLITE = re.compile(r"^\W*(?:\w+\W+)?(?:can|could|would|will) you\b|\bplease\b|\bpls\b|\bhow about\b", re.IGNORECASE)
_QUESTION = re.compile(
    r"^(?:why|how|what|when|where|who|which|is|are|was|were|did|do (?:i|we|you|they)|does|has|have|should|shall|may"
    r"|might|could|can|must|will)\b"
)
_STARTS = re.compile(r"^\W*(?:can|could|may|should|shall|must) (?:i|we|it|the|that|this)\b", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:not|never|nothing|cannot|hardly)\b|n't\b|\bdont\b|\bwithout\b", re.IGNORECASE)
# denials with which people do give the order
_ORDERS = {  # by intent
    "drop": r"(?:not|n't|dont|never|cannot|nor) (?:really |ever |even )?(?:want|need|have|see|happen|occur|make sense"
    r"|apply|like|be here|exist|possible|any ?more)|no longer",
    "change": r"without (?:chang|touch|affect|alter)\w*|(?:not|never|n't) (?:happens?|occurs?|on|at|in|during|so|as)\b"
    r"|(?:but|and) not\b|not (?:its|the) \w+",
    "undo": r"not (?:mean|want)|n't (?:mean|want)",
    "benign": r"^(?!.*(?:not|n't) an? false)(?:.*(?:not|n't|never|dont) (?:\w+ ){0,2}(?:alert|alarm|flag|report|warn"
    r"|wake|bother|count|page|tell|a problem|an? (?:issue|anomaly|fault|error|failure|event))"
    r"|.*nothing (?:to worry|unusual|wrong))",
    "add": r"(?:not|never|n't) (?:\w+ ){0,2}(?:move|change|return|come back|recover|close|open|update|respond)\w*",
    "rate": r".*",
    "mine": r"^$",
    "train": r"^$",
    "restore": r"^$",
}
# what takes an order back
_WAIT = re.compile(
    r"\b(?:no,? wait|wait,? no|hold on|hang on|not yet|on second thoughts?)\b|\bor (?:rather |maybe )?not\W*$"
    r"|[,.;:?!-]\s*(?:actually,? )?(?:no|nope|never ?mind|forget it|don't|wait)\W*$",
    re.IGNORECASE,
)
# a denial that names an order
_NO_ORDER = re.compile(
    r"(?:\bnot|\bnever|\bcannot|n't|\bdont|\bwithout) (?:\w+ ){0,2}(?:drop|remov|delet|discard|throw|kick|get rid|touch"
    r"|chang|train|run|start|go|scor|min(?:e|ing)|add|restor|bring|put|undo|revert|do|want|need)", re.IGNORECASE,
)  # fmt: skip
_OPINION = re.compile(
    r"\b(?:is|are|looks?|seems?|was) (?:\w+ )?(?:wrong|off|bad|odd|weird|strange|incorrect|not right)\b", re.I
)
_EXCEPT = re.compile(r"\b(?:except|apart from|other than|all but|everything but|instead of|rather than|unless)\b", re.I)
_REPORTED = re.compile(
    r"\b(?:was|were|has|have|had|got|is|are|been)? ?(?:dropped|removed|deleted|restored|undone)\b", re.I
)


def not_an_order(intent: Intent, transcript: Transcript) -> str | None:
    """Return the answer to a request that sounds like an intent and does not order it; None if it does.

    A question is answered with what would have to be said, and so is a denial that may mean either.
    """
    text = transcript.request
    if _NOTHING.match(text) or (intent.id != "rate" and _WAIT.search(text)):
        return NOTHING
    denied = _NEGATED.search(text) is not None and not re.search(_ORDERS.get(intent.id, "^$"), text, re.IGNORECASE)
    if denied and intent.id in ("drop", "restore", "undo", "train", "mine", "add") and _NO_ORDER.search(text):
        return NOTHING
    polite = _POLITE.search(text) is not None and not _STARTS.search(text)
    asked = not polite and (
        _QUESTION.match(in_plain_words(text)) or _STARTS.search(text) or text.rstrip().endswith("?")
    )
    asked = asked and intent.id not in ("mine", "rate")  # they ask before they do anything
    partly = intent.id in ("drop", "restore", "undo") and (_EXCEPT.search(text) or _REPORTED.search(text))
    partly = partly or (intent.id == "drop" and _OPINION.search(text))
    if not (denied or asked or partly):
        return None
    return ask(
        f"I did nothing. Do you want me to {intent.title}?", _OPTIONS.get(intent.id, _example)(intent, transcript)
    )


def _example(intent: Intent, transcript: Transcript) -> list[str]:
    """Return requests that order an intent, for the rule in question."""
    rule = named_rules(transcript, intent.id == "restore").rule
    return [example_of(intent, transcript) if rule is None else intent.example.replace("RULE", rule)]


def _changes(intent: Intent, transcript: Transcript) -> list[str]:
    rule = named_rules(transcript).rule or "RULE"
    return [f"make {rule} longer", f"make {rule} shorter", f"make {rule} half as large"]


def _new_rule(intent: Intent, transcript: Transcript) -> list[str]:
    return [f"add a rule: {transcript.request.strip(' .?!')}", "list the rules"]


def _normal(intent: Intent, transcript: Transcript) -> list[str]:
    rank = event_number(transcript)
    return [example_of(intent, transcript)] if rank is None else [f"event {rank} is normal", f"why event {rank}"]


_OPTIONS: dict[str, Callable[[Intent, Transcript], list[str]]] = {
    "change": _changes,
    "add": _new_rule,
    "benign": _normal,
}
