"""Separate what a model says from what it thinks, in a whole reply and in a stream."""

from __future__ import annotations

import re

from ape.core.redaction import open_end, redacted

_WORDS = "think|thinking|thought|reasoning|reflection"
OPENING = rf"<(?:{_WORDS})>|\[THINK\]|◁think▷|<\|START_THINKING\|>|<\|channel\|>\s*analysis\s*<\|message\|>"
CLOSING = rf"</(?:{_WORDS})>|\[/THINK\]|◁/think▷|<\|END_THINKING\|>|<\|end\|>"
BEGINNING, END = re.compile(OPENING), re.compile(CLOSING)
BEFORE_CLOSING = re.compile(rf"\A(.*)(?:{CLOSING})(?=.*\S)", re.DOTALL)
AFTER_OPENING = re.compile(rf"(?:{OPENING})(.*)", re.DOTALL)
END_MARKS = re.compile(
    r"<\|(?:im_end|im_start|eot_id|eom_id|end|endoftext|end_of_text|return|start|START_RESPONSE|END_RESPONSE)\|>"
    r"(?:assistant)?|<\|channel\|>\s*final\s*<\|message\|>|</s>|<end_of_turn>"
)
WRITTEN_CALL = re.compile(r"(?:<(?:\w+:)?tool_call>|<function=|<invoke |<\||<｜|\[TOOL_CALLS?\]).*", re.DOTALL)
START_OF_MARK = re.compile(r"(?:<[^\s>]{0,40}|\[/?[A-Z_]{0,20}|◁\w{0,10})\Z")


def split_thoughts(text: str) -> tuple[str, str]:
    """Split a reply into what is said and what is thought.

    The template of some models writes the opening tag itself, so that the reply has the closing one alone. A thought
    that is not closed lasts until the end.

    Parameters
    ----------
    text : str

    Returns
    -------
    said, thought : str
    """
    said, thoughts = _without_closed_thoughts(text)
    for pattern in (BEFORE_CLOSING, AFTER_OPENING):
        if match := pattern.search(said):
            thoughts.append(match[1])
            said = said[: match.start()] + said[match.end() :]
    return END_MARKS.sub("", said).strip(), "\n".join(thoughts).strip()


def _without_closed_thoughts(text: str) -> tuple[str, list[str]]:
    """The text between the thoughts that are closed, and these thoughts."""
    said, thoughts, position = [], [], 0
    while (opening := BEGINNING.search(text, position)) and (closing := END.search(text, opening.end())):
        said.append(text[position : opening.start()])
        thoughts.append(text[opening.end() : closing.start()])
        position = closing.end()
    return "".join([*said, text[position:]]), thoughts


class Screen:
    """Select the part of a stream that a person should see: no thoughts, no calls written as text, and no secrets."""

    def __init__(self) -> None:
        self._text = self._shown = ""  # since nothing was hidden the last time
        self._begun = False

    def show(self, piece: str) -> str:
        """Take the next piece of the reply; return the text that becomes visible with it."""
        self._text += piece
        visible, _ = _without_closed_thoughts(self._text)
        for pattern in (AFTER_OPENING, END_MARKS, WRITTEN_CALL, START_OF_MARK):
            visible = pattern.sub("", visible)
        visible = redacted(visible[: len(visible) - open_end(visible)])
        self._begun = self._begun or bool(visible.strip())
        if not self._begun or not visible.startswith(self._shown):
            return ""
        new = visible.removeprefix(self._shown)
        if visible == self._text:
            self._text = self._shown = ""
        else:
            self._shown = visible
        return new
