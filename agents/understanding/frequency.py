"""How often failures happen, by the words and figures of a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import geometric_mean

from ape.agents.understanding.quantities import FRACTIONS, NUMBER, SECONDS, any_of, number

YEAR = 365.25 * 86_400.0
USUAL_RATE = 12.0  # incidents a year of a failure whose rate the text does not say
LEAST_SHARE, MOST_SHARE = 0.05, 10.0
MOST_COMMON = 0.9  # largest share of all incidents that a text may claim for some failures

# how often, relative to a failure about which the text says nothing
_OFTEN: tuple[tuple[str, float], ...] = (
    (
        r"most (?:common|frequent|likely|usual|often)|number one|main (?:problem|trouble|cause|failure|issue)|by far"
        r"|mostly? (?:of the|of all) (?:failures|incidents|alarms|faults|trouble\w*|stops|outages)",
        3.0,
    ),
    (r"second most (?:common|frequent|likely)", 2.0),
    (
        r"very (?:often|common\w*|frequent\w*)|all the time|constantly|again and again"
        r"|every (?:few|other|couple of) (?:hours?|days?)",
        3.0,
    ),
    (r"(?:quite |fairly |rather |more )?(?:often|frequent(?:ly)?|common(?:ly)?|regularly)|repeatedly|many times", 2.0),
    (
        r"(?:very|extremely) rare(?:ly)?|almost never|hardly ever|exceptional(?:ly)?|only once|happened once"
        r"|once so far"
        r"|seen once|least (?:common|frequent|likely)",
        0.2,
    ),
    (
        r"rare(?:ly)?|seldom|uncommon|infrequent(?:ly)?|not often|once in a while|once in a blue moon|unlikely"
        r"|from time to time|every now and again",
        0.4,
    ),
)
_NOT_OFTEN = re.compile(r"\b(?:too|how|as|more and more|not|less|least|most|second most) $", re.IGNORECASE)
_PERIOD = rf"(?P<unit>{any_of(['day', 'week', 'month', 'year', 'quarter', 'season', 'shift', 'night', 'decade'])})s?"
_EVERY = re.compile(
    rf"\b(?:every|each) (?:(?P<few>few|couple of|several)|(?P<other>other|second)|(?P<number>{NUMBER})(?:\s*(?:to"
    rf"|or|-|–)\s*(?P<more>{NUMBER}))?)?\s*{_PERIOD}\b",
    re.IGNORECASE,
)
_TIMES = re.compile(
    r"\b(?:(?P<once>once|one time)|(?P<twice>twice|two times|a couple of times|once or twice)"
    rf"|(?P<few>a few times|several times)|(?P<number>{NUMBER})(?:\s*(?:to|or|-|–)\s*(?P<more>{NUMBER}))? times)"
    rf" (?:a|an|per|each|every|in a) {_PERIOD}\b",
    re.IGNORECASE,
)
_OF_ALL = re.compile(
    rf"\b(?:(?P<percent>\d+(?:[.,]\d+)?)\s*(?:%|per ?cent)"
    r"|(?P<part>(?:about |roughly |nearly |almost )?(?:half|a third|two thirds|a quarter|three quarters"
    r"|a fifth|a tenth))"
    rf"|(?P<k>{NUMBER}) (?:out of|in) (?P<n>{NUMBER})|(?P<most>most)) (?:of )?(?:all |our |the |its )*(?:\w+ )?"
    r"(?:failure|incident|alarm|fault|trouble|stop|outage|case|problem|event|breakdown)s?\b",
    re.IGNORECASE,
)
_PARTS_OF_ALL = FRACTIONS | {"three quarters": 0.75}
_PERIODS = {**SECONDS, "quarter": YEAR / 4, "season": YEAR, "decade": 10 * YEAR, "night": 86_400.0, "shift": 86_400.0}


def rate_per_year(text: str) -> float | None:
    """Return how often a year something happens, ``None`` if a text does not say so in figures."""
    if (match := _TIMES.search(text)) is not None:
        count = 1.0 if match["once"] else 2.0 if match["twice"] else 4.0 if match["few"] else _mean(match)
        return count * YEAR / _PERIODS[match["unit"].lower()]
    for match in _EVERY.finditer(text):
        if match["few"] or match["other"] or match["number"] or re.search(r"\bonce $", text[: match.start()], re.I):
            periods = 3.5 if match["few"] else 2.0 if match["other"] else _mean(match) if match["number"] else 1.0
            return YEAR / (periods * _PERIODS[match["unit"].lower()])
    return None


def claimed_share(text: str) -> float | None:
    """Return which share of all incidents a text claims for a failure, ``None`` if it claims none."""
    match = _OF_ALL.search(text)
    if match is None:
        return None
    if match["percent"]:
        share = number(match["percent"]) / 100
    elif match["part"]:
        share = max(value for words, value in _PARTS_OF_ALL.items() if match["part"].lower().endswith(words))
    elif match["k"]:
        share = number(match["k"]) / max(number(match["n"]), 1.0)
    else:
        share = 0.6
    return min(share, MOST_COMMON) if share > 0 else None


def relative_share(text: str) -> float:
    """Return how often something happens by the words of a text, relative to a failure without such words."""
    for pattern, share in _OFTEN:
        match = re.search(rf"\b(?:{pattern})\b", text, re.IGNORECASE)
        if match is not None and not _NOT_OFTEN.search(text[: match.start()]):
            return share
    return 1.0


def shares(texts: Sequence[str]) -> list[float]:
    """Return how often each of some failures happens, relative to the others, by the sentences about them."""
    rates, claims = [rate_per_year(text) for text in texts], [claimed_share(text) for text in texts]
    known = [rate for rate in rates if rate is not None]
    usual = geometric_mean(known) if len(known) == len(texts) > 1 else USUAL_RATE
    relative = [relative_share(text) if rate is None else rate / usual for text, rate in zip(texts, rates, strict=True)]
    claimed = sum(claim for claim in claims if claim is not None)
    if claimed:
        rest = sum(share for share, claim in zip(relative, claims, strict=True) if claim is None) or 1.0
        left = max(1.0 - claimed, 1.0 - MOST_COMMON)
        relative = [
            share if claim is None else claim / left * rest for share, claim in zip(relative, claims, strict=True)
        ]
    return [round(min(max(share, LEAST_SHARE), MOST_SHARE), 3) for share in relative]


def _mean(match: re.Match[str]) -> float:
    ends = [number(match[name]) for name in ("number", "more") if match[name]]
    return sum(ends) / len(ends)
