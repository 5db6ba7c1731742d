"""The embedded guide: what a person asks in plain words, as tool calls; what came of them, in a few sentences.

It understands what `HELP` lists, and says so where it does not understand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ape.agents.expert.candidates import CANDIDATES, Candidate
from ape.agents.expert.lexicon import hints
from ape.agents.expert.quantities import sampling_step
from ape.agents.expert.reading import Result, Transcript
from ape.agents.expert.telling import told
from ape.agents.records import Hint
from ape.rules import OPERATORS
from ape.rules.schema import (
    CONVERSATION,
    ContextualPrior,
    DurationPrior,
    Evidence,
    Parameter,
    RuleDraft,
    ScalePrior,
    Step,
)

Calls = list[tuple[str, dict[str, Any]]]

HELP = """I understand:
- what does the series do; what is its period, trend, spectrum; where is it odd; where does it change; show 200 to 900
- mine (find out how it could go wrong), list the rules, why RULE, twenty examples of RULE
- add a rule: the sensor gets stuck for 20 to 40 samples
- make RULE larger, smaller, twice as long, shorter, slower, more abrupt, rarer, more frequent; only at night; only
  between 8 and 17; only when the value is high; only on CHANNEL; anywhere
- drop RULE, restore RULE, compare with the mined ones
- go: train a detector, post-train it with the rules, score the series; then: show the scores
Names of rules are those in the list; "it" is the one we spoke of last."""

TIMES = {  # hours of the day
    "night": (22.0, 30.0), "day": (6.0, 18.0), "daytime": (6.0, 18.0), "morning": (6.0, 12.0),
    "afternoon": (12.0, 18.0), "evening": (18.0, 23.0),
}  # fmt: skip
READING = "read_text"
MORE, LESS = 1.5, 0.67
MOST_CHANNELS = 4  # in a picture
WINDOW = 64  # samples that are compared where there is no cycle
NUMBERS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "twelve": 12, "twenty": 20, "thirty": 30,
    "twice": 2, "double": 2, "thrice": 3,
}  # fmt: skip
_FACTOR = re.compile(r"\b(?P<number>\d+(?:\.\d+)?|two|three|four|five|ten) times\b|\b(?P<twice>twice|double)\b", re.I)
_HALF = re.compile(r"\b(?:half|halve)\b", re.I)
_BETWEEN = re.compile(r"\b(?:between|from)\s+(\d{1,2})(?::00)?\s*(?:h|am|pm)?\s*(?:and|to|-)\s*(\d{1,2})(?::00)?", re.I)
_RANGE = re.compile(r"\b(\d+)\s*(?:to|-|–|and|\.\.)\s*(\d+)\b")
_SAMPLES = re.compile(r"\b(\d+)(?:\s*(?:to|-|–|and)\s*(\d+))?\s*(?:samples?|points?|steps?)\b", re.I)
_COUNT = re.compile(r"\b(\d+|two|three|four|five|six|ten|twelve|twenty|thirty)\s+(?:\w+\s+)?examples?\b", re.I)
_ADD = re.compile(
    r"^\s*(?:please\s+)?(?:add|propose|write|include)\b[^:]*?\b(?:rule|failure|mode|anomal\w+)\b\s*:?", re.I
)
_MOVES = re.compile(r"\b(?:drop|fall|sink|rise|climb|surge|plunge|go(?:es)? (?:up|down))(?:s|ped|en)?\b", re.I)
_NOT_NOW = re.compile(r"\b(?:weekends?|sundays?|mondays?|saturdays?|holidays?|winter|summer|months?)\b", re.I)


def next_calls(seen: Transcript) -> Calls:
    """What to do about the last thing that was said; nothing once that is done."""
    if _done(seen):
        return []
    intent = _intent(seen)
    return intent if isinstance(intent, list) else []


def tell(seen: Transcript) -> str:
    """What came of it, or why nothing can."""
    if not _done(seen):
        intent = _intent(seen)
        return intent if isinstance(intent, str) else HELP
    return "\n\n".join(told(result) for result in _done(seen))


def _done(seen: Transcript) -> list[Result]:
    """What was done about the last thing that was said, beyond reading up on it."""
    return [result for result in seen.results[seen.known :] if result.tool != READING]


def _intent(seen: Transcript) -> Calls | str:
    """Tool calls for what was said, or an answer."""
    said = seen.said
    if _ADD.match(said):
        return _added(seen)
    for pattern, act in INTENTS:
        if pattern.search(said) and (calls := act(seen)):
            return calls
    return f"I cannot make anything of that. {HELP}"


def _rule(seen: Transcript) -> str | None:
    """The rule that was named, or the one that was spoken of last; none where that was of several."""
    rules = [*seen.task.get("rules", []), *seen.task.get("dropped", [])]
    for text in (seen.said, *reversed(seen.earlier)):
        if named := _named(text, rules):
            return named.pop() if len(named) == 1 else None
    return rules[0] if len(rules) == 1 else None


def _named(text: str, rules: list[str]) -> set[str]:
    """Rules whose ids stand in the text, with whatever between their words; of ids within each other the longest."""
    found: set[str] = set()
    for rule in sorted(rules, key=len, reverse=True):
        spaced = r"[\s_-]+".join(map(re.escape, re.split(r"[_-]", rule)))
        words = re.compile(rf"\b{spaced}\b", re.I)
        if words.search(text):
            found.add(rule)
            text = words.sub(" ", text)
    return found


def _about(act: Callable[[Transcript, str], Calls | str]) -> Callable[[Transcript], Calls | str]:
    """An act about a rule; without one it asks which."""

    def with_rule(seen: Transcript) -> Calls | str:
        rule = _rule(seen)
        if rule is None:
            listed = ", ".join(seen.task.get("rules", []))
            return f"Which rule do you mean? There are: {listed}." if listed else "There are no rules yet: say 'mine'."
        return act(seen, rule)

    return with_rule


def _channel(seen: Transcript) -> str:
    channels = seen.task.get("channels", [])
    return next((name for name in channels if re.search(rf"\b{re.escape(name)}\b", seen.said, re.I)), channels[0])


def _measured(tool: str, draw: str | None = None) -> Callable[[Transcript], Calls]:
    def calls(seen: Transcript) -> Calls:
        asked = {"channel": _channel(seen)}
        return [(tool, asked), *([(draw, asked)] if draw else [])]

    return calls


def _cycles(seen: Transcript) -> Calls:
    channel, period = _channel(seen), seen.task.get("period")
    drawn: Calls = [("render_cycles", {"channel": channel, "period": period})] if period else []
    return [("autocorrelation", {"channel": channel}), *drawn]


def _trend(seen: Transcript) -> Calls | str:
    channel, period = _channel(seen), seen.task.get("period")
    if not period:
        return "The series has no cycle that it could be taken apart by; 'where does it change' tells of its level."
    return [
        ("stl", {"channel": channel, "periods": [period]}),
        ("render_stl", {"channel": channel, "period": period}),
    ]


def _odd(seen: Transcript) -> Calls:
    asked = {"channel": _channel(seen), "window": seen.task.get("period") or WINDOW}
    return [("matrix_profile", asked), ("render_matrix_profile", asked)]


def _overview(seen: Transcript) -> Calls:
    channel, channels = _channel(seen), seen.task.get("channels", [])
    picture = ("render_overview", {"channel": channel})
    if len(channels) > 1:
        picture = ("render_channels", {"channels": channels[:MOST_CHANNELS]})
    measured = [(tool, {"channel": channel}) for tool in ("robust_stats", "autocorrelation")]
    return [("describe_series", {}), *measured, picture]


def _zoom(seen: Transcript) -> Calls | str:
    found = _RANGE.search(seen.said)
    if found is None:
        return [("render_overview", {"channel": _channel(seen)})]
    begin, end = sorted((int(found[1]), int(found[2])))
    return [("render_zoom", {"channel": _channel(seen), "begin": begin, "end": end})]


def _examples(seen: Transcript, rule: str) -> Calls:
    found = _COUNT.search(seen.said)
    count = 6 if found is None else NUMBERS.get(found[1].lower()) or int(found[1])
    return [("show_examples", {"rule_id": rule, "count": min(count, 30)})]


def _compare(seen: Transcript) -> Calls:
    found = re.search(r"\b(\d+)\b", seen.said)
    early = {"begin": 0, "start": 0, "first": 0, "mined": 1}  # changes that had been made by then
    last = int(seen.task.get("changes", 0)) - 1
    version = next((count for word, count in early.items() if word in seen.said.lower()), last)
    return [("compare_banks", {"version": max(int(found[1]) if found else version, 0)})]


def _edit(seen: Transcript, rule: str) -> Calls | str:
    """A change of size, length, pace, weight or place."""
    said, change = seen.said, dict[str, Any]()
    factor = _factor(said)
    for words, name, more in CHANGES:
        if words.search(said):
            change[name] = factor if factor and more else 1 / factor if factor else MORE if more else LESS
    if re.search(r"\bslow|\bgradual|\bcreep", said, re.I):
        change |= {"gradual": True, "length": change.get("length", factor or MORE)}
    if re.search(r"\bfaster|\babrupt|\bsudden", said, re.I):
        change |= {"gradual": False, "length": change.get("length", 1 / factor if factor else LESS)}
    place = _place(seen)
    if isinstance(place, str):
        return place
    change |= place
    if not change:
        return f"What should change about {rule}? {HELP}"
    return [("change_rule", {"rule_id": rule, "asked": said[:400], **change})]


def _factor(said: str) -> float | None:
    if _HALF.search(said):
        return 0.5 if re.search(r"\bhalf as (?:large|big|long|strong|often)", said, re.I) else 2.0
    found = _FACTOR.search(said)
    if found is None:
        return None
    return 2.0 if found["twice"] else float(NUMBERS.get(found["number"].lower(), 0) or found["number"])


def _place(seen: Transcript) -> dict[str, Any] | str:
    """Where and when, as what was said bounds it."""
    said, place = seen.said, dict[str, Any]()
    if _NOT_NOW.search(said):
        return "A rule can be bound to hours of the day, to levels, to activity and to channels, not to dates."
    if re.search(r"\b(?:anywhere|any ?time|always|everywhere|whenever)\b", said, re.I):
        place["anywhere"] = True
    if (hours := _BETWEEN.search(said)) and re.search(r"\b(?:only|hours?|o'clock|h|am|pm)\b", said, re.I):
        begin, end = float(hours[1]), float(hours[2])
        place["hours"] = {"low": begin, "high": end if end > begin else end + 24}
    else:
        for word, (begin, end) in TIMES.items():
            if re.search(rf"\b(?:at|in the|by|during the|during) {word}\b", said, re.I):
                place["hours"] = {"low": begin, "high": end}
    if found := re.search(r"\bwhen\b.*\b(high|low|middle)\b", said, re.I):
        place["level"] = [found[1].lower()]
    elif found := re.search(r"\bwhen\b.*\b(busy|lively|active|quiet|calm|idle)\b", said, re.I):
        place["activity"] = ["low" if found[1].lower() in ("quiet", "calm", "idle") else "high"]
    named = [name for name in seen.task.get("channels", []) if re.search(rf"\b{re.escape(name)}\b", said, re.I)]
    if named and re.search(r"\b(?:on|in|for)\b", said, re.I):
        place["channels"] = named
    return place


def _added(seen: Transcript) -> Calls | str:
    """A rule for what was told, as far as the words say which."""
    told = _ADD.sub("", seen.said).strip() or seen.said
    channels = seen.task.get("channels", [])
    found = hints([(1, told)], channels) or hints([(1, _MOVES.sub("jumps", told))], channels)
    if not found:
        return "I do not see which kind of failure you mean. Say what happens: it sticks, drifts, jumps, drops out, ..."
    hint = found[0]
    if hint.seconds is not None and not _SAMPLES.search(told) and _step(seen, told) is None:
        if not seen.called(READING):
            return [(READING, {})]
        return (
            "You gave a time, and nothing says how far apart the samples are. Give the length in samples, or say in the"
            " same sentence how often there is one, as 'sampled every 10 s'."
        )
    same = [each for each in CANDIDATES if each.mechanism == hint.mechanism and _possible(each, seen)]
    like = [each for each in same if each.morphology == hint.morphology]
    if not same:
        return f"Nothing that I can generate here stands for {hint.mechanism.replace('_', ' ')}."
    draft = _draft(seen, (like or same)[0], hint, told)
    return [("add_rule", {"draft": draft.model_dump(mode="json"), "asked": seen.said[:400]})]


def _possible(candidate: Candidate, seen: Transcript) -> bool:
    several = len(seen.task.get("channels", [])) > 1
    cyclic = bool(seen.task.get("period")) or "periodic" not in candidate.needs
    return cyclic and (several or not OPERATORS[candidate.operator].relational)


def _draft(seen: Transcript, candidate: Candidate, hint: Hint, told: str) -> RuleDraft:
    taken = {*seen.task.get("rules", []), *seen.task.get("dropped", [])}
    names = (f"{candidate.id}{suffix}" for suffix in ("", *(f"-{number}" for number in range(2, 99))))
    return RuleDraft(
        note=f"asked for: {told}"[:400],
        id=next(name for name in names if name not in taken),
        mechanism=candidate.mechanism,
        morphology=candidate.morphology,
        context=ContextualPrior(level=hint.level if len(hint.level) == 1 else [], channels=hint.channels),
        scale=ScalePrior(low=candidate.scale[0], high=candidate.scale[1], unit=candidate.scale[2]),  # type: ignore[arg-type]
        duration=_duration(seen, candidate, hint, told),
        program=[
            Step(
                operator=candidate.operator,
                parameters=[Parameter(name=n, low=low, high=high) for n, (low, high) in candidate.parameters.items()],
            )
        ],
        evidence=[Evidence(kind="text", id=CONVERSATION, quote=told[:300])],
    )


def _step(seen: Transcript, told: str) -> float | None:
    """Seconds between samples: of the timestamps, or as was said, or as the scenario's text says."""
    texts = [line["text"] for result in seen.all(READING) for line in result.value["lines"]]
    found = (sampling_step(text) for text in (told, *texts))
    return seen.task.get("step_seconds") or next((step for step in found if step), None)


def _duration(seen: Transcript, candidate: Candidate, hint: Hint, told: str) -> DurationPrior:
    """As long as was said, in samples or by the clock where the step between samples is known."""
    step = _step(seen, told)
    if found := _SAMPLES.search(told):
        low = float(found[1])
        return DurationPrior(low=max(low, 1.0), high=max(float(found[2] or 2 * low), low, 1.0), unit="samples")
    if hint.seconds is not None and step:
        low = max(hint.seconds.low / step, 1.0)
        return DurationPrior(low=low, high=max(hint.seconds.high / step, low), unit="samples")
    low, high, unit = candidate.duration
    if unit == "periods" and not seen.task.get("period"):
        low, high = low * 64, max(high * 64, low * 64)
        unit = "samples"
    return DurationPrior(low=max(low, 1.0) if unit == "samples" else low, high=high, unit=unit)  # type: ignore[arg-type]


CHANGES = (
    (re.compile(r"\b(?:larger|bigger|stronger|larger|greater|as (?:large|big|strong))\b", re.I), "size", True),
    (re.compile(r"\b(?:smaller|weaker|subtler|milder)\b", re.I), "size", False),
    (re.compile(r"\b(?:longer|as long)\b", re.I), "length", True),
    (re.compile(r"\b(?:shorter|briefer)\b", re.I), "length", False),
    (re.compile(r"\b(?:more (?:often|frequent\w*|common)|as often|weigh\w* more)\b", re.I), "weight", True),
    (re.compile(r"\b(?:rarer|less (?:often|frequent\w*|common)|weigh\w* less)\b", re.I), "weight", False),
)


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})", re.I)


def _asked_of(tool: str) -> Callable[[Transcript], Calls | str]:
    return _about(lambda seen, rule: [(tool, {"rule_id": rule, "asked": seen.said[:400]})])


def _once(tool: str) -> Callable[[Transcript], Calls]:
    return lambda seen: [(tool, {})]


# In this order: the first that fits is taken.
INTENTS: tuple[tuple[re.Pattern[str], Callable[[Transcript], Calls | str]], ...] = (
    (_words(r"help\b", r"what can you"), lambda seen: HELP),
    (_words(r"why\b", r"reason for", r"explain"), _about(lambda seen, rule: [("why_rule", {"rule_id": rule})])),
    (_words(r"compare", r"what (?:has )?changed", r"diff"), _compare),
    (_words(r"(?:drop|remove|delete|reject|forget)\b"), _asked_of("drop_rule")),
    (_words(r"(?:restore|bring back|undrop)\b"), _asked_of("restore_rule")),
    (_words(r"examples?\b", r"what (?:does|would) .* look like"), _about(_examples)),
    (_words(r"(?:show (?:me )?)?(?:the )?scores?\b"), _once("show_scores")),
    (
        _words(
            r"make\b", r"change (?!points)", r"only\b", r"set\b", r"let\b", r"(?:more|less) (?:often|freq)", r"rarer"
        ),
        _about(_edit),
    ),
    (_words(r"list\b", r"(?:show|which|what are) (?:me )?(?:the |all |your )?(?:rules|failure)"), _once("list_rules")),
    (
        _words(r"mine\b", r"find (?:the )?(?:rules|failure|out how)", r"how (?:could|can|does) \w+ (?:go|fail|break)"),
        _once("mine_rules"),
    ),
    (_words(r"go\b(?! wrong)", r"train\b", r"enhance\b", r"post-train"), _once("train_and_score")),
    (_words(r"period", r"cycles?\b", r"season"), _cycles),
    (_words(r"spectr", r"frequenc"), _measured("spectrum", "render_spectrogram")),
    (_words(r"trend", r"decompos", r"stl\b"), _trend),
    (_words(r"odd\b", r"unusual", r"strange", r"discord"), _odd),
    (_words(r"change points?", r"where does it change", r"levels? change", r"regime"), _measured("change_points")),
    (_words(r"(?:show|zoom|plot|draw|look at)\b"), _zoom),
    (
        _words(r"what does \w+(?: \w+)? (?:do|look)", r"describe", r"overview", r"what is this", r"tell me about"),
        _overview,
    ),
)
