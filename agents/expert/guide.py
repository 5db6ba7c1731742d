"""The embedded guide: turns a person's request into tool calls, and their results into an answer.

It understands the requests that `HELP` lists, and says so if it does not understand one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ape.agents.expert.new_rule import READ_TEXT, asks_for_new_rule, calls_for_new_rule
from ape.agents.expert.rule_change import parse_change
from ape.agents.expert.stretches import stretch_in
from ape.agents.expert.summaries import summarise
from ape.agents.expert.transcript import ToolCalls, ToolResult, Transcript

Action = Callable[[Transcript], ToolCalls | str]  # tool calls, or an answer

HELP = """I understand:
- what does the series do; what is its period, trend, spectrum; where is it odd; where does it change
- show 200 to 900 (positions); show 2024-01-31 8:00 to 12:00; show 2024-01-31
- mine (find out how it could go wrong), list the rules, why RULE, twenty examples of RULE
- add a rule: the sensor gets stuck for 20 to 40 samples
- make RULE larger, smaller, twice as long, shorter, slower, more abrupt, rarer, more frequent; only at night; only
  between 8 and 17; only when the value is high; only on CHANNEL; anywhere
- drop RULE, restore RULE, compare with the mined ones
- go: train a detector, post-train it with the rules, score the series; then: where is it anomalous, show the events,
  what is the threshold, how many alerts, show the scores

RULE is a name from the list; "it" is the rule that we talked about last."""

MOST_CHANNELS = 4  # in a picture
MOST_EXAMPLES = 30
FALLBACK_WINDOW = 64  # samples of the compared stretches if the series has no period
NUMBERS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "twelve": 12, "twenty": 20, "thirty": 30,
}  # fmt: skip
_COUNT = re.compile(r"\b(\d+|two|three|four|five|six|ten|twelve|twenty|thirty)\s+(?:\w+\s+)?examples?\b", re.I)


def next_calls(transcript: Transcript) -> ToolCalls:
    """Return the tool calls for the last request; none once they are done, or if there is nothing to call."""
    if _results(transcript):
        return []
    response = _respond(transcript)
    return response if isinstance(response, list) else []


def answer(transcript: Transcript) -> str:
    """Return a summary of the results, or why there are none."""
    if results := _results(transcript):
        return "\n\n".join(summarise(result, transcript.task.get("step_seconds")) for result in results)
    response = _respond(transcript)
    return response if isinstance(response, str) else HELP


def _results(transcript: Transcript) -> list[ToolResult]:
    """Results for the last request, without the text that was only read to understand it."""
    return [result for result in transcript.results[transcript.results_before :] if result.tool != READ_TEXT]


def _respond(transcript: Transcript) -> ToolCalls | str:
    """Tool calls for the last request, or an answer."""
    if asks_for_new_rule(transcript.request):
        return calls_for_new_rule(transcript)
    for pattern, action in INTENTS:
        if pattern.search(transcript.request) and (response := action(transcript)):
            return response
    return f"I do not understand that. {HELP}"


def _for_rule(action: Callable[[Transcript, str], ToolCalls | str]) -> Action:
    """Return an action on the rule in question, which asks for the rule if that is not clear."""

    def with_rule(transcript: Transcript) -> ToolCalls | str:
        rule = _rule_in_question(transcript)
        if rule is not None:
            return action(transcript, rule)
        listed = ", ".join(transcript.task.get("rules", []))
        return f"Which rule do you mean? The rules are: {listed}." if listed else "There are no rules yet: say 'mine'."

    return with_rule


def _rule_in_question(transcript: Transcript) -> str | None:
    """The rule that was mentioned last; ``None`` if several were mentioned in the same text."""
    rules = [*transcript.task.get("rules", []), *transcript.task.get("dropped", [])]
    for text in (transcript.request, *reversed(transcript.earlier)):
        if named := _named_rules(text, rules):
            return named.pop() if len(named) == 1 else None
    return rules[0] if len(rules) == 1 else None


def _named_rules(text: str, rules: list[str]) -> set[str]:
    """Rules whose ids a text contains, with spaces or hyphens between the words.

    An id that is part of a longer one in the text does not count.
    """
    named: set[str] = set()
    for rule in sorted(rules, key=len, reverse=True):
        spaced = r"[\s_-]+".join(map(re.escape, re.split(r"[_-]", rule)))
        words = re.compile(rf"\b{spaced}\b", re.I)
        if words.search(text):
            named.add(rule)
            text = words.sub(" ", text)
    return named


def _show_examples(transcript: Transcript, rule: str) -> ToolCalls:
    match = _COUNT.search(transcript.request)
    count = 6 if match is None else NUMBERS.get(match[1].lower()) or int(match[1])
    return [("show_examples", {"rule_id": rule, "count": min(count, MOST_EXAMPLES)})]


def _change_rule(transcript: Transcript, rule: str) -> ToolCalls | str:
    change = parse_change(transcript.request, transcript.task.get("channels", []))
    if isinstance(change, str):
        return change
    if not change:
        return f"What should change about {rule}? {HELP}"
    return [("change_rule", {"rule_id": rule, "asked": transcript.request[:400], **change})]


def _compare_banks(transcript: Transcript) -> ToolCalls:
    number = re.search(r"\b(\d+)\b", transcript.request)
    versions = {"begin": 0, "start": 0, "first": 0, "mined": 1}  # number of changes before each
    last = int(transcript.task.get("changes", 0)) - 1
    version = next((count for word, count in versions.items() if word in transcript.request.lower()), last)
    return [("compare_banks", {"version": max(int(number[1]) if number else version, 0)})]


def _channel(transcript: Transcript) -> str:
    """The channel that the request names, or the first one."""
    channels = transcript.task.get("channels", [])
    named = (name for name in channels if re.search(rf"\b{re.escape(name)}\b", transcript.request, re.I))
    return next(named, channels[0])


def _measure_cycle(transcript: Transcript) -> ToolCalls:
    channel, period = _channel(transcript), transcript.task.get("period")
    picture: ToolCalls = [("render_cycles", {"channel": channel, "period": period})] if period else []
    return [("autocorrelation", {"channel": channel}), *picture]


def _measure_trend(transcript: Transcript) -> ToolCalls | str:
    channel, period = _channel(transcript), transcript.task.get("period")
    if not period:
        return "The series has no period, so it cannot be decomposed. 'where does it change' reports changes of level."
    return [
        ("stl", {"channel": channel, "periods": [period]}),
        ("render_stl", {"channel": channel, "period": period}),
    ]


def _find_odd_stretches(transcript: Transcript) -> ToolCalls:
    arguments = {"channel": _channel(transcript), "window": transcript.task.get("period") or FALLBACK_WINDOW}
    return [("matrix_profile", arguments), ("render_matrix_profile", arguments)]


def _zoom(transcript: Transcript) -> ToolCalls | str:
    stretch = stretch_in(transcript.request)
    if stretch is not None:
        begin, end = stretch
        return [("render_zoom", {"channel": _channel(transcript), "begin": begin, "end": end})]
    if re.search(r"\d", _without_channels(transcript)):
        return f"From where to where? Say 'show 200 to 900', or times: '{_example_of_times(transcript)}'."
    return [("render_overview", {"channel": _channel(transcript)})]


def _without_channels(transcript: Transcript) -> str:
    """The request without the names of channels, which may contain numbers."""
    text = transcript.request
    for name in transcript.task.get("channels", []):
        text = re.sub(rf"\b{re.escape(name)}\b", " ", text, flags=re.I)
    return text


def _example_of_times(transcript: Transcript) -> str:
    first, last = (transcript.task.get(name) for name in ("first_time", "last_time"))
    return f"show {first} to {last}" if first and last else "show 2024-01-31 8:00 to 12:00"


def _describe(transcript: Transcript) -> ToolCalls:
    channel, channels = _channel(transcript), transcript.task.get("channels", [])
    picture = ("render_overview", {"channel": channel})
    if len(channels) > 1:
        picture = ("render_channels", {"channels": channels[:MOST_CHANNELS]})
    measurements = [(tool, {"channel": channel}) for tool in ("robust_stats", "autocorrelation")]
    return [("describe_series", {}), *measurements, picture]


def _call(tool: str) -> Action:
    """Call a tool that needs no arguments."""
    return lambda transcript: [(tool, {})]


def _call_for_channel(*tools: str) -> Action:
    """Call tools on the channel in question."""
    return lambda transcript: [(tool, {"channel": _channel(transcript)}) for tool in tools]


def _call_with_request(tool: str) -> Action:
    """Call a tool on the rule in question, with the request as the reason."""
    return _for_rule(lambda transcript, rule: [(tool, {"rule_id": rule, "asked": transcript.request[:400]})])


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})", re.I)


_FOUND = r"(?:events?|anomal\w*|alarms?|alerts?|threshold)\b"
EVENTS = re.compile(  # a question about them; a request about a rule may contain these words, too
    rf"^\W*(?:(?:show|list|give|tell)\s+)?(?:(?:me|all|the)\s+)*{_FOUND}\W*$"
    rf"|^(?!.*\b(?:examples?|rules?|like)\b).*\b(?:where|when|how|what|which|are there|any)\b.*\b{_FOUND}"
    rf"|\bwhy\b.*\b(?:this|the|an?) {_FOUND}",
    re.I,
)

# The first pattern that matches decides.
INTENTS: tuple[tuple[re.Pattern[str], Action], ...] = (
    (_words(r"help\b", r"what can you"), lambda transcript: HELP),
    (EVENTS, _call("show_events")),
    (
        _words(r"why\b", r"reason for", r"explain"),
        _for_rule(lambda transcript, rule: [("why_rule", {"rule_id": rule})]),
    ),
    (_words(r"compare", r"what (?:has )?changed", r"diff"), _compare_banks),
    (_words(r"(?:drop|remove|delete|reject|forget)\b"), _call_with_request("drop_rule")),
    (_words(r"(?:restore|bring back|undrop)\b"), _call_with_request("restore_rule")),
    (_words(r"examples?\b", r"what (?:does|would) .* look like"), _for_rule(_show_examples)),
    (_words(r"(?:show (?:me )?)?(?:the )?scores?\b"), _call("show_scores")),
    (
        _words(
            r"make\b", r"change (?!points)", r"only\b", r"set\b", r"let\b", r"(?:more|less) (?:often|freq)", r"rarer"
        ),
        _for_rule(_change_rule),
    ),
    (_words(r"list\b", r"(?:show|which|what are) (?:me )?(?:the |all |your )?(?:rules|failure)"), _call("list_rules")),
    (
        _words(r"mine\b", r"find (?:the )?(?:rules|failure|out how)", r"how (?:could|can|does) \w+ (?:go|fail|break)"),
        _call("mine_rules"),
    ),
    (_words(r"go\b(?! wrong)", r"train\b", r"enhance\b", r"post-train"), _call("train_and_score")),
    (_words(r"period", r"cycles?\b", r"season"), _measure_cycle),
    (_words(r"spectr", r"frequenc"), _call_for_channel("spectrum", "render_spectrogram")),
    (_words(r"trend", r"decompos", r"stl\b"), _measure_trend),
    (_words(r"odd\b", r"unusual", r"strange", r"discord"), _find_odd_stretches),
    (
        _words(r"change points?", r"where does it change", r"levels? change", r"regime"),
        _call_for_channel("change_points"),
    ),
    (_words(r"(?:show|zoom|plot|draw|look at)\b"), _zoom),
    (
        _words(r"what does \w+(?: \w+)? (?:do|look)", r"describe", r"overview", r"what is this", r"tell me about"),
        _describe,
    ),
)
