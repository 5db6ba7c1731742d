"""Words that speak for a mechanism, and the quotes of a text that hold them; domain words as far as they are common."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ape.agents.records import Hint

# Stems, matched at the beginning of a word. An entry with a space must occur as it stands.
STEMS: dict[str, tuple[str, ...]] = {
    "abrupt_change": (
        "abrupt", "jump", "step change", "sudden", "switch", "trip", "failover", "restart", "reboot", "deploy",
        "outage", "shutdown", "shut down", "burst pipe", "rupture", "open circuit", "short circuit",
    ),
    "gradual_drift": (
        "drift", "leak", "wear", "fouling", "foul", "degrad", "aging", "ageing", "creep", "corros", "bleeding",
        "blood loss", "warming", "overheat", "decay", "gradual", "slowly", "clog", "scaling deposit", "exhaust",
    ),
    "transient": (
        "spike", "transient", "glitch", "impulse", "shock", "surge", "knock", "burst of", "disturbance", "artefact",
        "artifact", "interference", "outlier", "flash crowd", "campaign",
    ),
    "gain_change": (
        "amplitude", "gain", "weak", "strong swing", "attenuat", "swing", "reduced flow", "loss of power",
        "low voltage", "imbalance", "unbalance",
    ),
    "timing_disturbance": (
        "arrhythm", "premature", "ectopic", "missed beat", "missing beat", "skipped", "irregular", "late", "early",
        "delay", "jitter", "slip", "stumble", "phase", "tachy", "brady", "faster", "slower", "speed change", "clock",
    ),
    "waveform_change": (
        "waveform", "shape", "morpholog", "distort", "gait change", "turn", "limp", "deform", "bearing", "crack",
        "notch",
    ),
    "misplaced_pattern": (
        "holiday", "out of place", "wrong time", "unusual pattern", "unscheduled", "weekend", "strike", "event day",
        "replay",
    ),
    "noise_increase": (
        "noise", "noisy", "tremor", "vibrat", "rough", "loose contact", "turbulen", "cavitat", "unstable",
    ),
    "damping": ("damp", "sticking", "stiction", "smooth", "sluggish", "filtered", "friction", "air bubble"),
    "stuck_sensor": ("stuck", "frozen", "freeze", "freezes", "hang", "flatline", "constant reading", "stale"),
    "signal_loss": (
        "dropout", "drop out", "disconnect", "signal loss", "lost signal", "missing data", "packet loss", "offline",
        "unplugged", "detached", "power loss", "no data",
    ),
    "decoupling": (
        "decoupl", "mismatch", "inconsisten", "disagree", "out of step", "out of sync", "no longer follow", "desync",
    ),
    "saturation": ("saturat", "clip", "overload", "limit reached", "full scale", "capacity", "maxed", "throttl"),
}  # fmt: skip
DENIAL = re.compile(r"\b(?:no|not|never|without|excluded|ruled out)\b", re.IGNORECASE)


def hints(lines: Iterable[tuple[int, str]]) -> list[Hint]:
    """Hints of numbered lines, at most one for a mechanism and line; a clause that denies is passed over."""
    found: dict[tuple[str, int], Hint] = {}
    for number, line in lines:
        for clause in re.split(r"[.;!?]|, but ", line):
            if DENIAL.search(clause):
                continue
            for mechanism, stems in STEMS.items():
                stem = next((s for s in stems if re.search(rf"\b{re.escape(s)}", clause, re.IGNORECASE)), None)
                if stem is not None:
                    hint = Hint(
                        rationale=f"'{stem}' speaks for {mechanism}",
                        quote=clause.strip()[:200],
                        line=number,
                        mechanism=mechanism,
                    )
                    found.setdefault((mechanism, number), hint)
    return list(found.values())
