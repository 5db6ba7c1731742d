"""When benign rules explain a span by its values."""

from __future__ import annotations

import numpy as np
import pytest

from ape.monitor.explained import explained
from ape.monitor.spans import Span
from ape.rules import RuleBank, broad_rule, build_context
from ape.rules.schema import ContextualPrior, DurationPrior, Evidence, ScalePrior
from ape.series import from_array

CHANNELS = ["flow", "level", "power"]
BEGIN, LENGTH = 2400, 40


def rule(channel, direction, sentence="Cleaning raises the flow and lowers the level."):
    return broad_rule("level_shift").model_copy(
        update={
            "id": f"normal-{channel or 'any'}",
            "scale": ScalePrior(low=2, high=3, unit="data", direction=direction),
            "duration": DurationPrior(low=30, high=50, unit="samples"),
            "context": ContextualPrior(channels=[channel] if channel else []),
            "evidence": [Evidence(kind="text", id="text", line=2, quote=sentence)] if sentence else [],
        }
    )


BOTH = (rule("flow", "up"), rule("level", "down"))
APART = (rule("flow", "up", "The flow may rise."), rule("level", "down", "The level may fall."))


@pytest.fixture
def explain(context_of, wave):
    """Explain a change of the channels; the rules can hold anywhere."""

    def run(flow=0.0, level=0.0, power=0.0, *, rules=BOTH, length=LENGTH, able=True):
        rng = np.random.default_rng(1)
        values = np.column_stack([wave, wave[::-1], wave]) + 0.05 * rng.standard_normal((len(wave), 3))
        bank = RuleBank(context=build_context(from_array(values[:2000], CHANNELS)), benign=list(rules))
        values[BEGIN : BEGIN + length] += (flow, level, power)
        context = context_of(values, BEGIN, BEGIN + length, bank=bank, channels=CHANNELS)
        can_hold = np.full((len(values), len(rules)), able)
        return explained(Span(BEGIN, BEGIN + length, 6.0), can_hold, context)

    return run


def test_an_event_with_all_that_one_sentence_says_is_explained(explain):
    assert explain(2.5, -2.5) == "normal-flow"


@pytest.mark.parametrize(
    "change",
    [
        {"flow": 2.5},  # the level is missing
        {"level": -2.5},
        {"flow": -2.5, "level": -2.5},
        {"flow": 9.0, "level": -2.5},
        {"flow": 2.5, "level": -2.5, "power": 2.5},  # of which nobody spoke
        {"flow": 2.5, "level": -2.5, "length": 8},
        {"flow": 2.5, "level": -2.5, "length": 160},
        {"flow": 2.5, "level": -2.5, "able": False},
        {"flow": 0.0, "level": 0.0},
    ],
)
def test_what_is_more_or_less_than_the_sentence_says_is_not(explain, change):
    assert explain(**change) is None


def test_rules_from_two_sentences_explain_events_of_their_own(explain):
    assert explain(2.5, rules=APART) == "normal-flow"
    assert explain(level=-2.5, rules=APART) == "normal-level"
    assert explain(2.5, -2.5, rules=APART) is None


def test_a_rule_of_all_channels_needs_each_of_them(explain):
    together = rule("flow", "up").model_copy(update={"context": ContextualPrior(channels=CHANNELS[::2], spread="all")})
    assert explain(2.5, power=2.5, rules=[together]) == "normal-flow"
    assert explain(2.5, rules=[together]) is None


def test_a_rule_without_a_channel_speaks_of_any(explain):
    assert explain(power=2.5, rules=[rule("", "up")]) == "normal-any"


def test_without_a_direction_too_much_would_be_explained(explain):
    assert explain(2.5, rules=[rule("flow", "either")]) is None


def test_other_changes_than_of_level_are_left_to_the_discriminator(explain):
    noise = broad_rule("noise_burst").model_copy(
        update={"scale": ScalePrior(low=2, high=3, unit="data", direction="up")}
    )
    assert explain(2.5, rules=[noise]) is None
