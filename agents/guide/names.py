"""Find the rules and the channels that a request speaks of: by name, by words for the failure, or as "it"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ape.agents.expert.transcript import Transcript
from ape.agents.understanding.channels import describe_channels, mentioned

FAILURE_WORDS = {  # everyday nouns and adjectives of each mechanism, as stems
    "stuck_sensor": "stuck stick freez frozen froze flat flatlin plateau hang jam standstill",
    "gradual_drift": "drift creep ramp foul wear leak clog degrad corro sag",
    "abrupt_change": "jump step shift",
    "transient": "spik burst peak blip puls surg dip glitch bump hiccup",
    "signal_loss": "dropout gap loss lost outag zero drop-out blackout",
    "noise_increase": "noise noisi rough scatter",
    "saturation": "clip saturat ceiling",
    "timing_disturbance": "delay late early skip missed",
    "gain_change": "swing amplitud gain",
    "damping": "smooth damp coarse",
    "waveform_change": "waveform",
    "misplaced_pattern": "misplac",
    "decoupling": "relation decoupl",
}
GENERIC = {"reading", "local", "level", "raised", "changed", "value", "stretch", "pattern", "change", "sensor", "cycle"}
_PRONOUN = re.compile(r"\b(?:it|its|it's|that|this|that one|this one|the rule|the same)\b", re.IGNORECASE)
_OF_EVENTS = re.compile(r"\b(?:events?|alarms?|alerts?)\b", re.IGNORECASE)
# a rule that is described, such as "the stuck one" or "the drift rule"
_DESCRIBED = re.compile(r"\b(?:the|that|this|my|your|a|of) ((?:[\w-]+ ){1,3}?)(?:one|rule|ones|rules)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """The rules that a request may speak of.

    Parameters
    ----------
    rules : tuple of str
        Ids; several if it is not clear which.
    how : str
        ``id``, ``words`` of the failure, ``earlier`` in the conversation, ``only`` one there is, or ``unknown``.
    """

    rules: tuple[str, ...]
    how: str

    @property
    def rule(self) -> str | None:
        """The rule, if it is clear which."""
        return self.rules[0] if len(self.rules) == 1 else None


def named_rules(transcript: Transcript, dropped: bool = False) -> Named:
    """Return the rules that a request speaks of; with ``dropped``, the dropped ones count before the present ones."""
    task = transcript.task
    present, gone = list(task.get("rules", [])), list(task.get("dropped", []))
    if by_id := rules_by_id(transcript.request, [*present, *gone]):
        return Named(tuple(by_id), "id")
    for known in (gone, present) if dropped else (present, gone):
        if by_words := _by_words(transcript.request, known, task.get("kinds", {})):
            return Named(tuple(by_words), "words")
    if _DESCRIBED.search(transcript.request) and not _PRONOUN.search(transcript.request):
        return Named((), "unknown")
    for text in reversed(transcript.earlier):
        if _OF_EVENTS.search(text):
            return Named((), "unknown")  # "it" may be the event
        if by_id := rules_by_id(text, [*present, *gone]):
            return Named(tuple(by_id), "earlier")
    return Named((present[0],), "only") if len(present) == 1 else Named((), "unknown")


def rules_by_id(text: str, rules: list[str]) -> list[str]:
    """Return the rules whose ids a text contains, with spaces or hyphens between the words.

    An id that is part of a longer one in the text does not count.
    """
    named = set()
    for rule in sorted(rules, key=len, reverse=True):
        words = _id_pattern(rule)
        if words.search(text):
            named.add(rule)
            text = words.sub(" ", text)
    return [rule for rule in rules if rule in named]


def without_rules(text: str, rules: list[str], stand_in: str) -> str:
    """Return a text with a stand-in for each rule that it names or describes."""
    parts = {part for rule in rules for part in re.split(r"[_\d-]+", rule) if len(part) > 3}
    for rule in sorted(rules, key=len, reverse=True):
        text = re.sub(rf"(?:\bthe |\brule )?{_id_pattern(rule).pattern}(?: rule| one)?", stand_in, text, flags=re.I)

    def describes(words: str) -> bool:
        return bool(mechanisms_in(words)) or any(_fits(word, part) for word in words.lower().split() for part in parts)

    return _DESCRIBED.sub(lambda match: stand_in if describes(match[1]) else match[0], text)


def without_channels(text: str, channels: list[str], stand_in: str) -> str:
    """Return a text with a stand-in for each channel that it names, and for what the channels measure."""
    for name in sorted(channels, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", stand_in, text, flags=re.IGNORECASE)
    known = describe_channels(channels)
    heads = "|".join(sorted({re.escape(head) for channel in known for head in channel.heads if len(head) > 1}))
    if not heads:
        return text
    of = "|".join(sorted({re.escape(word) for channel in known for word in channel.of if len(word) > 1})) or "(?!)"
    return re.sub(rf"\b(?:(?:{of}) )*(?:{heads})s?\b", stand_in, text, flags=re.IGNORECASE)


def channels_in(text: str, channels: list[str]) -> list[str]:
    """Return the channels that a text names, by their names or by what they measure, in their order."""
    found = mentioned(text, describe_channels(channels)).names
    return [name for name in channels if name in found]


def unsure_channels(text: str, channels: list[str]) -> list[str]:
    """Return the channels of which a text may mean one, if it names none plainly."""
    found = mentioned(text, describe_channels(channels))
    words = " ".join(found.ambiguous)
    return [] if found.names else [name for name in channels if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", words)]


def mechanisms_in(text: str) -> list[str]:
    """Return the mechanisms for which a text has an everyday word, in the order of the text."""
    words = re.findall(r"[a-z'-]+", text.lower())
    stems = {stem: mechanism for mechanism, listed in FAILURE_WORDS.items() for stem in listed.split()}
    found = (mechanism for word in words for stem, mechanism in stems.items() if _fits(word, stem))
    return list(dict.fromkeys(found))


def _by_words(request: str, rules: list[str], kinds: dict[str, list[str]]) -> list[str]:
    """Return the rules that most words of a request fit."""
    words = re.findall(r"[a-z]+", request.lower())
    fits, vaguely, described = {}, {}, _DESCRIBED.search(request)
    for rule in rules:
        mechanism, *morphology = kinds.get(rule, [""])
        stems = {
            *re.split(r"[_\d-]+", rule),
            *FAILURE_WORDS.get(mechanism, "").split(),
            *" ".join(morphology).split("_"),
        }
        stems = {stem for stem in stems if len(stem) > 3} | (stems & {"gap"})
        found = {stem for stem in stems if any(_fits(word, stem) for word in words)}
        fits[rule] = len(found - GENERIC)
        vaguely[rule] = len(found) if described else 0
    fits = fits if any(fits.values()) else vaguely
    most = max(fits.values(), default=0)
    return [rule for rule, count in fits.items() if count == most] if most else []


def _fits(word: str, stem: str) -> bool:
    return word.startswith(stem) and len(word) <= len(stem) + 4


def _id_pattern(rule: str) -> re.Pattern[str]:
    spaced = r"[\s_-]+".join(map(re.escape, re.split(r"[_-]", rule)))
    return re.compile(rf"\b{spaced}\b", re.IGNORECASE)
