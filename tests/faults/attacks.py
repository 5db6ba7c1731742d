"""``python -m faults.attacks``: attack the page, the service and the terminal, and print what got through,
and counts."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faults import attacks_api, attacks_browser, attacks_page, attacks_shown, attacks_slow, attacks_terminal
from faults.made_run import make_run
from faults.served import TOKEN, make_root, served_api, served_page
from faults.wire import send

Outcome = tuple[str, str]  # name of an attack, and what is wrong; empty: it was refused
PATIENCE = 2.0  # seconds for an answer; no answer is a refusal


def on_page(folder: Path) -> Iterator[Outcome]:
    """Attack the page with bytes."""
    root = make_root(_run(folder), folder / "chats")
    with served_page(root) as target:
        before = _files(root)
        for name, sent in attacks_page.page_attacks(target):
            yield name, attacks_page.got_through(target, send(target.port, sent, PATIENCE))
        yield "files", ", ".join(sorted(_files(root) - before))[:300]
        yield from attacks_slow.attacks(target.port, "/", {"Cookie": f"ape-{target.port}={target.cookie}"})


def on_service(folder: Path) -> Iterator[Outcome]:
    """Attack the service with bytes, without and with a token."""
    run = shutil.copytree(_run(folder), folder / "pump")
    for token in (None, TOKEN):
        with served_api(run, token is not None) as port:
            before = _files(run)
            for name, sent in attacks_api.api_attacks(f"127.0.0.1:{port}", port, token):
                yield name, attacks_api.got_through(send(port, sent, PATIENCE))
            yield "files", ", ".join(sorted(_files(run) - before))[:300]
            yield from attacks_slow.attacks(port, "/health", {})


def in_browser(folder: Path) -> Iterator[Outcome]:
    """Attack the page and the service with pages of other origins, and the page with what it shows."""
    run = _run(folder)
    root, alone = make_root(run, folder / "chats"), shutil.copytree(run, folder / "pump")
    with _chromium() as browser:
        with served_page(root) as target:
            enter = f"http://{target.host}/?token={target.token}"
            yield from attacks_browser.attacks(browser, enter, target.port, attacks_browser.paths_of_page(target))
        with served_api(alone, token=False) as port:
            enter = f"http://127.0.0.1:{port}/docs"
            yield from attacks_browser.attacks(browser, enter, port, attacks_browser.PATHS_OF_API)
        yield from attacks_shown.all_shown(browser, folder / "shown", served_page)


def on_terminal(folder: Path) -> Iterator[Outcome]:
    """Call commands with hostile names, files and replies."""
    return attacks_terminal.attacks(folder)


PARTS: dict[str, Callable[[Path], Iterator[Outcome]]] = {
    "page": on_page,
    "service": on_service,
    "browser": in_browser,
    "terminal": on_terminal,
}


def _run(folder: Path) -> Path:
    return make_run(folder / "made").folder


def _files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if path.suffix not in (".lock", ".sqlite-journal")}


@contextmanager
def _chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = os.environ.get("APE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", attacks_browser.RESOLVES])
        yield browser
        browser.close()


def main() -> int:
    """Print each attack that got through, and the counts of each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="default: all")
    failed = 0
    for part in parser.parse_args().parts or PARTS:
        tried = wrong = 0
        with tempfile.TemporaryDirectory() as folder:
            for name, why in PARTS[part](Path(folder)):
                tried, wrong = tried + 1, wrong + bool(why)
                if why:
                    sys.stdout.write(f"{name!a}: {why!a}\n")
        sys.stdout.write(f"{part}: {tried} attacks, {wrong} got through\n")
        sys.stdout.flush()
        failed += wrong
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
