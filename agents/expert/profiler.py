"""The embedded profiler: chooses measurements, and derives findings from their results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ape.agents.expert.transcript import ToolCalls, ToolResult, Transcript
from ape.agents.records import Finding, FindingTerm, Profile

FIRST_TOOLS = ("robust_stats", "autocorrelation", "spectrum", "stationarity", "change_points")
FALLBACK_WINDOW = 64  # samples of the matrix profile's window without a period
LEAST_STRENGTH = 0.15  # of a finding that is reported

Property = tuple[FindingTerm, float, str]  # term, strength before it is limited to 0 to 1, and reason


def next_calls(transcript: Transcript) -> ToolCalls:
    """Return the simple measurements of each channel first, then those that need the period."""
    channels = transcript.task.get("channels", [])
    if not transcript.results:
        calls: ToolCalls = [(tool, {"channel": channel}) for channel in channels for tool in FIRST_TOOLS]
        return calls + ([("correlation", {})] if len(channels) > 1 else [])
    if not transcript.called("matrix_profile"):
        period = _period(transcript)
        windows = [period, 2 * period] if period else [FALLBACK_WINDOW]
        calls = [("matrix_profile", {"channel": c, "window": window}) for c in channels for window in windows]
        return calls + ([("stl", {"channel": c, "periods": [period]}) for c in channels] if period else [])
    return []


def profile(transcript: Transcript) -> Profile:
    """Return the period and the findings of all channels."""
    findings = []
    for channel in transcript.task.get("channels", []):
        findings += _channel_findings(transcript, channel)
    for result in transcript.results_of("correlation"):
        mean = result.value.get("mean_absolute") or 0.0
        findings.append(_finding("correlated", "all", mean, f"mean absolute correlation {mean}", result))
    reported = [finding for finding in findings if finding.strength >= LEAST_STRENGTH][:40]
    period = _period(transcript)
    strongest = sorted(reported, key=lambda finding: -finding.strength)[:8]
    summary = ", ".join(f"{finding.term} {finding.strength:.2f}" for finding in strongest)
    rationale = f"period {period or 'none'}; {summary or 'no notable properties'}"
    if seen := represented(transcript):
        rationale = f"{rationale}; {'; '.join(seen.values())}"[:600]
    return Profile(rationale=rationale, period=period, findings=reported)


def represented(transcript: Transcript) -> dict[str, str]:
    """Return for each channel that represents others of a wide series what it stands for."""
    return {
        channel: f"group {name}: {size} channels that move together, seen through '{channel[:60]}'"
        for channel, (name, size) in transcript.task.get("groups", {}).items()
    }


def _period(transcript: Transcript) -> int | None:
    """Period of the channel with the highest autocorrelation at its period."""
    best: tuple[float, int | None] = (0.0, None)
    for result in transcript.results_of("autocorrelation"):
        period, repeats = result.value.get("period"), result.value.get("acf_at_periods") or [0.0]
        best = max(best, (repeats[0] or 0.0, period), key=lambda pair: pair[0])
    return best[1]


def _channel_findings(transcript: Transcript, channel: str) -> list[Finding]:
    results = [r for r in transcript.results if r.arguments.get("channel") == channel and "error" not in r.value]
    by_tool = {result.tool: result for result in results}
    measured = [(by_tool[tool], derive) for tool, derive in DERIVATIONS.items() if tool in by_tool]
    measured += [(result, _from_matrix_profile) for result in results if result.tool == "matrix_profile"]
    seen = represented(transcript).get(channel)
    return [
        _finding(term, channel, strength, f"{why} ({seen})" if seen else why, result)
        for result, derive in measured
        for term, strength, why in derive(result.value)
    ]


def _from_robust_stats(value: dict[str, Any]) -> list[Property]:
    share, tails = value["residual_sd_share"], value["tail_ratio"]
    distinct, flat, repeated = value["distinct_values_share"], value["longest_flat_run"], value["repeated_share"]
    at_limit = max(value["at_minimum_share"], value["at_maximum_share"])
    return [
        ("smooth", 1 - share / 0.25, f"fine scatter is {share} of the spread"),
        ("rough", (share - 0.2) / 0.5, f"fine scatter is {share} of the spread"),
        ("heavy_tails", (tails - 5) / 10, f"outer quantiles are {tails} times the inner ones"),
        ("discrete", 1 - distinct / 0.05, f"{distinct} of the values are distinct"),
        ("flat_stretches", min(flat / 100, repeated / 0.3), f"longest flat run: {flat} samples"),
        ("hugs_limit", at_limit / 0.15, f"{at_limit} of the values are at a limit"),
    ]


def _from_autocorrelation(value: dict[str, Any]) -> list[Property]:
    period = value.get("period")
    if not period:
        return []
    first, locked = (value["acf_at_periods"] or [0.0])[0] or 0.0, value["phase_locked"]
    return [
        ("periodic", first / 0.8, f"autocorrelation {first} at {period} samples"),
        ("phase_locked", locked, f"a fixed clock explains {locked} of the cycle"),
    ]


def _from_stl(value: dict[str, Any]) -> list[Property]:
    strength = value["seasonal_strength"]
    return [("periodic", strength, f"seasonal strength {strength}")]


def _from_stationarity(value: dict[str, Any]) -> list[Property]:
    trend, ratio = abs(value["trend_over_length_in_sd"]), value["block_spread_ratio"]
    return [
        ("trend", (trend - 0.5) / 2, f"trend of {trend} sd over the length"),
        ("variance_changes", (ratio - 1.5) / 3, f"spread of blocks differs by a factor of {ratio}"),
    ]


def _from_change_points(value: dict[str, Any]) -> list[Property]:
    sizes = value["sizes_in_sd"]
    return [("level_changes", max(sizes, default=0.0) / 2, f"{len(sizes)} changes, sizes in sd {sizes[:4]}")]


def _from_matrix_profile(value: dict[str, Any]) -> list[Property]:
    median = value["median_distance"]
    largest = max((discord["distance"] for discord in value["discords"]), default=0.0)
    why = f"windows of {value['window']} samples: median distance to the nearest {median}, largest {largest}"
    return [
        ("recurrent_shape", 1 - median / 0.5, why),
        ("odd_stretches", (largest - 2 * median) / 0.3, why),
    ]


DERIVATIONS: dict[str, Callable[[dict[str, Any]], list[Property]]] = {
    "robust_stats": _from_robust_stats,
    "autocorrelation": _from_autocorrelation,
    "stl": _from_stl,
    "stationarity": _from_stationarity,
    "change_points": _from_change_points,
}


def _finding(term: FindingTerm, channel: str, strength: float, why: str, result: ToolResult) -> Finding:
    return Finding(
        rationale=why[:200],
        term=term,
        channel=channel,
        strength=round(min(1.0, max(0.0, strength)), 3),
        evidence=[result.evidence],
    )
