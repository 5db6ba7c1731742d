"""What is unusual in an event."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ape.monitor.findings import findings

from .conftest import EVENT, LENGTH

WHERE = slice(*EVENT)
COUNT = EVENT[1] - EVENT[0]


@pytest.fixture
def found(context_of, event_of):
    """Return the findings in the event of a series."""

    def find(values, **options):
        context = context_of(values, **options)
        return findings(event_of(context), context)

    return find


@pytest.fixture
def one(found):
    """Return the kind and the words of the finding in the only channel."""

    def find(values, **options):
        (finding,) = found(values, **options)
        return finding.kind, finding.text

    return find


def test_a_level_is_given_with_its_difference(one, wave):
    wave[WHERE] += 3
    kind, text = one(wave)
    assert kind == "level"
    assert re.fullmatch(r"level 3 above what is usual there \(1[23](\.\d)? instead of (9|10)(\.\d)?\)", text)


def test_a_level_is_that_of_the_core_of_the_event(one, wave):
    wave[EVENT[0] + 15 : EVENT[1] - 10] -= 3
    assert one(wave)[1].startswith("level 3 below what is usual there (")


def test_units_come_from_the_names(one, wave):
    wave[WHERE] += 3
    share, speed = one(wave, channels=["load (%)"])[1], one(wave, channels=["vibration_mm_s"])[1]
    assert share.startswith("level 3 percentage points above ") and share.endswith(" %)")
    assert speed.startswith("level 3 mm/s above ") and speed.endswith(" mm/s)")


def test_a_value_that_stays_is_stuck(one, wave):
    wave[WHERE] = wave[EVENT[0]]
    kind, text = one(wave)
    assert kind == "stuck"
    assert text.startswith("stays at ") and text.endswith(f" for {COUNT} points (never in normal data)")


def test_a_channel_that_often_stands_still_is_not_stuck(one, wave):
    wave = np.round(wave)  # stands still for up to a third of a period
    wave[WHERE] += 5
    assert one(wave)[0] == "level"


def test_a_standstill_lasts_longer_than_in_normal_data(one, wave):
    wave = np.round(wave)
    wave[WHERE] = 12
    assert "stays at 12 for 60 points (at most " in one(wave)[1]


def test_a_peak(one, wave):
    wave[EVENT[0] + 30] += 20
    kind, text = one(wave)
    assert kind == "peak"
    assert text.startswith("peak 20 above what is usual there (29 instead of 9)")


@pytest.mark.parametrize(("slope", "words"), [(6.0, "rises by "), (-6.0, "falls by ")])
def test_a_ramp(one, wave, slope, words):
    wave[WHERE] += np.linspace(0, slope, COUNT)
    kind, text = one(wave)
    assert kind == "ramp"
    assert text.startswith(words) and text.endswith(" more than usual")
    assert 5.5 < float(text.split()[2]) < 6.5


def test_noise_and_a_larger_swing_vary_more(one, wave):
    noisy, larger = wave.copy(), wave.copy()
    noisy[WHERE] += np.random.default_rng(1).standard_normal(COUNT)
    kind, text = one(noisy)
    assert kind == "noisier" and text.endswith("times as much from point to point as usual there")
    larger[WHERE] = 10 + 3 * (larger[WHERE] - 10)
    kind, text = one(larger)
    assert kind == "noisier" and text.startswith("varies 3") and text.endswith("times as much as usual there")


def test_a_smaller_swing_varies_less(found, wave):
    rng = np.random.default_rng(2)
    values = rng.standard_normal(LENGTH)
    values[WHERE] *= 0.3
    (finding,) = found(values)
    assert finding.kind == "calmer"
    assert finding.text.startswith(("varies 6", "varies 7")) and " % less" in finding.text


def test_values_that_the_file_lacks_are_missing_and_those_of_a_dead_channel_stand_still(one, wave):
    missing = np.zeros((LENGTH, 1), dtype=bool)
    missing[EVENT[0] + 5 : EVENT[1]] = True
    wave[WHERE] = wave[EVENT[0]]
    assert one(wave, missing=missing, dead=missing)[0] == "stuck"
    assert one(wave, missing=missing) == ("missing", f"no values for {COUNT - 5} points")


def test_a_channel_that_leaves_the_others(found):
    rng = np.random.default_rng(3)
    load = np.convolve(rng.standard_normal(LENGTH + 60), np.ones(20) / np.sqrt(20), "valid")[:LENGTH]
    values = np.stack([load, load + 0.05 * rng.standard_normal(LENGTH)], axis=1)
    # The event of the second channel is another normal stretch.
    values[WHERE, 1] = values[500 : 500 + COUNT, 1]
    kinds = {finding.channel: finding.kind for finding in found(values, channels=["load", "current"])}
    assert kinds == {"load": "unrelated", "current": "unrelated"}


def test_a_usual_stretch_has_no_other_finding(found, wave):
    (finding,) = found(wave)
    assert finding.kind == "unlike"
    assert finding.text == "a pattern unlike normal data"
    assert finding.usual[0] < finding.value < finding.usual[1]


def test_at_most_three_channels_are_described(found, wave):
    values = np.stack([wave + k for k in range(6)], axis=1)
    values[WHERE] += 3
    assert [finding.channel for finding in found(values, channels=list("abcdef"))] == ["a", "b", "c"]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_short_events_have_findings(context_of, event_of, wave, length):
    end = EVENT[0] + length
    wave[EVENT[0] : end] += 5
    context = context_of(wave, EVENT[0], end)
    (finding,) = findings(event_of(context, EVENT[0], end), context)
    assert finding.kind in ("peak", "level")
    assert 4.7 < float(finding.text.split()[1]) < 5.3


def test_a_constant_channel_that_moves(found, wave):
    values = np.stack([wave, np.ones(LENGTH)], axis=1)
    values[WHERE, 1] = 2
    assert found(values)[1].text == "level 1 above what is usual there (2 instead of 1)"


def test_findings_do_not_depend_on_the_unit_of_the_data(found, wave):
    wave[WHERE] += 3
    kinds = [found(scale * wave)[0].kind for scale in (1e-6, 1.0, 1e6)]
    assert kinds == ["level"] * 3
