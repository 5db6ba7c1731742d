"""Refuse files and folders that do not exist, by the names of their arguments."""

from __future__ import annotations

import argparse
from glob import glob
from pathlib import Path

import ape
from ape.cli.parser import suggestion
from ape.core.errors import InputError
from ape.core.run_files import DETECTOR, ENHANCED, EVENTS_JSON, RECORD

EXAMPLE = "example:"
FILES = {
    "data": "no such file",
    "text": "cannot read the text: no such file",
    "log": "cannot read the log: no such file",
    "image": "cannot read the picture: no such file",
    "config": "no such file",
    "check": "no such file",
    "token_file": "cannot read the token: no such file",
}
FOLDERS = ("detector", "run", "against", "before", "after", "continue_from")
EITHER = ("bank", "manifest")  # files or folders; a manifest may be a glob
EVALS = Path(ape.__file__).parent / "evals"
PACKAGED = {  # arguments that name a part of the package, or a path
    "experiment": (EVALS / "experiments", ".toml", "no such experiment"),
    "what": (EVALS / "timeanomalybench" / "scenarios", ".py", "neither a scenario nor a made set"),
}


def require_inputs(arguments: argparse.Namespace) -> None:
    """Raise `InputError` for the first input that does not exist, or if there is nothing to begin or resume."""
    continues = getattr(arguments, "continue_from", None) is not None
    if continues and arguments.resume is not None:
        raise InputError("give --continue-from RUN or --resume DIR", "ape run", "one of the two")
    if hasattr(arguments, "resume") and not continues and (arguments.data is None) == (arguments.resume is None):
        raise InputError("give DATA to begin, or --resume DIR", f"ape {arguments.command}", "one of the two")
    given = {name: value for name, value in vars(arguments).items() if value}
    for name, value in given.items():
        if name in PACKAGED:
            _require_packaged(value, *PACKAGED[name])
        elif name == "runs":
            for folder in map(Path, value):
                if not folder.is_dir():
                    raise _missing("no such folder", folder)
        elif name in FOLDERS and not Path(value).is_dir():
            raise _missing("no such folder", Path(value))
        elif name == "run" and arguments.command == "events":
            _require_events(Path(value))
        elif name in EITHER or (name, arguments.command) == ("data", "score"):
            if not (Path(value).exists() or glob(value) or value.startswith(EXAMPLE)):  # noqa: PTH207 (the pattern may be absolute)
                raise _missing("no such file or folder", Path(value))
        elif name == "resume" and not (Path(value) / RECORD).is_file():
            raise InputError("not a run folder", str(Path(value) / RECORD), "check the path")
        elif name in FILES and arguments.command != "eval":  # its data are a folder, which it checks itself
            for path in value if isinstance(value, list) else [value]:
                if not Path(path).is_file() and not path.startswith(EXAMPLE):
                    raise _missing(FILES[name], Path(path))


def _require_packaged(value: str, folder: Path, suffix: str, what: str) -> None:
    known = sorted(path.stem for path in folder.glob(f"[!_]*{suffix}"))
    if value not in known and not Path(value).exists():
        raise InputError(what, value, suggestion(value, known) or f"give a path, or one of {', '.join(known)}")


def _require_events(folder: Path) -> None:
    if (folder / RECORD).is_file() or (folder / EVENTS_JSON).is_file():
        return
    if (folder / "index.html").is_file():
        raise InputError("it is the folder of a batch", str(folder), "give that of a series in it, or see index.html")
    if any((folder / name).is_dir() for name in (DETECTOR, ENHANCED)):
        hint = f"score a series with it: ape score DATA --detector {folder} --out DIR"
        raise InputError("the folder has a detector, but no events", str(folder), hint)
    raise InputError("neither a run folder nor one that 'ape score' wrote", str(folder), "check the path")


def _missing(what: str, path: Path) -> InputError:
    if path.is_dir():
        return InputError("it is a folder", str(path), "give a file")
    if path.is_file():
        return InputError("it is a file", str(path), "give a folder")
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    return InputError(what, str(path), suggestion(path.name, beside) or "check the path")
