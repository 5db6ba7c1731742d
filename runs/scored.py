"""The tools of the guide on the whole series once it is scored: events, reasons, stretches, alerts, and evidence.

Mining, post-training and all measurements see the training part alone; these tools only read what a finished run found.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from langchain_core.tools import BaseTool
from PIL import Image
from pydantic import Field

from ape.core.alert_rates import WORDS, AlertRate
from ape.core.checksums import is_expected
from ape.core.errors import InputError
from ape.core.files import write_json, write_text
from ape.core.run_files import BANK, EVENTS_JSON, REPORT, SCORES
from ape.graphs.conversation import Rank, Scored
from ape.monitor import duration_text, read_events, span_text
from ape.monitor.event_files import frame_of
from ape.rules import RuleBank
from ape.runs.benign import draft_of_event
from ape.runs.comparison import compare
from ape.runs.event_summary import MOST, event_summary
from ape.runs.folder import Run
from ape.runs.moments import place_of
from ape.runs.pictures import MARGIN, draw_event, draw_events, draw_part, draw_scores
from ape.runs.rates import count_at, find_again, next_step, save_found, why_no_step
from ape.runs.result import Result, read_result, read_scores
from ape.tools.artefacts import Artefacts
from ape.tools.boundary import agent_tool

MOST_SHOWN = 4  # channels in a picture
EXPORT = "exported-events"
DAY = 86_400.0  # seconds

Moment = Annotated[
    Annotated[int, Field(ge=0)] | Annotated[str, Field(max_length=60)],
    Field(
        description="row of the file from 0, or a time on the clock of the file: 2024-01-31 08:00; a day: 2024-01-31"
    ),
]
Number = Annotated[float, Field(gt=0, description="number of accepted false alarms")]
Per = Annotated[
    Literal["day", "week", "training"], Field(description="in each day, week, or length of the training part")
]
Top = Annotated[int, Field(ge=1, le=50)]


class ScoredRun:
    """A run folder with scores.

    Parameters
    ----------
    run : Run
    artefacts : Artefacts
    """

    def __init__(self, run: Run, artefacts: Artefacts) -> None:
        self.run, self._artefacts = run, artefacts

    @classmethod
    def of(cls, run: Run, artefacts: Artefacts) -> ScoredRun | None:
        """Return the scored run; None if nothing was scored yet."""
        there = is_expected(run.folder / EVENTS_JSON) and is_expected(run.folder / SCORES)
        return cls(run, artefacts) if there else None

    @cached_property
    def result(self) -> Result:
        """What the run found."""
        bank = RuleBank.load(self.run.folder / BANK)
        return read_result(self.run.folder, self.run.series, bank, self.run.request.text_file)

    def for_guide(self) -> Scored:
        """Return what the guide can ask about the scored series."""
        series = self.run.series
        facts: dict[str, Any] = {"points": len(series.row_points)}
        with suppress(InputError):  # a damaged file fails in the tools that need it
            facts["events"] = len(read_events(self.run.folder)["events"])
        if series.time_text(0) is not None:
            facts |= {"first_time": series.time_text(0), "last_time": series.time_text(series.length - 1)}
        questions = {"set_alert_rate": self._rate_question, "add_benign_event": self._benign_question}
        return Scored(facts, self._tools(), questions, self.events, self._benign_draft)

    def events(self) -> dict[str, Any]:
        """Return the worst events as plain data, with a picture of them."""
        return {**event_summary(self.result), "artefact": self._put(draw_events(self.result))}

    def scores_picture(self) -> bytes:
        """Return a picture of the scores before and after post-training."""
        return draw_scores(self.run.series, read_scores(self.run.folder, self.run.series))

    def _tools(self) -> list[BaseTool]:
        @agent_tool
        def show_events(
            top: Top = MOST,
            order: Literal["score", "time"] = "score",
            channel: str | None = None,
            begin: Moment | None = None,
            end: Moment | None = None,
        ) -> dict[str, Any]:
            """List events of the whole series: when, in which channels, like which rule, and the threshold.

            All together or only those of a channel or of a time; the worst or the earliest first.
            """
            chosen, where = self._chosen(top, order, channel, begin, end)
            found = {**event_summary(self.result, chosen[:top]), "where": where, "matching": len(chosen)}
            events = [self.result.events[number] for number in chosen[:top]]
            return {**found, "artefact": self._put(draw_events(self.result, events))}

        @agent_tool
        def explain_event(rank: Rank | None = None, at: Moment | None = None) -> dict[str, Any]:
            """Tell why an event was flagged, given its rank or a time; or the score at a time without event."""
            return self._explained(rank, at)

        @agent_tool
        def show_stretch(
            channels: Annotated[list[str], Field(max_length=MOST_SHOWN)] | None = None,
            begin: Moment | None = None,
            end: Moment | None = None,
        ) -> dict[str, Any]:
            """Draw a stretch of the whole series with its scores, threshold and events; by default all of it."""
            return self._stretch(channels, begin, end)

        @agent_tool
        def show_scores() -> dict[str, Any]:
            """Draw the whole series with its scores before and after post-training."""
            return {"artefact": self._put(self.scores_picture())}

        @agent_tool
        def show_alert_rates(number: Number | None = None, per: Per | None = None) -> dict[str, Any]:
            """Tell the threshold, the number of alerts, and how many there would be at other rates; changes nothing."""
            return self._rates(None if number is None else _rate(number, per))

        @agent_tool
        def set_alert_rate(
            number: Number | None = None, per: Per | None = None, direction: Literal["fewer", "more"] | None = None
        ) -> dict[str, Any]:
            """Change the accepted rate of false alarms, or take the next one with fewer or more alerts. Final."""
            return self._set_rate(self._wanted(number, per, direction))

        @agent_tool
        def compare_scores() -> dict[str, Any]:
            """Compare the detector before and after post-training, with the evidence that there is without labels."""
            return {**compare(self.run, self.result), "artefact": self._put(self.scores_picture())}

        @agent_tool
        def export_events(
            top: Top | None = None,
            channel: str | None = None,
            begin: Moment | None = None,
            end: Moment | None = None,
            format: Literal["csv", "json"] = "csv",
        ) -> dict[str, Any]:
            """Write events into a file in the run folder, all or those of a channel or of a time."""
            chosen, where = self._chosen(top, "score", channel, begin, end)
            return {**self._exported(chosen[:top], format), "where": where}

        return [
            show_events, explain_event, show_stretch, show_scores, show_alert_rates, set_alert_rate, compare_scores,
            export_events,
        ]  # fmt: skip

    def _chosen(
        self, top: int | None, order: str, channel: str | None, begin: Moment | None, end: Moment | None
    ) -> tuple[list[int], str]:
        """Return the numbers of the events that match, and the condition in words."""
        events, series = self.result.events, self.result.series
        numbers, words = list(range(len(events))), []
        if channel is not None:
            self._column(channel)
            numbers = [n for n in numbers if channel in [name for name, _ in events[n].channels]]
            words.append(f"in {channel}")
        if begin is not None or end is not None:
            first = 0 if begin is None else place_of(series, begin)
            last = series.length if end is None else place_of(series, end, ends=True)
            numbers = [n for n in numbers if events[n].begin < last and events[n].end > first]
            if first < last:
                words.append(span_text(series, first, last))
        if order == "time":
            numbers.sort(key=lambda n: events[n].begin)
        return numbers, ", ".join(words)

    def _explained(self, rank: int | None, at: Moment | None) -> dict[str, Any]:
        result = self.result
        number = self._number(rank, at)
        if number is None:
            return self._unflagged(place_of(result.series, at or 0))
        event, record = result.events[number], result.records[number]
        rules = {rule.id: rule for rule in result.context.bank.rules} if result.context.bank else {}
        return {
            **event_summary(result, [number])["events"][0],
            "lasts": _length(result, event.end - event.begin),
            "ongoing": event.ongoing,
            "threshold": round(result.threshold.level, 2),
            "findings": [share for share in record["channels"] if share.get("text")],
            "rules": [
                {"rule": rule["rule"], "probability": rule["probability"], **_quoted(rules.get(rule["rule"] or ""))}
                for rule in record["rules"][:3]
            ],
            "artefact": self._put(_as_png(draw_event(result, event))),
        }

    def _unflagged(self, point: int) -> dict[str, Any]:
        """Return why a point is in no event."""
        result, series = self.result, self.result.series
        closest = min(result.events, key=lambda event: abs(event.peak - point), default=None)
        return {
            "flagged": False,
            "when": span_text(series, point, point + 1),
            "score": _highest(result.score[point : point + 1]),
            "threshold": round(result.threshold.level, 2),
            "learned": point < result.searched.start,
            "quiet": self._quiet(point),
            "closest": None if closest is None else event_summary(result, [result.events.index(closest)])["events"][0],
            "artefact": self._put(draw_part(result, *self._surroundings(point, point + 1), result.order[:2])),
        }

    def _quiet(self, point: int) -> str | None:
        """Return why a benign rule keeps a point quiet; None if none does."""
        row = int(self.result.series.point_rows[point])
        quiet = read_events(self.run.folder).get("quiet", [])
        return next((str(each["reason"]) for each in quiet if each["start"] <= row < each["end"]), None)

    def _stretch(self, channels: list[str] | None, begin: Moment | None, end: Moment | None) -> dict[str, Any]:
        result, series = self.result, self.result.series
        first = 0 if begin is None else place_of(series, begin)
        last = series.length if end is None else place_of(series, end, ends=True)
        if last - first < 2:
            first, last = self._surroundings(first, max(last, first + 1))
        columns = [self._column(name) for name in channels or ()] or result.order[:MOST_SHOWN]
        inside = [n for n, event in enumerate(result.events) if event.begin < last and event.end > first]
        return {
            "channels": [series.channels[column] for column in columns],
            "when": span_text(series, first, last),
            "rows": [int(series.point_rows[first]), int(series.point_rows[last - 1])],
            "events": event_summary(result, inside[:MOST])["events"],
            "highest_score": _highest(result.score[first:last]),
            "threshold": round(result.threshold.level, 2),
            "learned": last <= result.searched.start,
            "artefact": self._put(draw_part(result, first, last, columns)),
        }

    def _rates(self, rate: AlertRate | None) -> dict[str, Any]:
        result = self.result
        stricter, looser = next_step(result, fewer=True), next_step(result, fewer=False)
        asked = [rate] if rate else []
        others = [each for each in (looser, *asked, stricter) if each is not None]
        searched = result.searched.stop - result.searched.start
        return {
            "threshold": round(result.threshold.level, 2),
            "rate": str(result.threshold.rate),
            "searched": _length(result, searched),
            "events": len(result.events),
            "by_chance": round(searched * 10.0**-result.threshold.level, 2),
            "per_day": self._per_day(len(result.events)),
            "asked": None if rate is None else self._at(rate),
            "others": [self._at(each) for each in others],
        }

    def _at(self, rate: AlertRate) -> dict[str, Any]:
        count = count_at(self.result, rate)
        level = round(self.result.threshold.at(rate).level, 2)
        return {"rate": str(rate), "threshold": level, "events": count, "per_day": self._per_day(count)}

    def _per_day(self, count: int) -> float | None:
        step, searched = self.result.series.step, self.result.searched
        return None if step is None else count / ((searched.stop - searched.start) * step / DAY)

    def _wanted(self, number: float | None, per: str | None, direction: str | None) -> AlertRate:
        """Return the rate that is asked for; raise a `ValueError` if there is none."""
        if number is not None:
            rate = _rate(number, per)
            self.result.threshold.at(rate)
            return rate
        if direction is None:
            msg = "give a number of alarms, or whether there should be fewer or more"
            raise ValueError(msg)
        step = next_step(self.result, fewer=direction == "fewer")
        if step is None:
            raise ValueError(why_no_step(self.result, fewer=direction == "fewer"))
        return step

    def _rate_question(self, arguments: dict[str, Any]) -> str:
        rate = self._wanted(arguments.get("number"), arguments.get("per"), arguments.get("direction"))
        now, then, result = len(self.result.events), self._at(rate), self.result
        return (
            f"Accepted false alarms: {then['rate']} instead of {result.threshold.rate}? The threshold becomes"
            f" {then['threshold']:g} instead of {result.threshold.level:.2f}, and there are about {then['events']}"
            f" events instead of {now}. This overwrites the events and the report of {self.run.folder}."
        )

    def _set_rate(self, rate: AlertRate) -> dict[str, Any]:
        old = self.result.threshold.rate
        before = {"rate": str(old), "number": old.number, "per": old.word, "events": len(self.result.events)}
        save_found(self.run, find_again(self.run, rate))
        self.run = Run.open(self.run.folder)
        self.__dict__.pop("result", None)
        after = {"rate": str(self.result.threshold.rate), "folder": str(self.run.folder)}
        return {**self.events(), "before": before, **after}

    def _exported(self, chosen: Sequence[int], kind: str) -> dict[str, Any]:
        records = [self.result.records[number] for number in chosen]
        path = self.run.folder / f"{EXPORT}.{kind}"
        if kind == "json":
            write_json(path, records)
        else:
            write_text(path, frame_of(records).to_csv(index=False))
        return {
            "file": str(path),
            "events": len(records),
            "all": len(self.result.events),
            "report": str(self.run.folder / REPORT),
        }

    def _benign_draft(self, rank: int | None, at: str | None) -> Any:
        return draft_of_event(self.result, self._event_number(rank, at))

    def _benign_question(self, arguments: dict[str, Any]) -> str:
        number = self._event_number(arguments.get("rank"), arguments.get("at"))
        event = event_summary(self.result, [number])["events"][0]
        return (
            f"Take what looks like event {event['rank']} as normal from the next training on ({event['when']}, in"
            f" {', '.join(event['channels'])}: {event['reason']})? What looks like it at that time of the day will"
            " not be reported."
        )

    def _event_number(self, rank: int | None, at: Moment | None) -> int:
        number = self._number(rank, at)
        if number is None:
            msg = "there is no event then: give its number, or describe what is normal"
            raise ValueError(msg)
        return number

    def _number(self, rank: int | None, at: Moment | None) -> int | None:
        """Return the number of an event, counted from 0; None if there is none at a time."""
        events = self.result.events
        if rank is not None:
            if rank > len(events):
                msg = f"there is no event {rank}: there are {len(events)}"
                raise ValueError(msg)
            return rank - 1
        if at is None:
            msg = "give the number of an event, or a time"
            raise ValueError(msg)
        point, last = place_of(self.result.series, at), place_of(self.result.series, at, ends=True)
        during = [n for n, event in enumerate(events) if event.begin < max(last, point + 1) and event.end > point]
        if len(during) > 1:
            ranks = ", ".join(str(n + 1) for n in during)
            msg = f"there are several events then: {ranks}; say which one"
            raise ValueError(msg)
        return during[0] if during else None

    def _surroundings(self, begin: int, end: int) -> tuple[int, int]:
        return max(begin - MARGIN, 0), min(end + MARGIN, self.result.series.length)

    def _column(self, channel: str) -> int:
        channels = self.result.series.channels
        if channel not in channels:
            msg = f"no channel '{channel[:80]}'; use one of: {', '.join(channels[:12])}"
            raise ValueError(msg)
        return channels.index(channel)

    def _put(self, png: bytes) -> str:
        return self._artefacts.put_bytes(png, ".png")


def _rate(number: float, per: str | None) -> AlertRate:
    return AlertRate(number, WORDS[per or "week"])


def _length(result: Result, points: int) -> str:
    step = result.series.step
    return f"{points:,} points" if step is None else duration_text(points * step)


def _highest(score: np.ndarray) -> float | None:
    known = score[np.isfinite(score)]
    return round(float(known.max()), 2) if len(known) else None


def _quoted(rule: Any) -> dict[str, str]:
    quotes = [item.quote for item in rule.evidence if item.quote] if rule is not None else []
    return {"quote": quotes[0]} if quotes else {}


def _as_png(picture: bytes) -> bytes:
    """Return a WebP picture as PNG, which the conversation shows."""
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).save(out, "png")
    return out.getvalue()
