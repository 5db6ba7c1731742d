"""State of the mining graph, and what a run holds beside it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, TypedDict

from ape.agents.brain import Brain
from ape.agents.records import Critique, Inspection, Plan, Profile
from ape.core.progress import Listener
from ape.rules import Context, Rule, RuleBank, build_context
from ape.rules.check import Hosts, draw_hosts
from ape.runs.ledger import Ledger
from ape.series import Series
from ape.tools.logs import NO_LOG, Log
from ape.tools.workbench import Workbench

PARTS = ("pictures", "critic", "check")  # of the loop, that can be left out to see what each brings
MAX_ITERATIONS = 4
MAX_TOOL_CALLS = 300


def added(before: dict[str, dict[str, float]], more: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """What each agent's replies cost, see `Spent`, with what is more."""
    return before | {
        role: {name: before.get(role, {}).get(name, 0) + value for name, value in cost.items()}
        for role, cost in more.items()
    }


def joined(before: dict[str, float], more: dict[str, float]) -> dict[str, float]:
    """Both; what is newer counts."""
    return before | more


class MiningState(TypedDict, total=False):
    """Plain values, ids and records only: this is what a checkpoint holds."""

    plan: Plan
    profile: Profile
    inspection: Inspection
    pending: list[Rule]
    accepted: list[Rule]
    rejected: list[Rule]
    examples: dict[str, str]
    figures: dict[str, dict[str, float]]
    spotted: Annotated[dict[str, float], joined]
    critique: Critique
    missing: list[str]
    iteration: int
    tool_calls: Annotated[int, operator.add]
    spent: Annotated[dict[str, dict[str, float]], added]
    ended: str


@dataclass(frozen=True)
class Mining:
    """What the nodes work with and no checkpoint holds: the series, the brain, stores and listeners."""

    series: Series
    workbench: Workbench
    brain: Brain
    ledger: Ledger
    seed: int
    keep_bank: Callable[[RuleBank], None]
    pictures: tuple[str, ...] = ()
    log: Log = NO_LOG
    without: frozenset[str] = frozenset()
    hand_over: Callable[[RuleBank], dict[str, Any]] | None = None
    listen: Listener = field(default=lambda agent, note: None)

    def context(self, profile: Profile) -> Context:
        """Context for the period that the profiler named, if it can recur three times."""
        period = profile.period
        if period is not None and period > len(self.series.train) // 3:
            period = None
        return _context(self.series, period)

    def hosts(self, profile: Profile) -> Hosts:
        """Held-out hosts for the discriminability check."""
        return _hosts(self.series, self.context(profile).period, self.seed)


@lru_cache(maxsize=4)
def _context(series: Series, period: int | None) -> Context:
    return build_context(series, period)


@lru_cache(maxsize=1)
def _hosts(series: Series, period: int | None, seed: int) -> Hosts:
    return draw_hosts(series, _context(series, period), seed)
