"""What the guide does for each intent: tool calls, an answer, or a question where it is not clear what is meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from ape.agents.expert.transcript import ToolCalls, ToolResult, Transcript
from ape.agents.guide.clarify import ask
from ape.agents.guide.clock_words import NUMBERS
from ape.agents.guide.drafts import READ_TEXT, UNKNOWN_KIND, UNKNOWN_STEP, draft_of, failure_in, kind_of, step_seconds
from ape.agents.guide.event_numbers import PRONOUN
from ape.agents.guide.event_requests import (
    change_rate,
    explain_event,
    export_events,
    list_events,
    show_alert_rates,
    take_as_normal,
)
from ape.agents.guide.intents import INTENTS
from ape.agents.guide.names import Named, channels_in, named_rules, without_rules
from ape.agents.guide.rule_change import length_in_samples, parse_change
from ape.agents.guide.stretches import show_stretch

Response = ToolCalls | str  # tool calls, or an answer
Action = Callable[[Transcript], Response]

MOST_CHANNELS = 4  # in a picture
MOST_EXAMPLES = 30
EXAMPLES = 6
FALLBACK_WINDOW = 64  # samples of the compared stretches if the series has no period
MOST_OPTIONS = 4  # rules that a question names
MOST_WORDS = 7  # of a request to drop a rule that it only describes
ASKED = 400  # characters of a request that are recorded
NOT_SCORED = "There are no scores and no events, because nothing was scored yet: say 'go' first."
UNDO_RULES = "undo the last change of the rules"
LASTING = {  # tools whose results stay
    "train_and_score": (
        "The last thing that was done is the training. That cannot be undone: its detector, scores and events took the"
        " place of any earlier ones. The same rules give the same detector again: undo what you changed in the rules,"
        " and say 'go'."
    ),
    "export_events": "The last thing that was done is the export, and its file stays.",
}
DEEDS = (
    *LASTING, "set_alert_rate", "mine_rules", "add_rule", "add_benign_rule", "add_benign_event", "change_rule",
    "drop_rule", "restore_rule", "undo",
)  # fmt: skip
NO_RULES = "There are no rules yet: say 'mine'."
QUIT = "Everything is stored. In the terminal, 'quit' or Ctrl-D ends; on the page, just close it."
_COUNT = re.compile(rf"\b(\d+|{'|'.join(NUMBERS)})\s+(?:\w+\s+)?(?:examples?|samples?)\b", re.IGNORECASE)
_ADD = re.compile(
    r"^\s*(?:please |can you |could you |now |and |then )*(?:(?:add|propose|write|include|create) (?:a|an|another"
    r"|one more|the"
    r" following|new)\b[^:]*?\b(?:rule|failure|mode|anomal\w+)\b|(?:add|new rule|rule)\s*:)\s*:?",
    re.IGNORECASE,
)
_ALL = re.compile(r"\b(?:all (?:of )?(?:the |these )?rules|everything|all of (?:them|it))\b", re.IGNORECASE)
_DESCRIBED = re.compile(r"\b(?:the|that|this|my|your|a) (?:[\w-]+ ){1,3}?(?:one|rule|ones|rules)\b", re.IGNORECASE)


def help_text() -> str:
    """Return all that the guide can do, with examples."""
    lines = [f"- {intent.title}: *{intent.example}*" for intent in INTENTS.values() if intent.id != "thanks"]
    notes = (
        "RULE is a name from the list; 'it' is the rule that we talked about last. Times are on the clock of the"
        " data, and"
        " 'yesterday' or 'last week' is at their end. Before anything long or final, I ask."
    )
    return "\n".join(["In your own words, ask me to", *lines, "", notes])


def for_rule(action: Callable[[Transcript, str], Response], *, dropped: bool = False, sure: bool = False) -> Action:
    """Return an action on the rule in question, which asks for the rule if that is not clear.

    Parameters
    ----------
    action : callable
        Called with the transcript and the rule.
    dropped : bool
        Whether it is about dropped rules.
    sure : bool
        Whether the request must name the rule, or say "it".
    """

    def with_rule(transcript: Transcript) -> Response:
        named = named_rules(transcript, dropped)
        vague = sure and _is_vague(named, transcript)
        if named.rule is not None and not vague:
            return action(transcript, named.rule)
        known = transcript.task.get("dropped" if dropped else "rules", [])
        fitting = list(named.rules) or list(known)
        if not fitting:
            return "No rule was dropped." if dropped else NO_RULES
        options = [_with_id(transcript, rule) for rule in fitting[:MOST_OPTIONS]]
        return ask(f"Which rule do you mean: {', '.join(fitting)}?", options)

    return with_rule


def _is_vague(named: Named, transcript: Transcript) -> bool:
    """Whether a request only may mean a rule: it names none and does not say "it", or tells more than that."""
    if named.how in ("earlier", "only"):
        return not PRONOUN.search(transcript.request)
    return named.how == "words" and len(transcript.request.split()) > MOST_WORDS


def _with_id(transcript: Transcript, rule: str) -> str:
    """Return the request with the id of a rule instead of what stands for it."""
    request = transcript.request.strip(" .?!")
    for pattern in (_ALL, _DESCRIBED, PRONOUN):
        if pattern.search(request):
            return pattern.sub(rule, request, count=1)
    bare = without_rules(request, [*transcript.task.get("rules", []), *transcript.task.get("dropped", [])], rule)
    bare = re.sub(rf"{re.escape(rule)}(?:\W+(?:and |or )?{re.escape(rule)})+", rule, bare)
    return bare if bare != request else f"{request} {rule}"


def _show_examples(transcript: Transcript, rule: str) -> Response:
    match = _COUNT.search(transcript.request)
    count = EXAMPLES if match is None else int(NUMBERS.get(match[1].lower()) or match[1])
    return [("show_examples", {"rule_id": rule, "count": min(max(count, 1), MOST_EXAMPLES)})]


def _change_rule(transcript: Transcript, rule: str) -> Response:
    task = transcript.task
    words = without_rules(transcript.request, [*task.get("rules", []), *task.get("dropped", [])], " ")
    change = parse_change(words, task.get("channels", []), task.get("step_seconds"))
    if isinstance(change, str):
        return change
    if not change:
        options = [f"make {rule} longer", f"make {rule} half as large", f"{rule} only at night"]
        return ask(f"I do not see what should change about {rule}, so nothing was changed.", options)
    return [("change_rule", {"rule_id": rule, "asked": transcript.request[:ASKED], **change})]


def _on_rule(tool: str) -> Callable[[Transcript, str], Response]:
    """Call a tool on a rule, with the request as the reason."""
    return lambda transcript, rule: [(tool, {"rule_id": rule, "asked": transcript.request[:ASKED]})]


def asks_for_new_rule(text: str) -> bool:
    """Return whether a request is plainly to add a rule: "add a rule: ..."."""
    return _ADD.match(text) is not None


def add_rule(transcript: Transcript) -> Response:
    """Return the call that adds the requested rule, or that looks up what is missing, or a question."""
    return _with_draft(transcript, lambda draft: [("add_rule", {"draft": draft, "asked": transcript.request[:ASKED]})])


def try_kind(transcript: Transcript) -> Response:
    """Return the call that draws what a failure would look like, without adding a rule."""
    return _with_draft(transcript, lambda draft: [("try_kind", {"draft": draft, "count": EXAMPLES})])


def _with_draft(transcript: Transcript, use: Callable[[dict[str, Any]], ToolCalls]) -> Response:
    text = _ADD.sub("", transcript.request).strip() or transcript.request
    hint = failure_in(text, transcript)
    if hint is None:
        return UNKNOWN_KIND
    if hint.seconds is not None and length_in_samples(text, None) is None and step_seconds(transcript, text) is None:
        return UNKNOWN_STEP if transcript.called(READ_TEXT) else [(READ_TEXT, {})]
    kind = kind_of(hint, transcript)
    if kind is None:
        return f"I cannot generate anomalies of the kind {hint.mechanism.replace('_', ' ')} in this series."
    return use(draft_of(text, hint, kind, transcript))


def _examples_or_kind(transcript: Transcript) -> Response:
    """Draw examples of a rule that is named; otherwise of a failure that is described."""
    if named_rules(transcript).how in ("id", "earlier", "only"):
        return for_rule(_show_examples)(transcript)
    if _DESCRIBED.search(transcript.request) or failure_in(transcript.request, transcript) is None:
        return for_rule(_show_examples)(transcript)
    return for_rule(_show_examples)(transcript) if named_rules(transcript).rule else try_kind(transcript)


def _kind_or_examples(transcript: Transcript) -> Response:
    """Draw a failure that is described; examples of a rule only if its id is named."""
    return for_rule(_show_examples)(transcript) if named_rules(transcript).how == "id" else try_kind(transcript)


def _compare_banks(transcript: Transcript) -> Response:
    changes = int(transcript.task.get("changes", 0))
    if not changes:
        return "Nothing was changed yet."
    number = re.search(r"\b(\d+)\b", transcript.request)
    versions = {"begin": 0, "start": 0, "first": 0, "mined": 1}  # number of changes before each
    version = next((count for word, count in versions.items() if word in transcript.request.lower()), changes - 1)
    return [("compare_banks", {"version": max(int(number[1]) if number else version, 0)})]


def _undo(transcript: Transcript) -> Response:
    """Undo the last change of the rules or of the rate; say so if the last thing that was done cannot be undone."""
    last = _last_deed(transcript.results)
    if last is not None and not re.search(r"\brules?\b", transcript.request, re.IGNORECASE):
        if last.tool == "set_alert_rate":
            return [("set_alert_rate", _rate_before(last))]
        if last.tool in LASTING:
            if not transcript.task.get("changes"):
                return LASTING[last.tool]
            return ask(f"{LASTING[last.tool]}{_last_change(transcript.results)}", [UNDO_RULES])
    return [("undo", {})] if transcript.task.get("changes") else "There is nothing to undo: no rule was changed."


def _last_deed(results: Sequence[ToolResult]) -> ToolResult | None:
    """Return the last deed; a rate of alarms that was set back does not count, nor does what it took back."""
    deeds: list[ToolResult] = []
    for each in results:
        if each.tool in DEEDS and _done(each):
            rates = bool(deeds) and deeds[-1].tool == each.tool == "set_alert_rate"
            if rates and _rate_before(deeds[-1]) == each.arguments:
                deeds.pop()
            else:
                deeds.append(each)
    return deeds[-1] if deeds else None


def _last_change(results: Sequence[ToolResult]) -> str:
    """Return what the last change of the rules was, as a sentence; empty if it is not known."""
    others = (*LASTING, "set_alert_rate")
    changes = [each for each in results if each.tool in DEEDS and each.tool not in others and _done(each)]
    if not changes or changes[-1].tool == "undo":
        return ""
    last = changes[-1]
    said = "the mining" if last.tool == "mine_rules" else f"'{last.arguments.get('asked', last.tool)}'"
    return f" The last change of the rules was {said}."


def _done(result: ToolResult) -> bool:
    return not result.value.keys() & {"error", "declined"}


def _rate_before(deed: ToolResult) -> dict[str, Any]:
    return {name: deed.value["before"][name] for name in ("number", "per")}


def channel_of(transcript: Transcript) -> str:
    """Return the channel that the request names, or the first one."""
    channels: list[str] = transcript.task.get("channels", [])
    return (channels_in(transcript.request, channels) or channels)[0]


def _measure_cycle(transcript: Transcript) -> Response:
    channel, period = channel_of(transcript), transcript.task.get("period")
    picture: ToolCalls = [("render_cycles", {"channel": channel, "period": period})] if period else []
    return [("autocorrelation", {"channel": channel}), *picture]


def _measure_trend(transcript: Transcript) -> Response:
    channel, period = channel_of(transcript), transcript.task.get("period")
    if not period:
        return [("change_points", {"channel": channel})]  # without a period, it cannot be decomposed
    return [
        ("stl", {"channel": channel, "periods": [period]}),
        ("render_stl", {"channel": channel, "period": period}),
    ]


def _find_odd_stretches(transcript: Transcript) -> Response:
    if transcript.task.get("scored"):
        return list_events(transcript)
    arguments = {"channel": channel_of(transcript), "window": transcript.task.get("period") or FALLBACK_WINDOW}
    return [("matrix_profile", arguments), ("render_matrix_profile", arguments)]


def _describe(transcript: Transcript) -> Response:
    channel, channels = channel_of(transcript), transcript.task.get("channels", [])
    named = channels_in(transcript.request, channels)
    picture: tuple[str, dict[str, Any]] = ("render_overview", {"channel": channel})
    if len(channels) > 1 and len(named) != 1:
        picture = ("render_channels", {"channels": (named or channels)[:MOST_CHANNELS]})
    measurements = [(tool, {"channel": channel}) for tool in ("robust_stats", "autocorrelation")]
    return [("describe_series", {}), *measurements, picture]


def _normal(transcript: Transcript) -> Response:
    channels = channels_in(transcript.request, transcript.task.get("channels", [])) or transcript.task["channels"]
    values = [("robust_stats", {"channel": channel}) for channel in channels[:MOST_CHANNELS]]
    return [("list_normal", {}), *values, ("autocorrelation", {"channel": channels[0]})]


def _call(tool: str) -> Action:
    """Call a tool that needs no arguments."""
    return lambda transcript: [(tool, {})]


def _call_for_channel(*tools: str) -> Action:
    """Call tools on the channel in question."""
    return lambda transcript: [(tool, {"channel": channel_of(transcript)}) for tool in tools]


def _scored(action: Action) -> Action:
    """Return an action that needs scores."""

    def when_scored(transcript: Transcript) -> Response:
        return action(transcript) if transcript.task.get("scored") else NOT_SCORED

    return when_scored


def _why(transcript: Transcript) -> Response:
    """Say why each rule is there that the request names; ask if it names none by its id and several fit."""
    named = named_rules(transcript)
    if named.how == "id":
        return [("why_rule", {"rule_id": rule}) for rule in named.rules[:MOST_OPTIONS]]
    return for_rule(_why_rule)(transcript)


def _why_rule(transcript: Transcript, rule: str) -> Response:
    return [("why_rule", {"rule_id": rule})]


ACTIONS: dict[str, Action] = {
    "help": lambda transcript: help_text(),
    "quit": lambda transcript: QUIT,
    "thanks": lambda transcript: "All right. What next? 'help' lists what I can do.",
    "describe": _describe,
    "period": _measure_cycle,
    "trend": _measure_trend,
    "spectrum": _call_for_channel("spectrum", "render_spectrogram"),
    "correlation": _call("correlation"),
    "changes": _call_for_channel("change_points"),
    "values": _call_for_channel("robust_stats"),
    "normal": _normal,
    "odd": _find_odd_stretches,
    "events": _scored(list_events),
    "explain": _scored(explain_event),
    "show": show_stretch,
    "scores": _scored(_call("show_scores")),
    "kind": _kind_or_examples,
    "examples": _examples_or_kind,
    "why_rule": _why,
    "change": for_rule(_change_rule),
    "add": add_rule,
    "drop": for_rule(_on_rule("drop_rule"), sure=True),
    "restore": for_rule(_on_rule("restore_rule"), dropped=True, sure=True),
    "undo": _undo,
    "rules": _call("list_rules"),
    "sentences": _call("list_sentences"),
    "mine": _call("mine_rules"),
    "train": _call("train_and_score"),
    "benign": take_as_normal,
    "alerts": _scored(show_alert_rates),
    "rate": _scored(change_rate),
    "better": _scored(_call("compare_scores")),
    "compare": _compare_banks,
    "export": _scored(export_events),
}
