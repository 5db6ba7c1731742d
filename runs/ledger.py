"""The decision ledger: who decided what about which rule, with which evidence and figures, at which checkpoint."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ape.core.errors import InputError
from ape.core.redaction import redacted


class Ledger:
    """Append-only JSON lines; an entry that a resumed node repeats is stored once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries: dict[str, dict[str, Any]] = {}
        if path.exists():
            try:
                entries = [json.loads(line) for line in _complete_lines(path).splitlines()]
                self._entries = {entry["id"]: entry for entry in entries}
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"not a ledger: {error}", str(path), "start a new run") from error

    def write(
        self,
        agent: str,
        decision: str,
        rationale: str,
        *,
        iteration: int = 0,
        rule: str | None = None,
        evidence: tuple[str, ...] = (),
        figures: dict[str, float] | None = None,
        checkpoint: str | None = None,
    ) -> None:
        """Append one decision; a server's or person's words lose the secrets in them."""
        entry = {
            "agent": agent,
            "decision": decision,
            "rule": rule,
            "iteration": iteration,
            "rationale": redacted(rationale),
            "evidence": list(evidence),
            "figures": {name: float(f"{value:.6g}") for name, value in (figures or {}).items()},
        }
        key = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()[:16]
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = {"id": key, **entry, "checkpoint": checkpoint}
            with self._path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(self._entries[key]) + "\n")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(list(self._entries.values()))


def _complete_lines(path: Path) -> str:
    """Return the complete lines of the file; remove an incomplete last line, left by a kill, also on disk."""
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as out:
            out.truncate(len(whole))
    return whole.decode()
