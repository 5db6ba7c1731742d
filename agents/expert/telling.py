"""What came of a request, in a few sentences: the embedded guide's side of the conversation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ape.agents.expert.reading import Result


def told(result: Result) -> str:
    """One result in a sentence or two."""
    value = result.value
    if "declined" in value:
        return "Left undone, as you said."
    if "error" in value:
        return f"That did not work: {value['error']}."
    if result.tool.startswith("render_"):
        return f"The picture shows {value['begin']} to {value['end']}."
    return TOLD.get(result.tool, _figures)(value)


def _figures(value: dict[str, Any]) -> str:
    plain = {name: each for name, each in value.items() if isinstance(each, int | float | str) and name != "artefact"}
    return ", ".join(f"{name.replace('_', ' ')} {each}" for name, each in plain.items()) or "Here it is."


def _bound(name: str, bound: Any) -> str:
    if isinstance(bound, dict):
        low, high = (float(bound[end]) % 24 if name == "hours" else float(bound[end]) for end in ("low", "high"))
        unit = {"hours": "h", "phase": "of the cycle"}.get(name, "samples")
        return f"{name.replace('_', ' ')} {low:g} to {high:g} {unit}"
    return f"{name} {', '.join(bound)}"


def _told_rule(value: dict[str, Any]) -> str:
    bounds = ", ".join(_bound(name, bound) for name, bound in value["where"].items())
    where = f"; only {bounds}" if bounds else ""
    verdict = "It passes its check" if value["passes"] else "It does not pass its check, and stays out of the bank"
    fails = "".join(f"; {name} {why}" for name, why in value["fails"].items())
    pace = ", building up slowly" if value["gradual"] else ""
    return (
        f"{value['rule']}: {value['mechanism'].replace('_', ' ')}, {value['morphology'].replace('_', ' ')}, size"
        f" {value['size']}, length {value['length']}{pace}{where}. {verdict}{fails}."
    )


def _told_list(value: dict[str, Any]) -> str:
    if not value["rules"]:
        return "There are no rules yet: say 'mine', or add one."
    lines = [f"- {_told_rule(rule)}" for rule in value["rules"]]
    return "\n".join([*lines, *([f"Dropped: {', '.join(value['dropped'])}."] if value["dropped"] else [])])


def _told_why(value: dict[str, Any]) -> str:
    grounds = [f"{e['kind']} {e['id']}" + (f': "{e["quote"]}"' if e.get("quote") else "") for e in value["evidence"]]
    history = [f"{event['agent']}: {event['verdict']}, {event['reason']}" for event in value["history"]]
    rests = "; ".join(grounds) or "nothing but what was asked"
    return "\n".join([f"{value['rule']}. {value['note']}", f"It rests on {rests}.", *(f"- {line}" for line in history)])


def _told_comparison(value: dict[str, Any]) -> str:
    parts = [f"{name}: {', '.join(value[name])}" for name in ("new", "gone") if value[name]]
    parts += [f"{rule}: {', '.join(fields)} changed" for rule, fields in value["changed"].items()]
    return "; ".join(parts) + "." if parts else "Nothing has changed."


def _told_training(value: dict[str, Any]) -> str:
    said = f"{'Enhanced' if value['accepted'] else 'The original was kept'}: {value['reason']}."
    return f"{said} The picture has the series above its score before and after; what scores high is strange."


def _told_series(value: dict[str, Any]) -> str:
    names = ", ".join(map(str, value["channels"]))
    step = f", a value every {value['step_seconds']:g} s" if value["step_seconds"] else ""
    return f"I look at the training part: {value['training_points']} points of {names}{step}."


def _told_values(value: dict[str, Any]) -> str:
    usual = value["quantiles"]
    return (
        f"Values lie from {value['minimum']} to {value['maximum']}, nine in ten between {usual['0.05']} and"
        f" {usual['0.95']}; the median is {value['median']}."
    )


def _told_odd(value: dict[str, Any]) -> str:
    odd = [f"{each['position']} ({each['over_median']:.1f} times the usual distance)" for each in value["discords"][:3]]
    return f"Least like any other stretch are those that begin at {', '.join(odd)}." if odd else "Nothing stands out."


def _told_period(value: dict[str, Any]) -> str:
    period = value.get("period")
    return f"It repeats every {period} samples." if period else "No cycle repeats clearly."


TOLD: dict[str, Callable[[dict[str, Any]], str]] = {
    "describe_series": _told_series,
    "autocorrelation": _told_period,
    "matrix_profile": _told_odd,
    "robust_stats": _told_values,
    "list_rules": _told_list,
    "mine_rules": _told_list,
    "add_rule": _told_rule,
    "change_rule": _told_rule,
    "restore_rule": _told_rule,
    "drop_rule": lambda value: f"Dropped {value['dropped']}; 'restore {value['dropped']}' brings it back.",
    "show_examples": lambda value: f"{value['count']} anomalies of {value['rule']}, red, over normal windows, grey.",
    "why_rule": _told_why,
    "compare_banks": _told_comparison,
    "train_and_score": _told_training,
}
