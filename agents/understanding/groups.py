"""Find the groups of channels that a hint speaks of by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ape.agents.records import Hint

MOST = 8  # groups of a hint, and its channels, of which there may then be more


def with_groups(hint: Hint, groups: Sequence[dict[str, Any]]) -> Hint:
    """Return a hint with the groups that its quote names, unless it names single channels.

    Parameters
    ----------
    hint : Hint
    groups : sequence of dict
        As `describe_series` lists them: ``name`` and the first ``channels`` of each.
    """
    named = [group for group in groups if _pattern(group["name"]).search(hint.quote)]
    if not named or 0 < len(hint.channels) < MOST:
        return hint
    return hint.model_copy(update={"channels": [], "groups": [group["name"] for group in named][:MOST]})


def _pattern(name: str) -> re.Pattern[str]:
    """The name as a word, with or without separators between its letters and its digits."""
    parts = re.findall(r"[^\W\d_]+|\d+", name) or [name]
    pattern = r"[\s_.\-]*".join(map(re.escape, parts))
    return re.compile(rf"(?<![^\W_]){pattern}(?![^\W_])", re.IGNORECASE)
