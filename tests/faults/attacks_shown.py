"""Pictures, scripts and links in what the page shows: names of columns, words, texts, and what a model says."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from faults.attacks_browser import other_server
from faults.attacks_page import Target
from faults.calls import call
from odd_server import OddServer, odd_server, say
from support import short_training

SHOWN = 60_000  # milliseconds until a conversation is open

# Each asks ADDRESS for something if it is taken for more than text, or opens a dialog.
PAYLOADS = [
    "![a](ADDRESS)",
    "![a](<ADDRESS>)",
    "![a](ADDRESS 'title')",
    "![a][r]\n\n[r]: ADDRESS",
    "[![a](ADDRESS)](ADDRESS)",
    "![a](//127.0.0.1:PORT/ID)",
    "<img src=ADDRESS>",
    "<img src=x onerror=alert(1)>",
    "<img srcset='ADDRESS 2x'>",
    "<picture><source srcset=ADDRESS><img></picture>",
    "<svg><image href=ADDRESS></svg>",
    "<svg onload=alert(1)>",
    "<script src=ADDRESS></script>",
    "<script>alert(1)</script>",
    "<iframe src=ADDRESS></iframe>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<object data=ADDRESS></object>",
    "<embed src=ADDRESS>",
    "<video src=ADDRESS autoplay></video>",
    "<audio src=ADDRESS autoplay></audio>",
    "<link rel=stylesheet href=ADDRESS>",
    "<link rel=prefetch href=ADDRESS>",
    "<style>@import url(ADDRESS);</style>",
    "<div style='background:url(ADDRESS)'>x</div>",
    "<base href=ADDRESS>",
    "<meta http-equiv=refresh content='0;url=ADDRESS'>",
    "<form action=ADDRESS><input autofocus onfocus=this.form.submit()></form>",
    "<details open ontoggle=alert(1)>",
    "<body onload=alert(1)>",
    "<math><mtext><img src=ADDRESS></mtext></math>",
    "<a href=javascript:alert(1) ping=ADDRESS>x</a>",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "&lt;img src=ADDRESS&gt;",
    "&#33;[a](ADDRESS)",
    "\\![a](ADDRESS)",
    "`![a](ADDRESS)`",
    "```html\n<img src=ADDRESS>\n```",
    "```mermaid\ngraph TD; A[<img src=ADDRESS>]\n```",
    "$\\includegraphics{ADDRESS}$ $$\\href{ADDRESS}{x}$$",
    "| a |\n|---|\n| ![a](ADDRESS) |",
    "- ![a](ADDRESS)\n> ![b](ADDRESS)",
    "<img/src=ADDRESS/>",
    "<IMG\tSRC='ADDRESS'>",
    "<<img src=ADDRESS>",
    "<!--><img src=ADDRESS>-->",
    "<noscript><p title='</noscript><img src=ADDRESS>'>",
    "</textarea></script><img src=ADDRESS>",
    "<template><img src=ADDRESS></template><x-y><img src=ADDRESS></x-y>",
    "gradio_api/file=ADDRESS",
]


def payloads(port: int, part: str) -> list[str]:
    """Return texts, each of which asks for an address of its own."""
    found = []
    for number, text in enumerate(PAYLOADS):
        name = f"{part}-{number}.png"
        address = f"http://127.0.0.1:{port}/{name}"
        found.append(text.replace("ADDRESS", address).replace("PORT", str(port)).replace("ID", name))
    return found


def make_conversations(root: Path, port: int, model: OddServer) -> list[tuple[str, str]]:
    """Hold two conversations below a folder; return the name of each, and words that the page shows of it.

    One has a mined bank of a text and columns with the payloads, the other the replies of a model.
    """
    data = root.parent / "hostile"
    data.mkdir()
    at = np.arange(900)
    columns = [text.replace("\n", " ").replace('"', "'") for text in payloads(port, "column")]
    values = [np.sin(at / 4) + 0.05 * np.random.default_rng(k).normal(size=len(at)) for k in range(3)]
    table = np.stack([values[k % 3] for k in range(len(columns))], axis=1)
    rows = "\n".join(",".join(f"{value:.3f}" for value in row) for row in table)
    (data / "wide.csv").write_text(",".join(f'"{name}"' for name in columns) + "\n" + rows + "\n")
    (data / "one.csv").write_text(f'"{columns[0]}"\n' + "\n".join(f"{value:.3f}" for value in values[0]) + "\n")
    (data / "notes.txt").write_text(
        "\n".join(f"The sensor {text} sometimes sticks {text} for a while." for text in payloads(port, "text"))
    )
    words = [text.replace("\n", " ") for text in payloads(port, "word")]
    typed = "\n".join(["what does the series do?", "mine", "yes", *words, "quit", ""])
    talk = ["chat", data / "one.csv", "--text", data / "notes.txt", "--out", root / "mined"]
    model.reply = say("\n\n".join(["The model says:", *payloads(port, "model")]))
    with short_training():
        for command, said in (
            (talk, typed),
            (["chat", data / "wide.csv", "--out", root / "wide"], "what does the series do?\nquit\n"),
            (["chat", data / "one.csv", "--brain", f"{model.url}/v1", "--out", root / "asked"], "hello\nquit\n"),
        ):
            done = call(command, said)
            assert (done.code, done.crash) == (0, ""), (done.crash, done.err)
    return [("mined", "what does the series do?"), ("wide", "what does the series do?"), ("asked", "The model says:")]


def attacks(
    browser: Any, target: Target, port: int, asked: list[str], shown: list[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Open each conversation; yield a name for each payload in it, and what is wrong."""
    for later, (name, words) in enumerate(shown):
        newest = time.time() + 1000 * (later + 1)  # the page opens the latest conversation
        os.utime(target.root / name, (newest, newest))
        dialogs: list[str] = []
        requests: list[str] = []
        with browser.new_context() as context:
            page = context.new_page()
            page.on("dialog", lambda dialog, to=dialogs: (to.append(dialog.message), dialog.dismiss()))
            page.on("request", lambda request, to=requests: to.append(request.url))
            page.goto(f"http://{target.host}/?token={target.token}")
            page.get_by_text(words).last.wait_for(timeout=SHOWN)
            page.wait_for_timeout(1500)
            links = page.evaluate(
                # A link is only followed by a person; one with a script, or that tells others, is none.
                "() => [...document.querySelectorAll('[src],[href],[srcset],[data],[action],[ping]')].flatMap(each =>"
                " ['src', 'href', 'srcset', 'data', 'action', 'ping'].map(a => each.getAttribute(a) || '').filter("
                "  value => !(each.matches('a') && value == each.getAttribute('href') && /^https?:/.test(value))))"
            )
            opened = page.url
        own = f"http://{target.host}/"
        loaded = [*asked, *(url for url in requests if not url.startswith((own, "data:", "blob:"))), *links]
        for part in ("column", "text", "word", "model"):
            for number, text in enumerate(PAYLOADS):
                mark = f"{part}-{number}.png"
                hits = [each for each in loaded if mark in each and not each.startswith(own)]
                yield f"{name}: {part}: {text[:60]!r}", f"asked for or linked: {hits[:2]}" if hits else ""
        scripts = [each for each in links if each.strip().lower().startswith(("javascript:", "data:text/html"))]
        yield f"{name}: scripts", "; ".join([*dialogs, *scripts])
        yield f"{name}: the page stays", "" if opened == own else opened


def all_shown(browser: Any, root: Path, served: Any) -> Iterator[tuple[str, str]]:
    """Hold the conversations, serve them, and yield all attacks; ``served`` serves a folder."""
    with other_server() as other, odd_server() as model:
        shown = make_conversations(root, other.server_port, model)
        with served(root) as target:
            yield from attacks(browser, target, other.server_port, other.asked, shown)  # type: ignore[attr-defined]
