"""Read a text or a log about a series: each sentence becomes hints at failures, or a remark on what else it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ape.agents.records import Hint, Remark
from ape.agents.understanding.channels import WHEN, Channel, affected, describe_channels, measured_in, mentioned
from ape.agents.understanding.dates import dated_times, is_planned_work
from ape.agents.understanding.direction import Direction, direction, moves
from ape.agents.understanding.frequency import shares
from ape.agents.understanding.meaning import Meaning, meanings
from ape.agents.understanding.quantities import durations, in_samples
from ape.agents.understanding.roles import Statement, clarity, statements
from ape.agents.understanding.sentences import clauses, sentences
from ape.agents.understanding.sizes import resolve, sizes
from ape.agents.understanding.subjects import acts_on, others_follow
from ape.agents.understanding.times import WEEKDAY_NAMES, after_change, hours, level, like_weekdays, weekdays
from ape.rules import OPERATORS
from ape.rules.schema import Range

Source = Literal["text", "log"]
LONGEST_QUOTE = 200  # characters
CLEAR_ALTERNATIVE, CLEAR_EFFECT = 0.35, 0.5  # clarity, from which a clause can name a failure of its own
TYPICAL = 3.0  # factor for morphologies that are typical of the mechanism
BY_PROCESS = 0.5  # factor of stuck sensors, if a text blames a process
RATE = 0.8  # probability of a drift, if a text gives a rate
VAGUE = 0.3  # probability of the best mechanism, below which the movement that a text tells decides
MOST_HINTS = 3  # of a sentence
MOST_CHANNELS = 8  # of a hint
MOST_UNRESOLVED = 4
LEAST_STRENGTH = 0.05
NEAR = 1 / 3  # probability of the second mechanism relative to the first, from which it is kept
_SLOWLY = re.compile(
    r"\b(?:slow(?:ly)?|gradual(?:ly)?|creep\w*|little by little|bit by bit|drift\w*|over (?:\w+ )?(?:days|weeks"
    r"|months|years)|steadily)\b",
    re.IGNORECASE,
)
# time, level and origin at the beginning of a line of a log
_STAMP = re.compile(
    r"^\W*(?:\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}|[A-Z][a-z]{2} {1,2}\d{1,2})"
    r"(?:[T ,]+\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?)?"
    r"(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?\W*(?:(?:DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b\W*)?",
)
_OR = re.compile(r"(?:,|\b)\s*or(?: else)?\s|;\s+(?:it |they |also |sometimes |at times |another)", re.IGNORECASE)
_TYPICAL_OF: dict[str, set[str]] = {}
for _operator in OPERATORS.values():
    _TYPICAL_OF.setdefault(_operator.broad.mechanism, set()).add(_operator.broad.morphology)


@dataclass(frozen=True)
class Reading:
    """What a text says about a series.

    Parameters
    ----------
    hints : list of Hint
        Failures, and unusual things that are normal (`Hint.benign`), in the order of the text. A sentence that names
        several failures gives a hint for each; a failure that is named twice gives a hint each time.
    remarks : list of Remark
        All other sentences.
    """

    hints: list[Hint]
    remarks: list[Remark]


def read_statements(
    lines: Iterable[tuple[int, str]],
    channels: Sequence[str],
    source: Source = "text",
    step_seconds: float | None = None,
) -> Reading:
    """Read numbered lines of a text or log.

    Parameters
    ----------
    lines : iterable of (int, str)
        Line numbers from 1, and lines.
    channels : sequence of str
        Names of the channels of the series.
    source : {"text", "log"}
    step_seconds : float, optional
        Seconds between samples, for lengths that are given in samples.

    Returns
    -------
    Reading
        Each sentence is the quote of at least one hint, or of one remark.
    """
    numbered = list(lines)
    split = sentences(numbered)
    known = describe_channels(channels, [text for _, text in numbered] if source == "text" else [])
    bare = [_STAMP.sub("", sentence.text) or sentence.text for sentence in split]
    told = statements(split, _meanings(bare), known, source)
    reader = _Reader(known, source, step_seconds)
    hints: list[Hint] = []
    remarks: list[Remark] = []
    topics: list[tuple[list[int], str]] = []  # hints of one failure, and all that the text says about it
    for statement, text in zip(told, bare, strict=True):
        found = reader.hints(statement, text, hints)
        new = list(range(len(hints), len(hints) + len(found)))
        if statement.continues and topics:
            indices, said = topics[-1]
            topics[-1] = ([*indices, *new], f"{said} {text}")
        elif found and not found[0].benign:
            topics.append((new, text))
        hints += found
        if not found:
            remarks.append(_remark(statement))
    for (indices, _), share in zip(topics, shares([said for _, said in topics]), strict=True):
        for k in indices:
            hints[k] = hints[k].model_copy(update={"share": share})
    return Reading(hints, remarks)


@dataclass(frozen=True)
class _Reader:
    """Writes the hints of sentences about some channels."""

    channels: Sequence[Channel]
    source: Source
    step_seconds: float | None

    def hints(self, statement: Statement, text: str, before: Sequence[Hint]) -> list[Hint]:
        """Hints of a sentence; one that continues the sentence before it repeats that one's failure."""
        if statement.continues and before:
            hint = self._continued(statement, text, before[-1])
            return [hint] if hint is not None else []
        if (planned := self._planned(statement)) is not None:
            return [planned]
        if statement.role == "benign":
            if (like := self._like_days(statement)) is not None:
                return [like]
            found = [self._hint(statement, part, text, statement.meaning) for part in self._moves(text)]
            return found if len(found) < 2 else [_moving(hint, text) for hint in found]
        if statement.role != "failure":
            return []
        if statement.label:
            text = f"{statement.label}: {text}"
        parts = self._failures(text, statement.meaning)
        return [
            self._hint(statement, part, text, meaning, secondary=k > 0 and not alternative)
            for k, (part, meaning, alternative) in enumerate(parts[:MOST_HINTS])
        ]

    def _planned(self, statement: Statement) -> Hint | None:
        """The hint of a sentence that gives the date of planned work, or of something else that is normal."""
        text = statement.sentence.text
        known = statement.role == "benign" or (statement.role != "other" and is_planned_work(text))
        times = dated_times(text) if known else None
        if times is None:
            return None
        return self._normal(statement, f"planned from {times.begin} to {times.end}", times=times)

    def _like_days(self, statement: Statement) -> Hint | None:
        """The hint of a sentence that says that some days look like other days of the week."""
        days = like_weekdays(statement.sentence.text)
        if not days:
            return None
        named = ", ".join(WEEKDAY_NAMES[day].capitalize() for day in days)
        return self._normal(statement, f"days that look like {named}", like_weekdays=days)

    def _moves(self, text: str) -> list[str]:
        """The clauses that move different channels a way each, of an event that moves several; else the whole text."""
        found: list[str] = []
        seen: set[str] = set()
        for part in clauses(text):
            names = set(affected(part, self.channels).names)
            if names - seen and direction(part) != "either":
                found.append(part)
                seen |= names
        return found[:MOST_HINTS] if len(found) > 1 else [text]

    def _normal(self, statement: Statement, rationale: str, **when: Any) -> Hint:
        """The hint of a sentence that says when something is normal, and not what."""
        sentence = statement.sentence
        return Hint(
            rationale=rationale,
            quote=sentence.text[:LONGEST_QUOTE],
            source=self.source,
            line=sentence.line,
            benign=True,
            mechanism="abrupt_change",
            **when,
        )

    def _failures(self, text: str, meaning: Meaning) -> list[tuple[str, Meaning, bool]]:
        """Clauses that name different failures, with their meanings, and whether each is an alternative to the first.

        A clause joined by "or" is an alternative. Other clauses tell what else the failure does, which is an anomaly of
        its own only if they name other channels.
        """
        parts = clauses(text)
        if len(parts) < 2:
            return [(text, meaning, False)]
        groups: list[tuple[str, Meaning, bool]] = []
        position = 0
        for part, each in zip(parts, _meanings(parts), strict=True):
            start = text.find(part, position)
            alternative = _OR.search(text[max(0, position - 2) : start + 1]) is not None
            position = start + len(part)
            same = next(
                (k for k, group in enumerate(groups) if _best(group[1].mechanisms) == _best(each.mechanisms)), None
            )
            clear = clarity(each) >= (CLEAR_ALTERNATIVE if alternative or not groups else CLEAR_EFFECT)
            measured = bool(groups) and self._measured(part, groups[0][0])
            if groups and not measured and (not clear or same is not None):
                k = len(groups) - 1 if same is None or not clear else same
                groups[k] = (f"{groups[k][0]}, {part}", *groups[k][1:])
            elif groups and not groups[0][1].mechanisms:
                groups[0] = (f"{groups[0][0]}, {part}", each, False)
            else:
                groups.append((part, each if clear or measured else Meaning(each.roles, {}, {}), alternative))
        first = set(affected(groups[0][0], self.channels).names)
        kept = [
            group
            for group in groups[1:]
            if group[2] or (first and set(affected(group[0], self.channels).names) - first)
        ]
        return [groups[0], *kept] if kept and groups[0][1].mechanisms else [(text, meaning, False)]

    def _measured(self, part: str, first: str) -> bool:
        """Whether a clause gives the size of a change of other channels than the first one."""
        names = set(affected(part, self.channels).names)
        return bool(names and sizes(part) and not names & set(affected(first, self.channels).names))

    def _hint(self, statement: Statement, part: str, text: str, meaning: Meaning, *, secondary: bool = False) -> Hint:
        """The hint of a clause; what it does not say itself, the sentence says."""
        blamed = acts_on(part) or acts_on(text)
        mechanisms, morphologies = _with_circumstances(meaning, part, blamed)
        mechanism = _best(mechanisms)
        mentions = affected(part, self.channels)
        if not mentions.names and not mentions.ambiguous and part != text:
            mentions = affected(text, self.channels)
        spans = durations(_without_sizes(part), self.step_seconds) or durations(_without_sizes(text), self.step_seconds)
        seconds = Range(low=spans[0][0], high=spans[0][1]) if spans else None
        names, unresolved = list(mentions.names), [] if mentions.names else list(mentions.ambiguous)
        change = amount = None
        way: Direction = direction(part)
        for size in sizes(part):
            resolved = resolve(size, names, self.channels, seconds)
            if resolved.unresolved is not None:
                unresolved.append(resolved.unresolved)
            elif change is None and amount is None:
                change, amount = resolved.change, resolved.amount
                way = size.direction if size.direction != "either" else way
                names = [*names, resolved.channel] if resolved.channel and not names else names
        if not names and not unresolved:
            names = measured_in(part, self.channels) or measured_in(text, self.channels)
        counted = None if spans else in_samples(part)
        clear = (1.0 if statement.role == "benign" else meaning.roles["failure"]) * (0.5 if secondary else 1.0)
        second = _best({term: share for term, share in mechanisms.items() if term != mechanism})
        near = not secondary and statement.role != "benign" and mechanisms[second] >= NEAR * mechanisms[mechanism]
        return Hint(
            rationale=f"'{part[:120]}' is a case of {mechanism.replace('_', ' ')}",
            quote=statement.sentence.text[:LONGEST_QUOTE],
            source=self.source,
            line=statement.sentence.line,
            benign=statement.role == "benign",
            mechanism=mechanism,
            strength=round(min(1.0, max(LEAST_STRENGTH, clear * mechanisms[mechanism])), 3),
            second_mechanism=second if near else None,
            second_strength=round(min(1.0, clear * mechanisms[second]), 3) if near else 0.0,
            morphology=_best(_typical(morphologies, mechanism)),
            acts_on=blamed if blamed == "sensor" or others_follow(text) else None,
            seconds=seconds,
            samples=Range(low=counted[0], high=counted[1]) if counted else None,
            change=change,
            amount=amount,
            direction=way,
            level=level(self._about(names, text)),
            hours=hours(text),
            weekdays=weekdays(text),
            after_change=after_change(text),
            channels=names[:MOST_CHANNELS],
            unresolved=list(dict.fromkeys(each[:80] for each in unresolved))[:MOST_UNRESOLVED],
        )

    def _about(self, names: Sequence[str], text: str) -> str:
        """The text without conditions on other channels than those affected."""
        return WHEN.sub(
            lambda match: match[0] if set(mentioned(match[0], self.channels).names) <= set(names) else " ", text
        )

    def _continued(self, statement: Statement, text: str, before: Hint) -> Hint | None:
        """The failure of the sentence before with what this one adds; None if it adds nothing."""
        own = self._hint(statement, text, text, statement.meaning)
        added = {
            field: value
            for field in (
                "seconds",
                "samples",
                "change",
                "amount",
                "level",
                "hours",
                "weekdays",
                "after_change",
                "unresolved",
            )
            if (value := getattr(own, field))
        }
        if not added and not own.channels:
            return None
        return before.model_copy(
            update={
                **added,
                "rationale": f"more about '{before.quote[:120]}'",
                "quote": own.quote,
                "line": own.line,
                "direction": before.direction if own.direction == "either" else own.direction,
                "channels": before.channels or own.channels,
            }
        )


def _moving(hint: Hint, text: str) -> Hint:
    """The hint of a clause that says which way a channel moves: its level changes, whatever the event is called."""
    slow = _SLOWLY.search(text) is not None
    mechanism, morphology = ("gradual_drift", "ramp") if slow else ("abrupt_change", "step")
    return hint.model_copy(update={"mechanism": mechanism, "morphology": morphology, "strength": 1.0})


def _meanings(texts: Sequence[str]) -> list[Meaning]:
    """Meanings of texts, of which those that differ in numbers only are looked up once."""
    keys = [re.sub(r"\d+", "0", text) for text in texts]
    first = dict(zip(reversed(keys), reversed(texts), strict=True))
    found = dict(zip(first, meanings(list(first.values())), strict=True))
    return [found[key] for key in keys]


def _with_circumstances(meaning: Meaning, text: str, blamed: str | None) -> tuple[dict[str, float], dict[str, float]]:
    """Mechanisms and morphologies, given whom a text blames, and that it tells a movement if its words are vague."""
    mechanisms, morphologies = dict(meaning.mechanisms), dict(meaning.morphologies)
    if blamed == "process":
        mechanisms["stuck_sensor"] *= BY_PROCESS
    if any(size.per is not None for size in sizes(text)):
        mechanisms = {term: (1 - RATE) * share for term, share in mechanisms.items()} | {"gradual_drift": RATE}
        morphologies = {"ramp": 1.0}
    if max(mechanisms.values()) < VAGUE and moves(text):
        slow = _SLOWLY.search(text) is not None
        mechanisms["gradual_drift" if slow else "abrupt_change"] = VAGUE
        morphologies = {"ramp" if slow else "step": 1.0}
    return mechanisms, morphologies


def _without_sizes(text: str) -> str:
    """The text without sizes of changes, of which rates and changes of times look like lengths."""
    for size in sizes(text):
        text = text[: size.start] + " " * len(size.text) + text[size.start + len(size.text) :]
    return text


def _typical(morphologies: dict[str, float], mechanism: str) -> dict[str, float]:
    """Morphologies, with those that are typical of the mechanism more likely."""
    typical = _TYPICAL_OF[mechanism]
    return {term: share * (TYPICAL if term in typical else 1.0) for term, share in morphologies.items()}


def _best(shares: dict[str, float]) -> str:
    return max(shares, key=lambda term: shares[term], default="")


def _remark(statement: Statement) -> Remark:
    role = statement.role
    use: Literal["normal", "other", "not understood"] = "normal"
    if role == "other":
        use = "other"
    elif role in ("failure", "not understood") and not statement.continues:
        use = "not understood"
    reason = "about the sentence before it" if statement.continues else statement.reason
    return Remark(
        line=statement.sentence.line, quote=statement.sentence.text[:LONGEST_QUOTE], use=use, reason=reason[:200]
    )
