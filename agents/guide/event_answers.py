"""Answers about the scored series: its events, their reasons, the number of alerts, and how good the detector is."""

from __future__ import annotations

from typing import Any

from ape.agents.guide.layout import bullets, counted, paragraphs

EVENT_COLUMNS = ("#", "when", "channels", "like", "score", "by chance once in")
REASONS = 3  # of the worst events
NO_EVENT = "No event: no score reaches the threshold."
SCORES = {  # that post-training compares
    "original": "the detector before",
    "rules": "the rules alone",
    "free": "the distance to normal windows alone",
    "both": "both together",
}


def training(value: dict[str, Any]) -> str:
    """Return how training ended, and the events."""
    outcome = f"{'Enhanced' if value['accepted'] else 'The original detector was kept'}: {value['reason']}."
    return paragraphs(outcome, events_text(value))


def events_text(value: dict[str, Any]) -> str:
    """Return the events as a table of Markdown, and the reasons of the worst ones."""
    verdict = _events_verdict(value)
    if not value["events"]:
        return verdict
    rows = [list(EVENT_COLUMNS), ["---"] * len(EVENT_COLUMNS), *map(_event_cells, value["events"])]
    reasons = [f"{event['rank']}. {event['what']}" for event in value["events"][:REASONS]]
    return paragraphs(verdict, "\n".join(map(_line, rows)), "\n".join(reasons))


def _events_verdict(value: dict[str, Any]) -> str:
    """Return how many events there are, and what the threshold means."""
    count, shown = value["count"], len(value["events"])
    parts = [f"{counted(count, 'event')}." if count else NO_EVENT]
    if value.get("where"):
        matching = value["matching"]
        parts = [f"{counted(matching, 'event').capitalize()} {value['where']}, of {count} in all."]
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
    like = "-" if event["like"] is None else f"{event['like']}, {_percent(event)}"
    figures = [f"{event['score']:.1f}", event["by_chance_once_in"]]
    return [str(event["rank"]), event["when"], ", ".join(event["channels"]), like, *figures]


def explained(value: dict[str, Any]) -> str:
    """Return why an event was flagged, or why a time was not."""
    if value.get("flagged") is False:
        return _unflagged(value)
    lasts = f"has lasted {value['lasts']} so far" if value["ongoing"] else f"lasted {value['lasts']}"
    event = f"Event {value['rank']}, {value['when']}, {lasts}. {_sentence(value['what'])}"
    chance = f"by chance that happens once in {value['by_chance_once_in']}"
    scores = [f"The score is {value['score']:g}, above the threshold of {value['threshold']:g}; {chance}."]
    likely = next((each for each in value["rules"] if each["rule"]), None)
    if likely:
        scores.append(f"Of the rules, {likely['rule']} fits best, with a probability of {_percent(likely)}.")
    return paragraphs(event, " ".join(scores), f"If it is normal, say 'event {value['rank']} is normal'.")


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
    accepted = f"accepted false alarms in normal data: {value['rate']}"
    parts = [
        f"The threshold is a score of {value['threshold']:g}; {accepted}. In {value['searched']} there"
        f" {_is(value['events'])} {_count(value)}; about {value['by_chance']:g} would be expected by chance."
    ]
    others = [each for each in value["others"] if each != value["asked"]]
    listed = [f"{each['rate']} (threshold {each['threshold']:g}): about {_count(each)}" for each in others]
    if value["asked"]:
        parts.append(f"If {value['asked']['rate']} were accepted, there would be about {_count(value['asked'])}.")
    if listed:
        parts += ["At other rates:", bullets(listed)]
    return paragraphs(*parts, "Nothing was changed; 'fewer alerts' or 'accept one false alarm a week' does.")


def rate_changed(value: dict[str, Any]) -> str:
    """Return what a new rate of false alarms changed."""
    before = value["before"]
    rates = f"Accepted false alarms: {value['rate']} instead of {before['rate']}"
    changed = f"{rates}. Events: {value['count']} instead of {before['events']}."
    written = f"The events and the report in {value['folder']} were written again; 'undo' takes it back."
    return paragraphs(f"{changed} {written}", events_text(value))


def compared(value: dict[str, Any]) -> str:
    """Return how the detector compares with the one before, and what that is based on."""
    verdict = "The post-trained detector is used" if value["accepted"] else "The original detector was kept"
    parts = [f"{verdict}: {value['reason']}."]
    listed = []
    for kind, figures in value["evidence"].items():
        known = [f"{SCORES.get(name, name)} {each:.2f}" for name, each in figures.items() if each is not None]
        what = "pseudo-anomalies of your rules" if kind == "bank" else "anomalies of other kinds"
        listed.append(f"{what}: {', '.join(known)}")
    if listed:
        parts += ["Average precision on anomalies put into normal data that was held out:", bullets(listed)]
    after, before = value["events_after"], value["events_before"]
    shared = f"; {value['shared']} of them {_was(value['shared'])} found before, too" if after and before else ""
    return paragraphs(
        *parts,
        f"On this series, it finds {counted(after, 'event')} instead of {before} before{shared}.",
        "How I know: from these generated anomalies, not from labels. There are none, so whether the events are real"
        " faults only you can tell: look at some, and say 'event 1 is normal' if it is.",
    )


def exported(value: dict[str, Any]) -> str:
    """Return where the events were written."""
    number, whole = value["events"], value["all"]
    which = counted(number, "event") if number == whole else f"{number} of {counted(whole, 'event')}"
    where = f", {value['where']}" if value["where"] else ""
    return f"Wrote {which}{where} into {value['file']}. The report is {value['report']}."


def _sentence(text: str) -> str:
    """Return a text as a sentence; its first letter stays, since it may begin with the name of a channel."""
    return text if text.endswith(".") else f"{text}."


def _percent(rule: dict[str, Any]) -> str:
    return f"{100 * rule['probability']:.0f} %"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _count(value: dict[str, Any]) -> str:
    events = counted(value["events"], "event")
    return events if value["per_day"] is None else f"{events} ({value['per_day']:.2g} a day)"
