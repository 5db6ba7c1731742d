"""Read a text or a log about a series: each sentence becomes hints at failures, or a remark on what else it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ape.agents.records import Hint, Remark
from ape.agents.understanding.hints import _changed_channels, _level
from ape.agents.understanding.meaning import Meaning, meanings
from ape.agents.understanding.quantities import changes, durations, sampling_step
from ape.agents.understanding.sentences import Sentence, sentences
from ape.rules.schema import Range

Source = Literal["text", "log"]


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
    hints: list[Hint] = []
    remarks: list[Remark] = []
    split = sentences(lines)
    for sentence, meaning in zip(split, meanings([sentence.text for sentence in split]), strict=True):
        role = max(meaning.roles, key=lambda each: meaning.roles[each])
        if role in ("failure", "benign") and meaning.mechanisms:
            hints.append(_hint(sentence, meaning, channels, source, benign=role == "benign"))
        else:
            described = sampling_step(sentence.text) is not None
            use = "not understood" if role in ("failure", "benign", "not understood") and not described else role
            remarks.append(
                Remark(line=sentence.line, quote=sentence.text[:200], use="normal" if described else use)  # type: ignore[arg-type]
            )
    return Reading(hints, remarks)


def _hint(sentence: Sentence, meaning: Meaning, channels: Sequence[str], source: Source, *, benign: bool) -> Hint:
    text = sentence.text
    mechanism = max(meaning.mechanisms, key=lambda term: meaning.mechanisms[term])
    spans, sizes = durations(text), changes(text)
    return Hint(
        rationale=f"names {mechanism.replace('_', ' ')}",
        quote=text[:200],
        source=source,
        line=sentence.line,
        benign=benign,
        mechanism=mechanism,
        strength=round(meaning.mechanisms[mechanism], 3),
        morphology=max(meaning.morphologies, key=lambda term: meaning.morphologies[term], default=None),
        seconds=Range(low=spans[0][0], high=spans[0][1]) if spans else None,
        change=Range(low=sizes[0][0], high=sizes[0][1]) if sizes else None,
        level=_level(text),
        channels=_changed_channels(text, channels),
    )
