"""The embedded profiler: which measurements to take, and what they amount to."""

from __future__ import annotations

from typing import Any, cast

from ape.agents.expert.reading import Result, Transcript
from ape.agents.records import Finding, FindingTerm, Profile

FIRST = ("robust_stats", "autocorrelation", "spectrum", "stationarity", "change_points")
FALLBACK_WINDOW = 64  # of the matrix profile, where there is no period
BAR = 0.15  # strength below which a finding is not worth telling


def next_calls(seen: Transcript) -> list[tuple[str, dict[str, Any]]]:
    """First every plain measurement of every channel, then what needs the period."""
    channels = seen.task.get("channels", [])
    if not seen.results:
        calls: list[tuple[str, dict[str, Any]]] = [(tool, {"channel": c}) for c in channels for tool in FIRST]
        return calls + ([("correlation", {})] if len(channels) > 1 else [])
    if not seen.called("matrix_profile"):
        period = _period(seen)
        lengths = [period, 2 * period] if period else [FALLBACK_WINDOW]
        calls = [("matrix_profile", {"channel": c, "window": length}) for c in channels for length in lengths]
        return calls + ([("stl", {"channel": c, "periods": [period]}) for c in channels] if period else [])
    return []


def profile(seen: Transcript) -> Profile:
    """Findings of all channels."""
    findings = []
    for channel in seen.task.get("channels", []):
        findings += _channel_findings(seen, channel)
    for result in seen.all("correlation"):
        mean = result.value.get("mean_absolute") or 0.0
        findings.append(_finding("correlated", "all", mean, f"mean absolute correlation {mean}", result))
    told = [finding for finding in findings if finding.strength >= BAR][:40]
    period = _period(seen)
    summary = ", ".join(f"{f.term} {f.strength:.2f}" for f in sorted(told, key=lambda f: -f.strength)[:8])
    return Profile(
        rationale=f"period {period or 'none'}; {summary or 'nothing stands out'}", period=period, findings=told
    )


def _period(seen: Transcript) -> int | None:
    """Period of the channel whose cycles repeat best."""
    best: tuple[float, int | None] = (0.0, None)
    for result in seen.all("autocorrelation"):
        period, repeats = result.value.get("period"), result.value.get("acf_at_periods") or [0.0]
        best = max(best, (repeats[0] or 0.0, period), key=lambda pair: pair[0])
    return best[1]


def _channel_findings(seen: Transcript, channel: str) -> list[Finding]:
    by_tool = {r.tool: r for r in seen.results if r.arguments.get("channel") == channel and "error" not in r.value}
    findings: list[Finding] = []

    def tell(term: str, strength: float, tool: str, why: str) -> None:
        findings.append(_finding(term, channel, strength, why, by_tool[tool]))

    if "robust_stats" in by_tool:
        v = by_tool["robust_stats"].value
        share, tails = v["residual_sd_share"], v["tail_ratio"]
        tell("smooth", 1 - share / 0.25, "robust_stats", f"fine scatter is {share} of the spread")
        tell("rough", (share - 0.2) / 0.5, "robust_stats", f"fine scatter is {share} of the spread")
        tell("heavy_tails", (tails - 5) / 10, "robust_stats", f"outer quantiles {tails} times the inner")
        distinct, flat, repeated = v["distinct_values_share"], v["longest_flat_run"], v["repeated_share"]
        tell("discrete", 1 - distinct / 0.05, "robust_stats", f"{distinct} of the values are distinct")
        tell("flat_stretches", min(flat / 100, repeated / 0.3), "robust_stats", f"longest flat run {flat} samples")
        limits = max(v["at_minimum_share"], v["at_maximum_share"])
        tell("hugs_limit", limits / 0.15, "robust_stats", f"{limits} of the values rest at a limit")
    if "autocorrelation" in by_tool and by_tool["autocorrelation"].value.get("period"):
        v = by_tool["autocorrelation"].value
        first, locked = (v["acf_at_periods"] or [0.0])[0] or 0.0, v["phase_locked"]
        tell("periodic", first / 0.8, "autocorrelation", f"autocorrelation {first} at {v['period']} samples")
        tell("phase_locked", locked, "autocorrelation", f"a fixed clock explains {locked} of what recurs")
    if "stl" in by_tool:
        strength = by_tool["stl"].value["seasonal_strength"]
        tell("periodic", strength, "stl", f"seasonal strength {strength}")
    if "stationarity" in by_tool:
        v = by_tool["stationarity"].value
        trend, ratio = abs(v["trend_over_length_in_sd"]), v["block_spread_ratio"]
        tell("trend", (trend - 0.5) / 2, "stationarity", f"moves {trend} sd over the length")
        tell("variance_changes", (ratio - 1.5) / 3, "stationarity", f"spread of blocks differs {ratio} times")
    if "change_points" in by_tool:
        sizes = by_tool["change_points"].value["sizes_in_sd"]
        tell(
            "level_changes",
            max(sizes, default=0.0) / 2,
            "change_points",
            f"{len(sizes)} changes, sizes in sd {sizes[:4]}",
        )
    for result in seen.all("matrix_profile"):
        if result.arguments["channel"] == channel:
            v = result.value
            median = v["median_distance"]
            worst = max((discord["distance"] for discord in v["discords"]), default=0.0)
            about = f"of {v['window']} samples: median distance to the nearest {median}, discord {worst}"
            findings.append(_finding("recurrent_shape", channel, 1 - median / 0.5, about, result))
            findings.append(_finding("odd_stretches", channel, (worst - 2 * median) / 0.3, about, result))
    return findings


def _finding(term: str, channel: str, strength: float, why: str, result: Result) -> Finding:
    return Finding(
        rationale=why[:200],
        term=cast(FindingTerm, term),
        channel=channel,
        strength=round(min(1.0, max(0.0, strength)), 3),
        evidence=[result.evidence],
    )
