"""Scorers of streams that stay in memory between requests, so that the kept rows are not scored again each time."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path

from ape.watch.scorer import LiveScorer

MOST = 32  # streams in one process; each takes some MB


class KeptScorers:
    """The scorers of the streams that were used last.

    A scorer is taken out while a request uses it, so that one whose request fails is not used again. It counts only if
    the stored state of the stream is the one it left: another worker may have gone on since.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Path, tuple[bytes, LiveScorer]] = OrderedDict()

    def take(self, stream: Path, state: bytes | None) -> LiveScorer | None:
        """Return the scorer of a stream with this stored state; None if there is none."""
        with self._lock:
            digest, scorer = self._kept.pop(stream, (b"", None))
        return scorer if state is not None and digest == hashlib.sha256(state).digest() else None

    def put(self, stream: Path, state: bytes | None, scorer: LiveScorer) -> None:
        """Keep a scorer, and the state that it has stored."""
        if state is None:
            return
        with self._lock:
            self._kept[stream] = hashlib.sha256(state).digest(), scorer
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
