"""State of the mining graph and of the run graph, and the contexts that their nodes work with.

A state is what a checkpoint stores: plain values, ids and pydantic records. A context is what no checkpoint stores: the
series, the brain, the artefact store and callbacks.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypedDict

from ape.agents.brain import Brain
from ape.agents.records import Critique, Inspection, Plan, Profile
from ape.core.alert_rates import AlertRate
from ape.core.progress import Listener, Progress
from ape.rules import Context, Rule, RuleBank, build_context
from ape.rules.hosts import Hosts, draw_hosts
from ape.series import Series
from ape.tools.logs import NO_LOG, Log
from ape.tools.workbench import Workbench

PARTS = ("pictures", "critic", "check")  # parts of the loop that an ablation can leave out
MAX_ITERATIONS = 6
MAX_REVISIONS = 3  # of one rule; then a failure that people name gets another one
MAX_TOOL_CALLS = 300
# Names that spans use for what the nodes report; see `ape.runs.tracing`.
AGENT, DECISION = "ape.agent", "decision"

RecordDecision = Callable[..., None]
"""Called with agent, decision and rationale, and with the details that `ape.runs.ledger.Ledger.write` takes."""


def record_nothing(*_decision: Any, **_details: Any) -> None:
    """Record no decision, where there is no ledger."""


def add_costs(total: dict[str, dict[str, float]], more: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Add the costs of replies, by agent and kind."""
    return total | {
        agent: {name: total.get(agent, {}).get(name, 0) + value for name, value in cost.items()}
        for agent, cost in more.items()
    }


class MiningState(TypedDict, total=False):
    """State of the mining graph.

    ``missing`` are the mechanisms that need another rule; ``given_up`` are quotes of failures for which the planner
    knows no other rule.
    """

    plan: Plan
    profile: Profile
    inspection: Inspection
    pending: list[Rule]
    accepted: list[Rule]
    rejected: list[Rule]
    benign: list[Rule]
    given_up: list[str]
    examples: dict[str, str]
    figures: dict[str, dict[str, float]]
    spotted: Annotated[dict[str, float], operator.or_]
    critique: Critique
    missing: list[str]
    iteration: int
    tool_calls: Annotated[int, operator.add]
    spent: Annotated[dict[str, dict[str, float]], add_costs]
    bank: RuleBank


class RunState(TypedDict, total=False):
    """State of the run graph.

    ``bank`` is the mined one, shared with the mining graph; ``chosen`` is the one to post-train with; ``trained`` says
    that the backbone is trained; ``outcome`` is the post-training report without its pictures.
    """

    bank: RuleBank
    chosen: RuleBank | None
    trained: bool
    outcome: dict[str, Any]


@dataclass(frozen=True)
class MiningContext:
    """What the nodes of the mining graph work with.

    Parameters
    ----------
    series : Series
        Only its training part is used.
    workbench : Workbench
    brain : Brain
    seed : int
    record : callable
        Records one decision.
    listen : callable
    pictures : tuple of str
        Artefact ids of pictures that the user gave.
    log : Log
    without : frozenset of str
        Parts of the loop to leave out, see `PARTS`.
    """

    series: Series
    workbench: Workbench
    brain: Brain
    seed: int
    record: RecordDecision = record_nothing
    listen: Listener = lambda agent, note: None
    pictures: tuple[str, ...] = ()
    log: Log = NO_LOG
    without: frozenset[str] = frozenset()

    def rule_context(self, profile: Profile) -> Context:
        """Context of the rules, for the profiler's period if it fits three times into the training part."""
        period = profile.period
        if period is not None and period > len(self.series.train) // 3:
            period = None
        return _rule_context(self.series, period)

    def hosts(self, profile: Profile) -> Hosts:
        """Held-out host windows for the discriminability check."""
        return _hosts(self.series, self.rule_context(profile).period, self.seed)


@dataclass(frozen=True, kw_only=True)
class RunContext(MiningContext):
    """What the nodes of the run graph work with.

    Parameters
    ----------
    folder : Path
        Run folder, which the nodes write into.
    backbone : str
    post_train : bool
        Whether the run continues after the Rule Bank.
    approve : bool
        Whether a person approves the rules first.
    write_report : callable
        Writes ``report.html`` into the folder.
    progress : callable
    alerts : AlertRate or None
        Accepted false alarms; None stands for the default.
    text_file : str or None
        Name of the file that the text was read from, for the reasons of events.
    """

    folder: Path
    backbone: str
    post_train: bool
    approve: bool
    write_report: Callable[[], None]
    progress: Progress
    alerts: AlertRate | None = None
    text_file: str | None = None


@lru_cache(maxsize=4)
def _rule_context(series: Series, period: int | None) -> Context:
    return build_context(series, period)


@lru_cache(maxsize=1)
def _hosts(series: Series, period: int | None, seed: int) -> Hosts:
    return draw_hosts(series, _rule_context(series, period), seed)
