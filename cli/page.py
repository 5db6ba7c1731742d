"""The page of ``ape serve``: conversation, rules as cards, progress, events and scores.

All state is in the run folders, so the page is the same after a reload, in a second tab, and after a server restart.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import gradio as gr

from ape.agents.guide.event_answers import events_text
from ape.cli.cards import add_cards
from ape.cli.conversations import Look, Place, conversations, look, may_show, open_session, start
from ape.cli.form import add_form, request_of_form, values_of
from ape.cli.turns import answer, escape, say, turn_values
from ape.core.errors import InputError
from ape.core.run_files import BANK, EVENTS_CSV, REPORT, SCORES
from ape.runs.folder import Request
from ape.runs.session import MAIN

NO_EVENTS = "No events yet: say *go* to train a detector and to score the series."
HINT = "Ask what the series does, say 'mine', or 'help'."
# Hide Gradio's "Share", which sends a picture to another machine, and "Clear" and the crosses of results, which would
# not delete anything.
CSS = """.card img {max-height: 9rem; object-fit: contain}
.rules {max-height: 78vh; overflow-y: auto; flex-wrap: nowrap !important} .rules > * {flex-shrink: 0}
footer, button[aria-label="Share"], button[aria-label="Clear"], .results button[aria-label="Remove this file"]
{display: none !important}
.prose {overflow-x: auto} .prose th, .prose td {overflow-wrap: normal; word-break: normal}
.events table {font-size: .85em} .events th, .events td {padding: .2em .5em !important}
.gradio-container {width: 100%; max-width: 1900px !important; margin: auto}"""


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
        with gr.Accordion("new conversation", open=False) as new:
            fields = add_form(defaults)
            with gr.Row():
                check = gr.Button("how is it read?")
                begin = gr.Button("start", variant="primary")
            checked, drawn = add_reading(visible=False)
        notice = gr.Markdown(elem_id="notice")
        with gr.Row():
            with gr.Column(scale=4, min_width=400):
                chat = gr.Chatbot(
                    height="60vh",
                    min_height=360,
                    show_label=False,
                    buttons=["copy"],
                    placeholder=HINT,
                    allow_tags=False,
                )
                with gr.Row(visible=False) as question:
                    yes, no = gr.Button("yes, do it", variant="primary"), gr.Button("no")
                status = gr.Markdown(elem_id="status")
                waiting = gr.Markdown(elem_id="waiting")
                with gr.Row():
                    message = gr.Textbox(
                        show_label=False, placeholder="Loading ...", interactive=False, scale=6, elem_id="message"
                    )
                    send = gr.Button("send", variant="primary", interactive=False, scale=1, min_width=80)
            with gr.Column(scale=3, min_width=300, elem_classes="rules"):
                gr.Markdown("### Rule Bank")
                add_cards(root, place, changed, [chat, question, status, changed])
            with gr.Column(scale=3, min_width=300), gr.Tabs():
                with gr.Tab("events"):
                    events = gr.Markdown(NO_EVENTS, elem_classes="events")
                    marked = gr.Image(show_label=False, interactive=False, visible=False)
                    files = gr.Files(
                        label="report, events, bank, scores", interactive=False, visible=False, elem_classes="results"
                    )
                with gr.Tab("scores"):
                    scores = gr.Image(show_label=False, interactive=False, visible=False)
                with gr.Tab("series"):
                    read, series = add_reading()

        turn = [chat, question, status, changed]
        results = [events, marked, scores, files]
        opened = [place, *turn, thread, read, series, notice]  # but the results, which take seconds and follow
        names, inputs = list(fields), list(fields.values())
        checks = [checked, drawn, fields["column"], notice]

        def show(run: str | None, name: str) -> tuple[Any, ...]:
            new_place = {"run": run or "", "thread": name or MAIN}
            try:
                session = open_session(root, new_place)
                threads = gr.update(choices=session.threads() if session else [MAIN], value=new_place["thread"])
                known = (None, None) if session is None else (session.reading(), str(session.series_picture()))
                return new_place, *turn_values(session), threads, *known, ""
            except InputError as error:  # a damaged folder, or the data were moved
                return new_place, *turn_values(None), gr.skip(), None, None, _bold(error)

        def on_load(place: Place) -> tuple[Any, ...]:
            known = conversations(root)
            run = place.get("run") if place.get("run") in known else (known[0] if known else "")
            return (
                gr.update(choices=known, value=run or None),
                gr.skip() if known else gr.update(open=True),
                *show(run, place.get("thread", MAIN)),
            )

        def on_check(*values: Any) -> tuple[Any, ...]:
            try:
                return _check_values(look(root, request_of_form(dict(zip(names, values, strict=True)))))
            except InputError as error:
                return gr.update(visible=False), gr.update(visible=False), gr.skip(), _bold(error)

        def on_loaded() -> tuple[Any, ...]:
            return gr.update(interactive=True, placeholder="Message"), gr.update(interactive=True)

        def on_file(*values: Any) -> tuple[Any, ...]:
            typed = dict(zip(names, values, strict=True))
            if not typed["data"]:
                return gr.update(visible=False), gr.update(visible=False), gr.update(choices=[], value=[]), ""
            checked, drawn, column, note = on_check(*(typed | {"column": []}).values())
            return checked, drawn, {"choices": [], **column, "value": list(defaults.column)}, note

        def on_begin(*values: Any) -> tuple[Any, ...]:
            try:
                name = start(root, request_of_form(dict(zip(names, values, strict=True))))
            except InputError as error:
                return *(gr.skip() for _ in (chosen, new, *inputs, *opened[:-1])), _bold(error)
            empty = [values_of(defaults)[field] for field in names]
            return (
                gr.update(choices=conversations(root), value=name),
                gr.update(open=False),
                *empty,
                *show(name, MAIN),
            )

        def on_branch(place: Place) -> tuple[Any, ...]:
            try:
                session = open_session(root, place)
                return show(place["run"], session.branch().thread) if session else show("", MAIN)
            except InputError as error:
                return *(gr.skip() for _ in opened[:-1]), _bold(error)

        update_results = {"fn": partial(_result_values, root), "inputs": place, "outputs": results}
        # One component shows that something is read or opened: on those of a form that closes, it would stay.
        opens: dict[str, Any] = {"show_progress_on": chosen}
        reads: dict[str, Any] = {"show_progress_on": fields["column"]}
        loaded = blocks.load(on_load, place, [chosen, new, *opened], **opens)
        loaded.then(on_loaded, None, [message, send], show_progress="hidden")
        loaded.then(**update_results)
        cast(gr.File, fields["data"]).change(on_file, inputs, checks, **reads)
        check.click(on_check, inputs, checks, **reads)
        begin.click(on_begin, inputs, [chosen, new, *inputs, *opened], **opens).then(**update_results)
        chosen.input(lambda run: show(run, MAIN), chosen, opened, **opens).then(**update_results)
        thread.input(lambda place, name: show(place.get("run"), name), [place, thread], opened, **opens)
        branch.click(on_branch, place, opened, **opens)
        many: dict[str, Any] = {
            "concurrency_limit": None,
            "show_progress": "hidden",
        }  # a message that waits does not block others
        for trigger in (message.submit, send.click):
            sent = trigger(
                partial(say, root), [place, message], [message, *turn, waiting], trigger_mode="multiple", **many
            )
            sent.then(**update_results)
        yes.click(partial(answer, root, agreed=True), place, turn, **many).then(**update_results)
        no.click(partial(answer, root, agreed=False), place, turn, **many)
    return blocks


def add_reading(visible: bool = True) -> tuple[gr.Textbox, gr.Image]:
    """Add the block that says how a file was read, and the picture of the series."""
    block = gr.Textbox(label="how the file is read", lines=8, max_lines=20, interactive=False, visible=visible)
    return block, gr.Image(show_label=False, interactive=False, visible=visible)


def _check_values(found: Look) -> tuple[Any, ...]:
    """Return how a file is read, a picture, the channels to choose from, and an empty notice."""
    return (
        gr.update(value=found.lines, visible=True),
        gr.update(value=found.picture, visible=True),
        gr.update(choices=list(found.channels)),
        "",
    )


def _result_values(root: Path, place: Place) -> tuple[Any, ...]:
    """Return the events, the pictures of events and scores, and the result files; hidden if there are none."""
    pictures: tuple[str | None, ...] = (None, None)
    try:
        session = open_session(root, place)
        if session is None:
            return NO_EVENTS, *(_shown(None) for _ in range(3))
        found, marked = session.events()
        events, pictures = escape(events_text(found)), (str(marked), str(session.scores()))
    except InputError as error:  # a damaged file
        events = escape(str(error))
    except ValueError:  # nothing was scored yet
        events = NO_EVENTS
    paths = [root / place["run"] / name for name in (REPORT, EVENTS_CSV, BANK, SCORES)]
    files = [str(path) for path in paths if may_show(root, path.resolve())]
    return events, _shown(pictures[0]), _shown(pictures[1]), _shown(files or None)


def _shown(value: Any) -> dict[str, Any]:
    """Return the update that shows a value, or hides the component of a missing one."""
    return gr.update(value=value, visible=value is not None)


def _bold(error: InputError) -> str:
    return f"**{escape(' '.join(str(error).split()))}**"
