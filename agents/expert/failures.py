"""The failures that people name: hints that mean the same one belong together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

from ape.agents.records import Hint
from ape.rules.schema import Range


@dataclass(frozen=True)
class Failure:
    """A failure, or something unusual that is normal, that one or more hints name; the first hint is the clearest."""

    hints: tuple[Hint, ...]

    @property
    def mechanism(self) -> str:
        """Mechanism of all hints."""
        return self.hints[0].mechanism

    @property
    def morphology(self) -> str | None:
        """Morphology that a hint names."""
        return self.first("morphology")

    @property
    def channels(self) -> list[str]:
        """All channels that the hints name."""
        return list(dict.fromkeys(name for hint in self.hints for name in hint.channels))

    @property
    def groups(self) -> list[str]:
        """All groups of channels that the hints name."""
        return list(dict.fromkeys(name for hint in self.hints for name in hint.groups))

    @property
    def in_text(self) -> bool:
        """Whether the text names it, and not the log alone."""
        return any(hint.source == "text" for hint in self.hints)

    @property
    def direction(self) -> str:
        """Whether the values rise or fall; ``either`` if the hints do not say."""
        named = next((hint.direction for hint in self.hints if hint.direction != "either"), None)
        return named or _sign(self.first("amount") or self.first("change"))

    @property
    def weight(self) -> float:
        """How often it happens relative to others, times the probability that it is meant."""
        share = next((hint.share for hint in self.hints if hint.share != 1.0), 1.0)
        return share * (1 - prod(1 - hint.strength for hint in self.hints))

    @property
    def second(self) -> Failure | None:
        """The failure that the clearest hint may mean instead; None if its mechanism is sure."""
        best = self.hints[0]
        if best.second_mechanism is None:
            return None
        update = {"mechanism": best.second_mechanism, "strength": best.second_strength, "morphology": None}
        return Failure((best.model_copy(update={**update, "second_mechanism": None}),))

    def first(self, field: str) -> Any:
        """Return a field of the clearest hint that has it."""
        return next((value for hint in self.hints if (value := getattr(hint, field))), None)


def named_failures(hints: Iterable[Hint]) -> list[Failure]:
    """Group hints by the failure that they name: those of texts before those of logs alone, the heaviest first.

    Hints name the same failure if they agree in mechanism and, as far as they say so, in morphology, direction and in
    what it acts on, and if one of their channels is the same or one of them names none.
    """
    groups: list[list[Hint]] = []
    for hint in sorted(hints, key=lambda hint: (hint.source != "text", -hint.strength)):
        same = next((group for group in groups if all(_agree(hint, other) for other in group)), None)
        if same is None:
            groups.append([hint])
        else:
            same.append(hint)
    failures = [Failure(tuple(group)) for group in groups]
    return sorted(failures, key=lambda failure: (not failure.in_text, -failure.weight))


def _agree(hint: Hint, other: Hint) -> bool:
    if hint.mechanism != other.mechanism or (hint.times is None) != (other.times is None):
        return False
    if hint.like_weekdays != other.like_weekdays:
        return False
    pairs = ((hint.morphology, other.morphology), (hint.acts_on, other.acts_on))
    opposite = {hint.direction, other.direction} == {"up", "down"}
    own, others = {*hint.channels, *hint.groups}, {*other.channels, *other.groups}
    elsewhere = own and others and not own & others
    return not opposite and not elsewhere and all(a is None or b is None or a == b for a, b in pairs)


def _sign(change: Range | None) -> str:
    if change is None or change.low * change.high <= 0:
        return "either"
    return "up" if change.low > 0 else "down"
