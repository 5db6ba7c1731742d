"""Kinds of damage to a file, each reproducible from a seed."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

Damage = Callable[[Path, random.Random], None]

LONG_NUMBER = "9" * 5000  # more digits than Python converts
LEAVES = (None, [], {}, "text", -1, 1e308, True, "", [None], {"a": 1})


def _flip(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return b"\x00"
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def _on_bytes(change: Callable[[bytes, random.Random], bytes]) -> Damage:
    def damage(path: Path, chance: random.Random) -> None:
        path.write_bytes(change(path.read_bytes(), chance))

    return damage


def _folder(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _link_out(path: Path, chance: random.Random) -> None:
    """Put a link to another file of the machine in the place of the file."""
    path.unlink()
    path.symlink_to("/etc/passwd")


def _dead_link(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def _loop(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _leaves(obj: Any) -> list[tuple[Any, Any]]:
    """Return the places of all values of a JSON document, as (container, key)."""
    pairs = obj.items() if isinstance(obj, dict) else enumerate(obj) if isinstance(obj, list) else ()
    return [place for key, value in pairs for place in [(obj, key), *_leaves(value)]]


def changed_json(text: str, chance: random.Random) -> str:
    """Give a value of a JSON document, or of one line of JSON lines, another one, mostly of another type."""
    lines = text.splitlines()
    if len(lines) > 1:
        try:
            json.loads(lines[0])
        except ValueError:
            pass
        else:
            number = chance.randrange(len(lines))
            lines[number] = changed_json(lines[number], chance)
            return "\n".join(lines) + "\n"
    obj = json.loads(text)
    places = _leaves(obj)
    container, key = chance.choice(places)
    what = chance.choice(("another", "another", "another", "removed", "long", "nan"))
    if what == "removed" and isinstance(container, dict):
        del container[key]
    else:
        container[key] = chance.choice(LEAVES) if what in ("another", "removed") else f"@{what}@"
    changed = json.dumps(obj)
    return changed.replace('"@long@"', LONG_NUMBER).replace('"@nan@"', "NaN")


def _value(path: Path, chance: random.Random) -> None:
    """Change a value within JSON; other files get a changed byte."""
    try:
        path.write_text(changed_json(path.read_text(), chance))
    except ValueError:
        path.write_bytes(_flip(path.read_bytes(), chance))


def _rows(path: Path, chance: random.Random) -> None:
    """Change a value of a row of each table of a database; other files get a changed byte."""
    if not path.read_bytes().startswith(b"SQLite"):
        path.write_bytes(_flip(path.read_bytes(), chance))
        return
    with sqlite3.connect(path) as database:
        for (table,) in database.execute("select name from sqlite_master where type = 'table'").fetchall():
            columns = [row[1] for row in database.execute(f"pragma table_info({table})") if row[2] in ("BLOB", "TEXT")]
            rows = [row[0] for row in database.execute(f"select rowid from {table}")]
            for _ in range(min(3, len(rows), 3 * len(columns))):
                row, column = chance.choice(rows), chance.choice(columns)
                old = database.execute(f"select {column} from {table} where rowid = ?", (row,)).fetchone()[0]
                data = old.encode() if isinstance(old, str) else old or b""
                half = data[: len(data) // 2]
                new = chance.choice([b"\xc0", b"", b"\x90", b"\x80", _flip(data, chance), half, b"null"])
                database.execute(f"update or ignore {table} set {column} = ? where rowid = ?", (new, row))
    database.close()


DAMAGES: dict[str, Damage] = {
    "flipped": _on_bytes(_flip),
    "flipped again": _on_bytes(_flip),
    "value": _value,
    "value again": _value,
    "rows": _rows,
    "cut": _on_bytes(lambda data, chance: data[: chance.randrange(len(data) or 1)]),
    "empty": _on_bytes(lambda data, chance: b""),
    "longer": _on_bytes(lambda data, chance: data + b"\x00" * 20),
    "noise": _on_bytes(lambda data, chance: chance.randbytes(len(data))),
    "null": _on_bytes(lambda data, chance: b"null"),
    "list": _on_bytes(lambda data, chance: b"[]\n"),
    "object": _on_bytes(lambda data, chance: b"{}\n"),
    "nested": _on_bytes(lambda data, chance: b"[" * 100_000),
    "long number": _on_bytes(lambda data, chance: LONG_NUMBER.encode()),
    "not text": _on_bytes(lambda data, chance: b"\xff\xfe\x00" + data[:50]),
    "a folder": _folder,
    "link out": _link_out,
    "dead link": _dead_link,
    "loop": _loop,
    "removed": lambda path, chance: path.unlink(),
}


def _file(path: Path, chance: random.Random) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"no folder")


DAMAGES_OF_FOLDERS: dict[str, Damage] = {
    "folder removed": lambda path, chance: shutil.rmtree(path),
    "a file": _file,
}
ALL_DAMAGES = {**DAMAGES, **DAMAGES_OF_FOLDERS}


def copied(source: Path, target: Path) -> Path:
    """Copy a folder for a test that damages it."""
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(source, target))
