"""Summaries of tool results in a few sentences, for the embedded guide's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ape.agents.expert.transcript import ToolResult
from ape.agents.guide import event_answers
from ape.agents.guide.event_answers import events_text
from ape.agents.guide.layout import bullets, clock_text, paragraphs
from ape.series.reading.grid import step_name

GROUPS_OF_DAYS = {(0, 1, 2, 3, 4): "on weekdays", (5, 6): "at weekends"}
DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
USES = {  # of sentences, in the order of the answer
    "not understood": "Not understood; please say it in other words",
    "no rule": "A failure for which no rule passed its check",
    "other": "About something else",
    "normal": "Describes what is normal",
    "benign": "Taken as normal, by a benign rule",
    "rule": "Led to a rule",
}
MOST_QUOTES = 8  # of sentences of one use
RECOGNISED = 60  # first characters of a quote that other texts may cut off


def summarise(result: ToolResult, step: float | None = None) -> str:
    """Return one result in a sentence or two; ``step`` is the seconds between samples, if known."""
    value = result.value
    if "declined" in value:
        return "Cancelled, as you said."
    if "error" in value:
        return f"That did not work: {value['error']}."
    if result.tool.startswith("render_"):
        return _picture(result, step)
    if result.tool in MEASUREMENTS:
        channel = result.arguments.get("channel")
        return MEASUREMENTS[result.tool](value, f" of {channel}" if channel else "", step)
    return SUMMARIES.get(result.tool, _figures)(value)


def _samples(count: int, step: float | None) -> str:
    """Return a number of samples with its duration, if the step is known."""
    return f"{count} samples" + (f" ({step_name(count * step)})" if step else "")


def _picture(result: ToolResult, step: float | None) -> str:
    value, what = result.value, result.arguments
    channels = [what["channel"]] if "channel" in what else what.get("channels", [])
    of_channels = f"{', '.join(channels)}, " if channels else ""
    if result.tool == "render_cycles":
        return f"The picture shows {of_channels}cycles of {_samples(value['period'], step)} over each other."
    times = f", {value['first_time']} to {value['last_time']}" if "first_time" in value else ""
    return f"The picture shows {of_channels}positions {value['begin']} to {value['end'] - 1}{times}."


def _figures(value: dict[str, Any]) -> str:
    plain = {name: each for name, each in value.items() if isinstance(each, int | float | str) and name != "artefact"}
    return ", ".join(f"{name.replace('_', ' ')} {each}" for name, each in plain.items()) or "Here is the picture."


def _series(value: dict[str, Any]) -> str:
    names = ", ".join(map(str, value["channels"]))
    step = f", one value every {step_name(value['step_seconds'])}" if value["step_seconds"] else ""
    times = f", from {value['first_time']} to {value['last_time']}" if "first_time" in value else ""
    return f"I see the training part: {value['training_points']} points of {names}{step}{times}."


def _period(value: dict[str, Any], of: str, step: float | None) -> str:
    period = value.get("period")
    if not period:
        return f"There is no clear cycle{of.replace(' of ', ' in ')}."
    return f"{of.removeprefix(' of ') or 'It'} repeats every {_samples(period, step)}."


def _discords(value: dict[str, Any], of: str, step: float | None) -> str:
    listed = [
        f"{each['position']} ({_time(each)}{each['over_median']:.1f} times the usual distance)"
        for each in value["discords"][:3]
    ]
    if not listed:
        return f"No stretch{of} is unusual."
    long = f", {_samples(value['window'], step)} long," if "window" in value else ""
    return f"The most unusual stretches{of}{long} begin at {', '.join(listed)}."


def _time(found: dict[str, Any]) -> str:
    """Return the time of a position with a comma; empty if the series has no times."""
    return f"{found['time']}, " if "time" in found else ""


def _changes(value: dict[str, Any], of: str, step: float | None) -> str:
    levels, activities = _listed(value, "positions", "times"), _listed(value, "activity_positions", "activity_times")
    parts = [f"The level{of} changes at {levels}."] if levels else []
    parts += [f"The activity{of} changes at {activities}."] if activities else []
    return " ".join(parts) or f"Neither the level nor the activity{of} changes for good."


def _listed(value: dict[str, Any], positions: str, times: str) -> str:
    found = zip(value[positions], value.get(times, [None] * len(value[positions])), strict=True)
    return ", ".join(str(position) if time is None else f"{position} ({time})" for position, time in found)


def _values(value: dict[str, Any], of: str, step: float | None) -> str:
    quantiles = value["quantiles"]
    return (
        f"Values{of} range from {value['minimum']} to {value['maximum']}; nine in ten are between {quantiles['0.05']}"
        f" and {quantiles['0.95']}, and the median is {value['median']}."
    )


def _rules(value: dict[str, Any]) -> str:
    if not value["rules"]:
        return "There are no rules yet: say 'mine', or add one."
    dropped = f"Dropped: {', '.join(value['dropped'])}." if value["dropped"] else ""
    return paragraphs(bullets(map(rule_text, value["rules"])), dropped)


def rule_text(value: dict[str, Any]) -> str:
    """Return the summary of a rule, as the tools report it, in a sentence or two."""
    bounds = ", ".join(_bound(name, bound) for name, bound in value["where"].items())
    where = f"; only {bounds}" if bounds else ""
    verdict = "It passes its check" if value["passes"] else "It fails its check and is not in the bank"
    if value["benign"]:
        verdict = "It is taken as normal"
    fails = "".join(f"; {name} {why}" for name, why in value["fails"].items())
    pace = ", builds up slowly" if value["gradual"] else ""
    return (
        f"{value['rule']}: {value['mechanism'].replace('_', ' ')}, {value['morphology'].replace('_', ' ')}, size"
        f" {value['size']}, length {value['length']}{pace}{where}. {verdict}{fails}."
    )


def _benign(value: dict[str, Any]) -> str:
    return f"Taken as normal: {rule_text(value)} It counts from the next training on: say 'go'. 'undo' takes it back."


def _sentences(value: dict[str, Any]) -> str:
    """Answer which rules came from the text, and what became of its sentences."""
    if not value["has_text"] and not value["rules"]:
        return "There are no notes: give some with --text or --log."
    lines = [f'{rule}: "{quotes[0]}"' for rule, quotes in value["rules"].items()]
    parts = ["Rules with words from you:", bullets(lines)] if lines else ["No rule is from your words."]
    for use, title in USES.items():
        found = [each for each in value["sentences"] if each["use"] == use]
        if found and use != "rule":
            more = [f"and {len(found) - MOST_QUOTES} more"] if len(found) > MOST_QUOTES else []
            quoted = [f'line {each["line"]}, "{each["text"]}"' for each in found[:MOST_QUOTES]]
            parts += [f"{title}:", bullets([*quoted, *more])]
    if not value["sentences"] and value["has_text"]:
        parts.append("What became of each sentence is known after mining: say 'mine'.")
    return paragraphs(*parts)


def _normal(value: dict[str, Any]) -> str:
    span = value["training"]
    times = f", {span['first_time']} to {span['last_time']}" if "first_time" in span else ""
    parts = [f"Normal is what the training part shows{times}."]
    if value["said"]:
        parts += ["Your notes say:", bullets(f'"{text}"' for text in value["said"][:MOST_QUOTES])]
    if value["benign"]:
        parts += ["Unusual but normal:", bullets(map(rule_text, value["benign"]))]
    else:
        mined = "" if value["mined"] or not value["said"] else "Say 'mine' and the notes count. "
        parts.append(f"{mined}No rule takes anything unusual as normal; 'do not alert when ... at night' adds one.")
    return paragraphs(*parts)


def _correlation(value: dict[str, Any]) -> str:
    pairs = [f"{' and '.join(each['channels'])} ({each['correlation']:.2f})" for each in value["strongest"][:3]]
    return f"These go together most: {', '.join(pairs)}." if pairs else "There is only one channel that varies."


def _words(term: str) -> str:
    return term.replace("_", " ")


def _bound(name: str, bound: Any) -> str:
    if name == "weekdays":
        return GROUPS_OF_DAYS.get(tuple(bound), f"on {', '.join(DAYS[day] for day in bound)}")
    if isinstance(bound, dict):
        low, high = float(bound["low"]), float(bound["high"])
        if name == "hours":
            return f"beginning from {clock_text(low)} to {clock_text(high)}"
        unit = {"phase": "of the cycle"}.get(name, "samples")
        return f"{name.replace('_', ' ')} {low:g} to {high:g} {unit}"
    return f"{name} {', '.join(bound)}"


def _reasons(value: dict[str, Any]) -> str:
    """Answer why a rule is there: the decisions about it and what they are based on, each quote once."""
    history = [f"{event['agent']}: {event['verdict']}, {event['reason']}" for event in value["history"]]
    said = "\n".join([value["note"], *history])
    note = "" if any(value["note"] in each for each in history) else f" {value['note']}."
    evidence = [_evidence(each, said) for each in value["evidence"]]
    listed = f"Evidence: {'; '.join(evidence)}." if evidence else "Evidence: only your request."
    return paragraphs(f"Why {value['rule']} is there:{note}", bullets(history), listed)


def _evidence(item: dict[str, Any], said: str) -> str:
    """Return a piece of evidence in words, with its quote unless that was ``said`` before."""
    line = f"line {item['line']} of your notes" if item.get("line") else "your words"
    name = line if item["kind"] == "text" else f"{item['kind']} {item['id']}"
    quote = item.get("quote", "")
    return name if not quote or quote[:RECOGNISED] in said else f'{name}: "{quote}"'


def _comparison(value: dict[str, Any], new: str = "new") -> str:
    parts = [f"{name}: {', '.join(value[each])}" for each, name in (("new", new), ("gone", "gone")) if value[each]]
    parts += [f"{rule}: {', '.join(fields)} changed" for rule, fields in value["changed"].items()]
    return "; ".join(parts) + "." if parts else "Nothing has changed."


# Called with the result, " of CHANNEL" or nothing, and the seconds between samples.
MEASUREMENTS: dict[str, Callable[[dict[str, Any], str, float | None], str]] = {
    "autocorrelation": _period,
    "matrix_profile": _discords,
    "change_points": _changes,
    "robust_stats": _values,
}
SUMMARIES: dict[str, Callable[[dict[str, Any]], str]] = {
    "describe_series": _series,
    "list_rules": _rules,
    "mine_rules": _rules,
    "add_rule": rule_text,
    "change_rule": rule_text,
    "restore_rule": rule_text,
    "drop_rule": lambda value: f"Dropped {value['dropped']}; 'restore {value['dropped']}' brings it back.",
    "show_examples": lambda value: (
        f"{value['count']} anomalies of {value['rule']} in red, over normal windows in grey."
    ),
    "why_rule": _reasons,
    "compare_banks": _comparison,
    "add_benign_rule": _benign,
    "add_benign_event": _benign,
    "undo": lambda value: f"Undone; {_comparison(value, 'back')}",
    "try_kind": lambda value: (
        f"{value['count']} examples of {_words(value['mechanism'])} ({_words(value['morphology'])}) as it would"
        f" look here,"
        " in red, over normal windows in grey. No rule was added; 'add a rule: ...' adds one."
    ),
    "list_sentences": _sentences,
    "list_normal": _normal,
    "correlation": _correlation,
    "train_and_score": event_answers.training,
    "show_events": events_text,
    "explain_event": event_answers.explained,
    "show_stretch": event_answers.stretch,
    "show_scores": lambda value: "The scores before and after post-training, below the series.",
    "show_alert_rates": event_answers.rates,
    "set_alert_rate": event_answers.rate_changed,
    "compare_scores": event_answers.compared,
    "export_events": event_answers.exported,
}
