"""The page of ``ape serve``: conversation, bank as cards, progress, scores; it shows what a `Session` tells, no more.

Reloaded, in a second tab, or after the server was restarted, it shows the same: all state is in the run folder.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, partial
from itertools import repeat
from pathlib import Path
from typing import Any

import gradio as gr

from ape.core.errors import InputError
from ape.runs.folder import RECORD, Request
from ape.runs.session import MAIN, Event, Session

Messages = list[dict[str, Any]]
Where = dict[str, str]  # the run's name and the thread, as the browser keeps them

HINT = "Ask what the series does, say 'mine', or 'help'."
# Gradio's "Share" would send a picture off this machine, and "Clear" deletes nothing but the view.
CSS = """.card img {max-height: 11rem; object-fit: contain}
footer, button[aria-label="Share"], button[aria-label="Clear"] {display: none !important}
.gradio-container {max-width: 1600px !important; margin: auto}"""


def page(root: Path, defaults: Request) -> gr.Blocks:
    """The page over the conversations in ``root``; ``defaults`` is what a new one is begun with."""
    with gr.Blocks(title="APE", analytics_enabled=False, fill_width=True) as blocks:
        where = gr.BrowserState({}, storage_key="ape-conversation")
        changed = gr.State(0)  # counts what may have changed the desk
        with gr.Row():
            chosen = gr.Dropdown([], label="conversation", scale=3)
            thread = gr.Dropdown([MAIN], value=MAIN, label="thread", scale=1)
            branch = gr.Button("branch off here", scale=1, size="sm")
        with gr.Accordion("a new one", open=not conversations(root)) as fresh:
            upload = gr.File(label="series: CSV, NPZ or UCR text", file_types=[".csv", ".tsv", ".npz", ".txt"])
            with gr.Row():
                until = gr.Number(label="normal up to this point (0: all of it)", value=0, precision=0, minimum=0)
                text = gr.Textbox(label="what people know about how it goes wrong", lines=3, scale=3)
            begin = gr.Button("begin", variant="primary")
        notice = gr.Markdown(visible=True, elem_id="notice")
        with gr.Row():
            with gr.Column(scale=3):
                talk = gr.Chatbot(height=620, show_label=False, buttons=["copy"], placeholder=HINT, allow_tags=False)
                with gr.Row():
                    said = gr.Textbox(show_label=False, placeholder=HINT, scale=6, elem_id="said")
                    send = gr.Button("send", variant="primary", scale=1)
                with gr.Row(visible=False) as asking:
                    yes, no = gr.Button("yes, do it", variant="primary"), gr.Button("no")
            with gr.Column(scale=2, min_width=240), gr.Tabs():
                with gr.Tab("Rule Bank"):
                    cards(root, where, changed, talk, asking, notice)
                with gr.Tab("scores"):
                    scores = gr.Image(show_label=False, interactive=False)
                    report = gr.File(label="report, bank, scores", file_count="multiple", interactive=False)

        shown = [talk, asking, notice, changed]
        results = [scores, report]

        def opened(run: str | None, name: str) -> tuple[Any, ...]:
            found = {"run": run or "", "thread": name or MAIN}
            session = _session(root, found)
            threads = session.threads() if session else [MAIN]
            return found, *_shown(session), gr.update(choices=threads, value=found["thread"]), *_results(root, found)

        def loaded(found: Where) -> tuple[Any, ...]:
            known = conversations(root)
            run = found.get("run") if found.get("run") in known else (known[0] if known else "")
            state = opened(run, found.get("thread", MAIN))
            return gr.update(choices=known, value=run or None), *state

        def begun(path: str | None, end: float, words: str) -> tuple[Any, ...]:
            try:
                name = start(root, replace(defaults, text=words.strip() or None, train_end=int(end) or None), path)
            except InputError as error:
                said = f"**{_safe(str(error))}**"
                return *repeat(gr.skip(), 5), said, *repeat(gr.skip(), 4)
            state = opened(name, MAIN)
            return gr.update(choices=conversations(root), value=name), gr.update(open=False), *state

        def branched(found: Where) -> tuple[Any, ...]:
            session = _session(root, found)
            if session is None:
                return opened("", MAIN)
            try:
                other = session.branch()
            except InputError as error:
                return found, *_shown(session, str(error)), gr.skip(), *_results(root, found)
            return opened(found["run"], other.thread)

        here = [where, *shown, thread, *results]
        blocks.load(loaded, where, [chosen, *here])
        begin.click(begun, [upload, until, text], [chosen, fresh, *here])
        chosen.input(lambda run: opened(run, MAIN), chosen, here)
        thread.input(lambda found, name: opened(found.get("run"), name), [where, thread], here)
        branch.click(branched, where, here)
        after = {"fn": lambda found: _results(root, found), "inputs": where, "outputs": results}
        for trigger in (said.submit, send.click):
            trigger(partial(_saying, root), [where, said], [said, *shown]).then(**after)
        yes.click(partial(_answering, root, agreed=True), where, shown).then(**after)
        no.click(partial(_answering, root, agreed=False), where, shown)
    return blocks


def cards(
    root: Path, where: gr.BrowserState, changed: gr.State, talk: gr.Chatbot, asking: gr.Row, notice: gr.Markdown
) -> None:
    """A card for each rule on the desk, drawn anew whenever that may have changed."""

    @gr.render(inputs=[where, changed], triggers=[changed.change])
    def drawn(found: Where, _count: int) -> None:
        session = _session(root, found)
        listed = session.cards() if session else []
        if not listed:
            gr.Markdown("No rules yet: say *mine*, or add one in words.")
        for card in listed:
            told = card.told
            with gr.Group(elem_classes="card"):
                verdict = "passes its check" if told["passes"] else f"fails {', '.join(told['fails'])}: not in the bank"
                gr.Markdown(
                    f"**{card.rule}**, {told['mechanism']}, {told['morphology']}; {verdict}\n\n"
                    f"size {told['size']}, length {told['length']}"
                )
                gr.Image(str(card.picture), show_label=False, interactive=False, alt_text=f"examples of {card.rule}")
                with gr.Row():
                    size = gr.Number(1.0, label="size times", minimum=0.05, maximum=20, min_width=60)
                    length = gr.Number(1.0, label="length times", minimum=0.05, maximum=20, min_width=60)
                    slow = gr.Checkbox(bool(told["gradual"]), label="builds up slowly", min_width=60)
                with gr.Row():
                    change, drop, why = (
                        gr.Button(word, size="sm", min_width=60) for word in ("change", "drop", "why?")
                    )

                def to_change(
                    found: Where, size: float, length: float, slow: bool, rule: str = card.rule
                ) -> Iterator[tuple[Any, ...]]:
                    asked = f"change {rule}: size times {size:g}, length times {length:g}, slow {slow}"
                    arguments = {"rule_id": rule, "asked": asked, "size": size, "length": length, "gradual": slow}
                    yield from _acting(root, found, "change_rule", arguments, asked)

                def to_drop(found: Where, rule: str = card.rule) -> Iterator[tuple[Any, ...]]:
                    asked = f"drop {rule}"
                    yield from _acting(root, found, "drop_rule", {"rule_id": rule, "asked": asked}, asked)

                def to_explain(found: Where, rule: str = card.rule) -> Iterator[tuple[Any, ...]]:
                    yield from _acting(root, found, "why_rule", {"rule_id": rule}, f"why {rule}?")

                shown = [talk, asking, notice, changed]
                change.click(to_change, [where, size, length, slow], shown)
                drop.click(to_drop, where, shown)
                why.click(to_explain, where, shown)


def conversations(root: Path) -> list[str]:
    """Names of the conversations in a folder, the last one first."""
    found = [path.parent for path in root.glob(f"*/{RECORD}")]
    return [path.name for path in sorted(found, key=lambda path: -path.stat().st_mtime)]


def start(root: Path, asked: Request, path: str | None) -> str:
    """Begin a conversation about an uploaded series, of which a copy is kept; its name."""
    if path is None:
        raise InputError("no series", "begin", "choose a file first")
    stem = re.sub(r"[^\w-]+", "_", Path(path).stem)[:40] or "series"
    name = next(each for k in range(1, 10_000) if not (root / (each := stem if k == 1 else f"{stem}-{k}")).exists())
    kept = root / "series" / f"{name}{Path(path).suffix.lower()}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(Path(path).read_bytes())
    request = replace(asked, data=str(kept.resolve()))
    try:
        Session.begin(root / name, request, request.load())
    except InputError:
        kept.unlink()
        raise
    return name


def _session(root: Path, found: Where) -> Session | None:
    """The conversation that the browser is in; none where it is not there, or not in ``root``."""
    if found.get("run") not in conversations(root):
        return None
    folder = root / found["run"]
    return _opened(folder, found.get("thread", MAIN), (folder / RECORD).stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _opened(folder: Path, thread: str, _changed: int) -> Session:
    """The conversation, whose series is read once and not for every click."""
    return Session(folder, thread)


def _shown(session: Session | None, note: str = "") -> tuple[Any, ...]:
    """The conversation as it stands, whether it asks, what there is to note, and that the desk may be another."""
    history = session.history() if session else []
    asks = bool(history) and history[-1].kind == "asked"
    return _messages(history), gr.update(visible=asks), _safe(note), _ticket()


def _saying(root: Path, found: Where, words: str) -> Iterator[tuple[Any, ...]]:
    session = _session(root, found)
    if session is None:
        yield words, gr.skip(), gr.skip(), "**Begin a conversation first.**", gr.skip()
        return
    for state in _following(session, session.say(words), Event("person", words)):
        yield "", *state


def _answering(root: Path, found: Where, agreed: bool) -> Iterator[tuple[Any, ...]]:
    if session := _session(root, found):
        yield from _following(session, session.answer(agreed))


def _acting(root: Path, found: Where, tool: str, arguments: dict[str, Any], asked: str) -> Iterator[tuple[Any, ...]]:
    if session := _session(root, found):
        yield from _following(session, session.act(tool, arguments, asked), Event("person", asked))


def _following(session: Session, events: Iterator[Event], first: Event | None = None) -> Iterator[tuple[Any, ...]]:
    """What is to be seen while a turn runs, and after it."""
    before, note, saying = [*session.history(), *([first] if first else [])], "", ""
    yield _messages(before), gr.update(visible=False), "", gr.skip()
    for event in events:
        if event.kind in ("refused", "failed"):
            note = event.text
        elif event.kind == "progress":
            yield gr.skip(), gr.skip(), _safe(event.text), gr.skip()
        elif event.kind == "saying":
            saying += event.text
            yield _messages([*before, Event("said", saying)]), gr.skip(), gr.skip(), gr.skip()
        else:
            saying = ""
            before.append(event)
            yield _messages(before), gr.skip(), gr.skip(), gr.skip()
    yield _shown(session, note)


def _messages(events: list[Event]) -> Messages:
    """Events as the chat shows them: tools folded, pictures below them."""
    messages: Messages = []
    for event in events:
        if event.kind == "person":
            messages.append({"role": "user", "content": _safe(event.text)})
        elif event.kind in ("said", "asked"):
            messages.append({"role": "assistant", "content": _safe(event.text)})
        elif event.kind == "found":
            tool, _, result = event.text.partition(": ")
            folded = {"title": tool, "status": "done"}
            messages.append({"role": "assistant", "content": f"```json\n{result[:4000]}\n```", "metadata": folded})
            if event.picture is not None and event.picture.is_file():
                messages.append({"role": "assistant", "content": {"path": str(event.picture), "alt_text": tool}})
    return messages


def _results(root: Path, found: Where) -> tuple[Any, Any]:
    session = _session(root, found)
    if session is None:
        return None, None
    try:
        drawn = str(session.scores())
    except ValueError:
        drawn = None
    files = [session.folder / name for name in ("report.html", "bank.json", "scores.csv")]
    return drawn, [str(path) for path in files if path.is_file()] or None


def _ticket() -> int:
    """A number that no earlier one equals, so that the cards are drawn anew."""
    return time.monotonic_ns()


def _safe(text: str) -> str:
    """Text as text: names and lines from files may look like HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
