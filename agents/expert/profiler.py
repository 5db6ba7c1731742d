"""The embedded profiler: chooses measurements, and derives findings from their results."""

from __future__ import annotations

from typing import cast

from ape.agents.expert.transcript import ToolCalls, ToolResult, Transcript
from ape.agents.records import Finding, FindingTerm, Profile

FIRST_TOOLS = ("robust_stats", "autocorrelation", "spectrum", "stationarity", "change_points")
FALLBACK_WINDOW = 64  # samples of the matrix profile's window without a period
LEAST_STRENGTH = 0.15  # of a finding that is reported


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
    return Profile(rationale=rationale, period=period, findings=reported)


def _period(transcript: Transcript) -> int | None:
    """Period of the channel with the highest autocorrelation at its period."""
    best: tuple[float, int | None] = (0.0, None)
    for result in transcript.results_of("autocorrelation"):
        period, repeats = result.value.get("period"), result.value.get("acf_at_periods") or [0.0]
        best = max(best, (repeats[0] or 0.0, period), key=lambda pair: pair[0])
    return best[1]


def _channel_findings(transcript: Transcript, channel: str) -> list[Finding]:
    by_tool = {
        r.tool: r for r in transcript.results if r.arguments.get("channel") == channel and "error" not in r.value
    }
    findings: list[Finding] = []

    def add(term: str, strength: float, tool: str, why: str) -> None:
        findings.append(_finding(term, channel, strength, why, by_tool[tool]))

    if "robust_stats" in by_tool:
        v = by_tool["robust_stats"].value
        share, tails = v["residual_sd_share"], v["tail_ratio"]
        add("smooth", 1 - share / 0.25, "robust_stats", f"fine scatter is {share} of the spread")
        add("rough", (share - 0.2) / 0.5, "robust_stats", f"fine scatter is {share} of the spread")
        add("heavy_tails", (tails - 5) / 10, "robust_stats", f"outer quantiles are {tails} times the inner ones")
        distinct, flat, repeated = v["distinct_values_share"], v["longest_flat_run"], v["repeated_share"]
        add("discrete", 1 - distinct / 0.05, "robust_stats", f"{distinct} of the values are distinct")
        add("flat_stretches", min(flat / 100, repeated / 0.3), "robust_stats", f"longest flat run: {flat} samples")
        limits = max(v["at_minimum_share"], v["at_maximum_share"])
        add("hugs_limit", limits / 0.15, "robust_stats", f"{limits} of the values are at a limit")
    if "autocorrelation" in by_tool and by_tool["autocorrelation"].value.get("period"):
        v = by_tool["autocorrelation"].value
        first, locked = (v["acf_at_periods"] or [0.0])[0] or 0.0, v["phase_locked"]
        add("periodic", first / 0.8, "autocorrelation", f"autocorrelation {first} at {v['period']} samples")
        add("phase_locked", locked, "autocorrelation", f"a fixed clock explains {locked} of the cycle")
    if "stl" in by_tool:
        strength = by_tool["stl"].value["seasonal_strength"]
        add("periodic", strength, "stl", f"seasonal strength {strength}")
    if "stationarity" in by_tool:
        v = by_tool["stationarity"].value
        trend, ratio = abs(v["trend_over_length_in_sd"]), v["block_spread_ratio"]
        add("trend", (trend - 0.5) / 2, "stationarity", f"trend of {trend} sd over the length")
        add("variance_changes", (ratio - 1.5) / 3, "stationarity", f"spread of blocks differs by a factor of {ratio}")
    if "change_points" in by_tool:
        sizes = by_tool["change_points"].value["sizes_in_sd"]
        why = f"{len(sizes)} changes, sizes in sd {sizes[:4]}"
        add("level_changes", max(sizes, default=0.0) / 2, "change_points", why)
    for result in transcript.results_of("matrix_profile"):
        if result.arguments["channel"] == channel:
            v = result.value
            median = v["median_distance"]
            worst = max((discord["distance"] for discord in v["discords"]), default=0.0)
            why = f"windows of {v['window']} samples: median distance to the nearest {median}, largest {worst}"
            findings.append(_finding("recurrent_shape", channel, 1 - median / 0.5, why, result))
            findings.append(_finding("odd_stretches", channel, (worst - 2 * median) / 0.3, why, result))
    return findings


def _finding(term: str, channel: str, strength: float, why: str, result: ToolResult) -> Finding:
    return Finding(
        rationale=why[:200],
        term=cast(FindingTerm, term),
        channel=channel,
        strength=round(min(1.0, max(0.0, strength)), 3),
        evidence=[result.evidence],
    )
