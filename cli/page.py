"""The page of ``ape serve``: conversation, rules as cards, progress, events and scores.

All state is in the run folders, so the page is the same after a reload, in a second tab, and after a server restart.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, partial
from itertools import repeat
from pathlib import Path
from typing import Any

import gradio as gr

from ape.agents.expert.summaries import events_text
from ape.cli.form import add_form, request_of_form
from ape.core.errors import InputError
from ape.core.run_files import BANK, EVENTS_CSV, RECORD, REPORT, SCORES
from ape.runs.folder import Request
from ape.runs.session import MAIN, Card, Session
from ape.runs.updates import Update
from ape.series.loaders import stem_of
from ape.series.plots import draw_series
from ape.series.reading.report import reading_lines
from ape.tools.artefacts import Artefacts

Messages = list[dict[str, Any]]
Place = dict[str, str]  # name of the run folder ("run") and of the thread, stored in the browser

NO_EVENTS = "No events yet: say *go* to train a detector and to score the series."
HINT = "Ask what the series does, say 'mine', or 'help'."
# Hide Gradio's "Share", which sends a picture to another machine, and "Clear", which would not delete anything.
CSS = """.card img {max-height: 11rem; object-fit: contain}
footer, button[aria-label="Share"], button[aria-label="Clear"] {display: none !important}
.prose {overflow-x: auto} .prose th, .prose td {overflow-wrap: normal; word-break: normal}
.gradio-container {max-width: 1600px !important; margin: auto}"""


def page(root: Path, defaults: Request) -> gr.Blocks:
    """Return the page.

    Parameters
    ----------
    root : Path
        Folder of the conversations.
    defaults : Request
        Values of a new conversation.

    Returns
    -------
    gradio.Blocks
    """
    with gr.Blocks(title="APE", analytics_enabled=False, fill_width=True) as blocks:
        place = gr.BrowserState({}, storage_key="ape-conversation")
        changed = gr.State(0)  # a new value redraws the cards
        with gr.Row():
            chosen = gr.Dropdown([], label="conversation", scale=3)
            thread = gr.Dropdown([MAIN], value=MAIN, label="thread", scale=1)
            branch = gr.Button("branch from here", scale=1, size="sm")
        with gr.Accordion("new conversation", open=not conversations(root)) as new:
            fields = add_form(defaults)
            with gr.Row():
                check = gr.Button("how is it read?")
                begin = gr.Button("start", variant="primary")
            checked, drawn = reading_fields(visible=False)
        notice = gr.Markdown(visible=True, elem_id="notice")
        with gr.Row():
            with gr.Column(scale=3):
                chat = gr.Chatbot(height=620, show_label=False, buttons=["copy"], placeholder=HINT, allow_tags=False)
                with gr.Row():
                    message = gr.Textbox(show_label=False, placeholder=HINT, scale=6, elem_id="message")
                    send = gr.Button("send", variant="primary", scale=1)
                with gr.Row(visible=False) as question:
                    yes, no = gr.Button("yes, do it", variant="primary"), gr.Button("no")
            with gr.Column(scale=2, min_width=240), gr.Tabs():
                with gr.Tab("Rule Bank"):
                    add_cards(root, place, changed, [chat, question, notice, changed])
                with gr.Tab("series"):
                    read, series = reading_fields()
                with gr.Tab("events"):
                    events = gr.Markdown(NO_EVENTS)
                    marked = gr.Image(show_label=False, interactive=False)
                    files = gr.File(label="report, events, bank, scores", file_count="multiple", interactive=False)
                with gr.Tab("scores"):
                    scores = gr.Image(show_label=False, interactive=False)

        turn = [chat, question, notice, changed]
        results = [events, marked, scores, files]
        everything = [place, *turn, thread, read, series]  # but the results, which take seconds and follow

        def show(run: str | None, name: str) -> tuple[Any, ...]:
            new_place = {"run": run or "", "thread": name or MAIN}
            session = _session(root, new_place)
            threads = gr.update(choices=session.threads() if session else [MAIN], value=new_place["thread"])
            known = (None, None) if session is None else (session.reading(), str(session.series_picture()))
            return new_place, *_turn_values(session), threads, *known

        def on_load(place: Place) -> tuple[Any, ...]:
            known = conversations(root)
            run = place.get("run") if place.get("run") in known else (known[0] if known else "")
            return gr.update(choices=known, value=run or None), *show(run, place.get("thread", MAIN))

        def on_check(*values: Any) -> tuple[Any, ...]:
            try:
                read, picture = look(root, request_of_form(dict(zip(fields, values, strict=True))))
            except InputError as error:
                return gr.update(visible=False), gr.update(visible=False), f"**{_escape(str(error))}**"
            return gr.update(value=read, visible=True), gr.update(value=picture, visible=True), ""

        def on_begin(*values: Any) -> tuple[Any, ...]:
            try:
                name = start(root, request_of_form(dict(zip(fields, values, strict=True))))
            except InputError as error:
                unchanged = repeat(gr.skip(), len(everything) - 3)
                return *repeat(gr.skip(), 5), f"**{_escape(str(error))}**", *unchanged
            return gr.update(choices=conversations(root), value=name), gr.update(open=False), *show(name, MAIN)

        def on_branch(place: Place) -> tuple[Any, ...]:
            session = _session(root, place)
            if session is None:
                return show("", MAIN)
            try:
                other = session.branch()
            except InputError as error:
                return place, *_turn_values(session, str(error)), *repeat(gr.skip(), len(everything) - len(turn) - 1)
            return show(place["run"], other.thread)

        update_results = {"fn": lambda place: _result_values(root, place), "inputs": place, "outputs": results}
        blocks.load(on_load, place, [chosen, *everything]).then(**update_results)
        check.click(on_check, list(fields.values()), [checked, drawn, notice])
        begin.click(on_begin, list(fields.values()), [chosen, new, *everything]).then(**update_results)
        chosen.input(lambda run: show(run, MAIN), chosen, everything).then(**update_results)
        thread.input(lambda place, name: show(place.get("run"), name), [place, thread], everything)
        branch.click(on_branch, place, everything)
        for trigger in (message.submit, send.click):
            trigger(partial(_say, root), [place, message], [message, *turn]).then(**update_results)
        yes.click(partial(_answer, root, agreed=True), place, turn).then(**update_results)
        no.click(partial(_answer, root, agreed=False), place, turn)
    return blocks


def add_cards(root: Path, place: gr.BrowserState, changed: gr.State, turn: list[Any]) -> None:
    """Add a card for each rule on the desk; the cards are redrawn when ``changed`` changes."""

    @gr.render(inputs=[place, changed], triggers=[changed.change])
    def draw(place_value: Place, _changed: int) -> None:
        session = _session(root, place_value)
        cards = session.cards() if session else []
        if not cards:
            gr.Markdown("No rules yet: say *mine*, or add one in words.")
        for card in cards:
            _add_card(root, card, place, turn)


def _add_card(root: Path, card: Card, place: gr.BrowserState, turn: list[Any]) -> None:
    rule, summary = card.rule, card.summary
    verdict = "passes its check" if summary["passes"] else f"fails {', '.join(summary['fails'])}: not in the bank"
    with gr.Group(elem_classes="card"):
        gr.Markdown(
            f"**{rule}**, {summary['mechanism']}, {summary['morphology']}; {verdict}\n\n"
            f"size {summary['size']}, length {summary['length']}"
        )
        gr.Image(str(card.picture), show_label=False, interactive=False, alt_text=f"examples of {rule}")
        with gr.Row():
            size = gr.Number(1.0, label="size times", minimum=0.05, maximum=20, min_width=60)
            length = gr.Number(1.0, label="length times", minimum=0.05, maximum=20, min_width=60)
            slow = gr.Checkbox(bool(summary["gradual"]), label="builds up slowly", min_width=60)
        with gr.Row():
            change, drop, why = (gr.Button(word, size="sm", min_width=60) for word in ("change", "drop", "why?"))

        def on_change(place: Place, size: float, length: float, slow: bool) -> Iterator[tuple[Any, ...]]:
            request = f"change {rule}: size times {size:g}, length times {length:g}, slow {slow}"
            arguments = {"rule_id": rule, "asked": request, "size": size, "length": length, "gradual": slow}
            yield from _act(root, place, "change_rule", arguments, request)

        def on_drop(place: Place) -> Iterator[tuple[Any, ...]]:
            request = f"drop {rule}"
            yield from _act(root, place, "drop_rule", {"rule_id": rule, "asked": request}, request)

        def on_why(place: Place) -> Iterator[tuple[Any, ...]]:
            yield from _act(root, place, "why_rule", {"rule_id": rule}, f"why {rule}?")

        change.click(on_change, [place, size, length, slow], turn)
        drop.click(on_drop, place, turn)
        why.click(on_why, place, turn)


def conversations(root: Path) -> list[str]:
    """Return the names of the conversations in a folder, the latest first."""
    folders = [path.parent for path in root.glob(f"*/{RECORD}")]
    return [path.name for path in sorted(folders, key=lambda path: -path.stat().st_mtime)]


def reading_fields(visible: bool = True) -> tuple[gr.Textbox, gr.Image]:
    """Add the block that says how a file was read, and the picture of the series."""
    block = gr.Textbox(label="how the file is read", lines=8, max_lines=20, interactive=False, visible=visible)
    return block, gr.Image(show_label=False, interactive=False, visible=visible)


def look(root: Path, request: Request) -> tuple[str, str]:
    """Return how the file of a request is read, and the path of a picture of the series.

    Raises
    ------
    InputError
        There is no file, or it is not a usable series.
    """
    series = _require_file(request).load()
    picture = Artefacts(root / ".page").put_bytes(draw_series(series), ".png")
    return "\n".join(reading_lines(series)), str(Artefacts(root / ".page").path(picture))


def start(root: Path, request: Request) -> str:
    """Start a conversation about uploaded files and return its name; the files are copied into ``root``.

    Raises
    ------
    InputError
        There is no file, or it is not a usable series.
    """
    path, folder = Path(_require_file(request).data), root / "series"
    folder.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^\w-]+", "_", stem_of(path))[:40] or "series"
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 10_000))
    name = next(name for name in names if not (root / name).exists())

    def copied(file: str, new: str) -> str:
        return str(shutil.copy(file, folder / new))

    images = [(image, f"{name}-image{number}{Path(image).suffix}") for number, image in enumerate(request.image, 1)]
    request = replace(
        request,
        data=copied(request.data, f"{name}{path.name[len(stem_of(path)) :].lower()}"),
        log=None if request.log is None else copied(request.log, f"{name}-log{Path(request.log).suffix}"),
        image=tuple(copied(image, new) for image, new in images),
    )
    try:
        Session.create(root / name, request, request.load())
    except InputError:
        for copy in filter(None, (request.data, request.log, *request.image)):
            Path(copy).unlink()
        raise
    return name


def _require_file(request: Request) -> Request:
    if not request.data:
        raise InputError("no series", "start", "choose a file first")
    return request


def _session(root: Path, place: Place) -> Session | None:
    """Return the conversation that is open in the browser; None if it is not in ``root``."""
    if place.get("run") not in conversations(root):
        return None
    folder = root / place["run"]
    return _open_session(folder, place.get("thread", MAIN), (folder / RECORD).stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _open_session(folder: Path, thread: str, _changed: int) -> Session:
    """Open a conversation; cached, so that the series is not read again for every click."""
    return Session(folder, thread)


def _say(root: Path, place: Place, text: str) -> Iterator[tuple[Any, ...]]:
    session = _session(root, place)
    if session is None:
        yield text, gr.skip(), gr.skip(), "**Start a conversation first.**", gr.skip()
        return
    for values in _follow(session, session.say(text), Update("person", text)):
        yield "", *values


def _answer(root: Path, place: Place, agreed: bool) -> Iterator[tuple[Any, ...]]:
    if session := _session(root, place):
        yield from _follow(session, session.answer(agreed))


def _act(root: Path, place: Place, tool: str, arguments: dict[str, Any], request: str) -> Iterator[tuple[Any, ...]]:
    if session := _session(root, place):
        yield from _follow(session, session.act(tool, arguments, request), Update("person", request))


def _follow(session: Session, updates: Iterator[Update], first: Update | None = None) -> Iterator[tuple[Any, ...]]:
    """Yield the values of the turn's components while a turn runs, and after it."""
    shown, note, reply = [*session.history(), *([first] if first else [])], "", ""
    yield _messages(shown), gr.update(visible=False), "", gr.skip()
    for update in updates:
        if update.kind in ("refused", "failed"):
            note = update.text
        elif update.kind == "progress":
            yield gr.skip(), gr.skip(), _escape(update.text), gr.skip()
        elif update.kind == "token":
            reply += update.text
            yield _messages([*shown, Update("reply", reply)]), gr.skip(), gr.skip(), gr.skip()
        else:
            reply = ""
            shown.append(update)
            yield _messages(shown), gr.skip(), gr.skip(), gr.skip()
    yield _turn_values(session, note)


def _turn_values(session: Session | None, note: str = "") -> tuple[Any, ...]:
    """Return the messages, whether a question waits, the notice, and a new value that redraws the cards."""
    history = session.history() if session else []
    waits = bool(history) and history[-1].kind == "question"
    return _messages(history), gr.update(visible=waits), _escape(note), time.monotonic_ns()


def _messages(updates: list[Update]) -> Messages:
    """Convert updates to messages of the chat: tool results folded, pictures below them."""
    messages: Messages = []
    for update in updates:
        if update.kind == "person":
            messages.append({"role": "user", "content": _escape(update.text)})
        elif update.kind in ("reply", "question"):
            messages.append({"role": "assistant", "content": _escape(update.text)})
        elif update.kind == "tool_result":
            tool, _, result = update.text.partition(": ")
            folded = {"title": tool, "status": "done"}
            messages.append({"role": "assistant", "content": f"```json\n{result[:4000]}\n```", "metadata": folded})
            if update.picture is not None and update.picture.is_file():
                messages.append({"role": "assistant", "content": {"path": str(update.picture), "alt_text": tool}})
    return messages


def _result_values(root: Path, place: Place) -> tuple[Any, ...]:
    """Return the events, the pictures of events and scores, and the result files; None if there are none."""
    session = _session(root, place)
    if session is None:
        return NO_EVENTS, None, None, None
    pictures: tuple[str | None, ...] = (None, None)
    try:
        found, marked = session.events()
        events, pictures = _escape(events_text(found)), (str(marked), str(session.scores()))
    except InputError as error:  # a damaged file
        events = _escape(str(error))
    except ValueError:  # nothing was scored yet
        events = NO_EVENTS
    paths = [session.folder / name for name in (REPORT, EVENTS_CSV, BANK, SCORES)]
    return events, *pictures, [str(path) for path in paths if path.is_file()] or None


def _escape(text: str) -> str:
    """Escape HTML, which names and lines from files may contain."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
