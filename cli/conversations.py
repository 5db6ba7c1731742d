"""The conversations of the page: folders below a common one, with copies of the files that were uploaded."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ape.core.errors import InputError
from ape.core.run_files import BANK, EVENTS_CSV, RECORD, REPORT, SCORES
from ape.runs.folder import Request
from ape.runs.session import MAIN, Session
from ape.series.loaders import stem_of
from ape.series.plots import draw_series
from ape.series.reading.report import reading_lines
from ape.tools.artefacts import Artefacts

CACHE = ".page"  # what was uploaded, and copies of what the page has shown
SHOWN = [[name] for name in (REPORT, EVENTS_CSV, BANK, SCORES)]
PICTURES = (".png", ".webp")
Place = dict[str, str]  # name of the run folder ("run") and of the thread, stored in the browser


@dataclass(frozen=True)
class Look:
    """How a file is read: ``lines`` of text, the path of a ``picture``, and all ``channels`` to choose from."""

    lines: str
    picture: str
    channels: tuple[str, ...]


def conversations(root: Path) -> list[str]:
    """Return the names of the conversations in a folder, the latest first."""
    folders = [path.parent for path in root.glob(f"*/{RECORD}")]
    return [path.name for path in sorted(folders, key=lambda path: -path.stat().st_mtime)]


def open_session(root: Path, place: Place) -> Session | None:
    """Return the conversation that is open in the browser; None if it is not in ``root``.

    Raises
    ------
    InputError
        Its folder or its series cannot be read.
    """
    if place.get("run") not in conversations(root):
        return None
    folder = root / place["run"]
    return _opened(folder, place.get("thread", MAIN), (folder / RECORD).stat().st_mtime_ns)


def may_show(root: Path, path: Path) -> bool:
    """Return whether the page may send a file: a result or picture of a conversation, or what the page itself keeps.

    Parameters
    ----------
    root : Path
        Folder of the conversations.
    path : Path
        Without links.
    """
    root = root.resolve()
    if not path.is_file() or not path.is_relative_to(root):
        return False
    first, *rest = path.relative_to(root).parts
    if first == CACHE:
        return True
    return bool(rest) and (root / first / RECORD).is_file() and (rest in SHOWN or path.suffix in PICTURES)


@lru_cache(maxsize=8)
def _opened(folder: Path, thread: str, _changed: int) -> Session:
    """Open a conversation; cached, so that the series is not read again for every click."""
    return Session(folder, thread)


def look(root: Path, request: Request) -> Look:
    """Read the file of a request without starting anything.

    Raises
    ------
    InputError
        There is no file, or it is not a usable series.
    """
    series = _require_file(request).load()
    channels = replace(request, column=()).load().channels if request.column else series.channels
    artefacts = Artefacts(root / CACHE)
    picture = artefacts.put_bytes(draw_series(series), ".png")
    return Look("\n".join(reading_lines(series)), str(artefacts.path(picture)), tuple(channels))


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
