"""Answers about the scored series: its events, their reasons, the number of alerts, and how good the detector is."""

from __future__ import annotations

from typing import Any

EVENT_COLUMNS = ("#", "when", "channels", "like", "score", "by chance once in")
REASONS = 3  # of the worst events
NO_EVENT = "No event: no score reaches the threshold."
VOICES = {
    "original": "before",
    "both": "the rules and the distance to normal",
    "rules": "the rules",
    "free": "the distance to normal",
}


def training(value: dict[str, Any]) -> str:
    """Return how training ended, and the events."""
    outcome = f"{'Enhanced' if value['accepted'] else 'The original detector was kept'}: {value['reason']}."
    return f"{outcome}\n\n{events_text(value)}"


def events_text(value: dict[str, Any]) -> str:
    """Return the events as a table of Markdown, and the reasons of the worst ones."""
    verdict = _events_verdict(value)
    if not value["events"]:
        return verdict
    rows = [list(EVENT_COLUMNS), ["---"] * len(EVENT_COLUMNS), *map(_event_cells, value["events"])]
    reasons = [f"{event['rank']}. {event['reason']}" for event in value["events"][:REASONS]]
    return "\n\n".join([verdict, "\n".join(map(_line, rows)), "\n".join(reasons)])


def _events_verdict(value: dict[str, Any]) -> str:
    """Return how many events there are, and what the threshold means."""
    count, shown = value["count"], len(value["events"])
    parts = [f"{count} event{'s' * (count != 1)}." if count else NO_EVENT]
    if value.get("where"):
        matching = value["matching"]
        parts = [f"{matching or 'No'} event{'s' * (matching != 1)} {value['where']}, of {count} in all."]
        count = matching
    accepted = f"accepted false alarms in normal data: {value['accepted_false_alarms']}"
    parts.append(f"The threshold is a score of {value['threshold']:g}; {accepted}.")
    if value["whole_series"]:
        parts.append("No end of the training part is given, so that events are sought in the part learned from, too.")
    if count > shown:
        parts.append(f"These are the {'first' if value.get('where') else 'worst'} {shown}; events.csv lists all.")
    return " ".join(parts)


def _line(cells: list[str]) -> str:
    """Return a line of a table of Markdown."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _event_cells(event: dict[str, Any]) -> list[str]:
    """Return the cells of an event below `EVENT_COLUMNS`."""
    like = "-" if event["like"] is None else f"{event['like']}, {100 * event['probability']:.0f} %"
    figures = [f"{event['score']:.1f}", event["by_chance_once_in"]]
    return [str(event["rank"]), event["when"], ", ".join(event["channels"]), like, *figures]


def explained(value: dict[str, Any]) -> str:
    """Return why an event was flagged, or why a time was not."""
    if value.get("flagged") is False:
        return _unflagged(value)
    lasts = f"{value['lasts']} so far" if value["ongoing"] else value["lasts"]
    parts = [f"Event {value['rank']}, {value['when']}, lasts {lasts}: {value['reason']}"]
    parts += [f"- {each['channel']}: {each['text']}" for each in value["findings"]]
    high = f"The score is {value['score']:g}, above the threshold of {value['threshold']:g}"
    parts.append(
        f"{high}; by chance that happens once in {value['by_chance_once_in'].replace('more than', 'more than')}."
    )
    likely = [each for each in value["rules"] if each["rule"]]
    if likely:
        quote = f', which is from "{likely[0]["quote"]}"' if likely[0].get("quote") else ""
        parts.append(
            f"It looks most like the rule {likely[0]['rule']} ({100 * likely[0]['probability']:.0f} %){quote}."
        )
    parts.append(f"If it is normal, say 'event {value['rank']} is normal'.")
    return "\n".join(parts)


def _unflagged(value: dict[str, Any]) -> str:
    parts = [f"Nothing was flagged at {value['when']}."]
    if value["quiet"]:
        parts.append(f"A benign rule keeps it quiet: {value['quiet']}.")
    if value["learned"]:
        parts.append("It is in the training part, which is taken as normal: no events are sought there.")
    elif value["score"] is not None:
        parts.append(f"The score there is {value['score']:g}, and an event needs {value['threshold']:g}.")
    if value["closest"]:
        parts.append(f"The closest event is number {value['closest']['rank']}, {value['closest']['when']}.")
    return " ".join(parts)


def stretch(value: dict[str, Any]) -> str:
    """Return what a picture of a stretch shows."""
    first, last = value["rows"]
    parts = [
        f"The picture shows {', '.join(value['channels'])}, {value['when']} (rows {first} to {last}), above the score."
    ]
    ranks = [str(event["rank"]) for event in value["events"]]
    if ranks:
        parts.append(f"Event{'s' * (len(ranks) > 1)} {', '.join(ranks)} in it.")
    elif value["learned"]:
        parts.append("It is in the training part, where no events are sought.")
    else:
        high = "" if value["highest_score"] is None else f": the highest score is {value['highest_score']:g}"
        parts.append(f"No event in it{high}, and an event needs {value['threshold']:g}.")
    return " ".join(parts)


def rates(value: dict[str, Any]) -> str:
    """Return the threshold, the number of alerts, and that at other rates."""
    parts = [
        f"The threshold is a score of {value['threshold']:g}: {value['rate']} false alarms are accepted in normal"
        f" data. In"
        f" {value['searched']} there are {_count(value)}; about {value['by_chance']:g} would be expected by chance."
    ]
    if value["asked"]:
        parts.append(f"At {value['asked']['rate']} there would be about {_count(value['asked'])}.")
    others = [each for each in value["others"] if each != value["asked"]]
    parts += [f"- at {each['rate']} (threshold {each['threshold']:g}): about {_count(each)}" for each in others]
    parts.append("Nothing was changed; 'fewer alerts' or 'accept one false alarm a week' does.")
    return "\n".join(parts)


def rate_changed(value: dict[str, Any]) -> str:
    """Return what a new rate of false alarms changed."""
    before = value["before"]
    rates = f"Accepted are {value['rate']} instead of {before['rate']} false alarms"
    changed = f"{rates}; events: {value['count']} instead of {before['events']}."
    return f"{changed} The events and the report in {value['folder']} were written again.\n\n{events_text(value)}"


def compared(value: dict[str, Any]) -> str:
    """Return how the detector compares with the one before, and what that is based on."""
    kept = f"Kept is: {value['kept']}. {value['reason']}"
    verdict = "It was accepted as better" if value["accepted"] else "It was not accepted, the original detector is used"
    parts = [f"{verdict}. {kept}."]
    for kind, figures in value["evidence"].items():
        listed = ", ".join(f"{name} {figure:.2f}" for name, figure in figures.items() if figure is not None)
        what = "pseudo-anomalies of your rules" if kind == "bank" else "anomalies of other kinds"
        parts.append(f"- average precision on {what}, put into held-out normal data: {listed}")
    parts.append(
        f"On this series, it finds {value['events_after']} events instead of {value['events_before']} before;"
        f" {value['shared']} of them were found before, too."
    )
    parts.append(
        "How I know: from generated anomalies in normal data that was held out, not from labels. There are none, so"
        " whether"
        " the events are real faults only you can tell: look at some, and say 'event 1 is normal' if it is."
    )
    return "\n".join(parts)


def exported(value: dict[str, Any]) -> str:
    """Return where the events were written."""
    which = f"{value['events']} of {value['all']}" if value["events"] != value["all"] else f"{value['events']}"
    where = f", {value['where']}" if value["where"] else ""
    return f"Wrote {which} events{where} into {value['file']}. The report is {value['report']}."


def _count(value: dict[str, Any]) -> str:
    events = f"{value['events']} event{'s' * (value['events'] != 1)}"
    return events if value["per_day"] is None else f"{events} ({value['per_day']:.2g} a day)"
