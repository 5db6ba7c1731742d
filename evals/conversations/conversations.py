"""Hold the conversations of ``conversations.toml`` with the embedded guide, and write them as a page."""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ape.evals.conversations.server import DAY, NOTES, TRAINING_DAYS, server_load
from ape.runs import Request
from ape.runs.session import Session
from ape.runs.updates import Update

SERVER = "server"
FOLDER = "runs/chat-{}"  # on the page, instead of the temporary run folder
COMMAND = "python -m ape.evals.conversations --out docs/results/conversations.md"
HEAD = f"""\
# Three conversations

`{COMMAND}` holds these conversations with the embedded guide and
writes this page. Pictures are left out, and so are the tools that are called and the progress of training.
[Explore in conversation](../guides/conversation.md) says what else can be asked, and
[how much of it is understood](../guides/conversation.md#how-much-it-understands).

The server in the first and the third is made up: a week of its load, with a backup each night. After the training part
there are a job that runs away, a frozen value and a small rise. The notes that come with it:

```
{NOTES.strip()}
```
"""


@dataclass(frozen=True)
class Conversation:
    """What is said to the guide about a series; see the head of ``conversations.toml``."""

    name: str
    title: str
    about: str
    series: str
    says: tuple[str, ...]


def read_conversations() -> list[Conversation]:
    """Read ``conversations.toml``."""
    table = tomllib.loads((Path(__file__).parent / "conversations.toml").read_text(encoding="utf-8"))
    return [Conversation(**{**each, "says": tuple(each["says"])}) for each in table["conversation"]]


def page_of(conversations: Sequence[Conversation]) -> str:
    """Hold the conversations and return the page, in Markdown."""
    return "\n".join([HEAD, *map(_section, conversations)])


def _section(conversation: Conversation) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        request = _request(conversation, folder)
        session = Session.create(folder / "run", request, request.load())
        lines = list(_lines(conversation, session))
        text = "\n\n".join(lines).replace(str(session.folder), FOLDER.format(conversation.name))
    return f"## {conversation.title}\n\n{conversation.about}\n\n{text}\n"


def _request(conversation: Conversation, folder: Path) -> Request:
    if conversation.series != SERVER:
        return Request("chat", conversation.series)
    path = folder / f"{SERVER}.csv"
    server_load().to_csv(path, index=False)
    return Request("chat", str(path), train_end=TRAINING_DAYS * DAY, text=NOTES, text_file="notes.txt")


def _lines(conversation: Conversation, session: Session) -> Iterator[str]:
    """Yield what the person and the guide say."""
    for says in conversation.says:
        yield f"> **{says}**"
        yield from _answers(session.say(says))


def _answers(updates: Iterable[Update]) -> Iterator[str]:
    for update in updates:
        if update.kind == "question":
            yield f"*{update.text}* (yes or no)"
        elif update.kind in ("reply", "refused", "failed"):
            yield re.sub(r"(?m)^(?=#)", r"\\", update.text)  # no headings
