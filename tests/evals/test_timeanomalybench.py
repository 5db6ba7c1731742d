"""TimeAnomaly-Bench: exact truth, texts that do not reveal it, and reproducible sets."""

from __future__ import annotations

import filecmp
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.evals.timeanomalybench import SCENARIOS, Config, make, make_set, read_set, supplement
from ape.evals.timeanomalybench.supplement import OUTPUT_FAULTS
from ape.evals.timeanomalybench.texts import draw_texts
from ape.rules import MECHANISMS, MORPHOLOGIES
from ape.series import from_array

FAULTS = [(name, fault.name) for name, scenario in SCENARIOS.items() for fault in scenario.faults]
FIRST_FAULTS = [(name, scenario.faults[0].name) for name, scenario in SCENARIOS.items()]
# The first fault of each scenario represents it in the everyday tests.
SAMPLED_FAULTS = [each if each in FIRST_FAULTS else pytest.param(*each, marks=pytest.mark.extended) for each in FAULTS]
SMALL = Config(series_per_scenario=2, length=4000, scenarios=("pumped_tank", "stirred_reactor"))


def test_four_of_at_least_twelve_scenarios_are_for_confirmation():
    assert len(SCENARIOS) >= 12 and len(FAULTS) >= 45
    assert sum(scenario.confirmation for scenario in SCENARIOS.values()) == 4


def test_semantics_are_terms_of_the_vocabulary():
    for scenario in SCENARIOS.values():
        for fault in scenario.faults:
            assert fault.mechanism in MECHANISMS and fault.morphology in MORPHOLOGIES
            assert set(fault.shows) | set(fault.root) <= set(scenario.units)


@pytest.mark.parametrize(("scenario", "fault"), FAULTS)
def test_a_fault_of_severity_zero_has_no_effect(scenario, fault):
    instance = make(SCENARIOS[scenario], fault, seed=3, severity=0.0)
    assert np.array_equal(instance.values, instance.twin) and not instance.mask.any()


@pytest.mark.parametrize(("scenario", "fault"), FAULTS)
def test_a_fault_acts_only_from_onset_to_recovery_in_the_test_part(scenario, fault):
    instance = make(SCENARIOS[scenario], fault, seed=5, severity=0.9)
    first = instance.events[0].onset
    assert np.array_equal(instance.values[:first], instance.twin[:first]) and first >= instance.train_end
    assert np.isfinite(instance.values).all() and instance.labels.any()
    assert all(event.onset < event.end <= event.recovery for event in instance.events)
    inside = np.zeros(len(instance.values), dtype=bool)
    for event in instance.events:
        inside[event.onset : event.recovery] = True
    assert not instance.labels[~inside].any()
    assert instance.labels.mean() < 0.35, "too much of the series is anomalous"
    assert all(instance.where[event.onset] for event in instance.events), (
        "an event begins where the precondition is not met"
    )


@pytest.mark.parametrize(("scenario", "fault"), SAMPLED_FAULTS)
def test_effects_grow_with_severity(scenario, fault):
    sizes = [
        np.mean([np.abs(make(SCENARIOS[scenario], fault, seed, severity=severity).effect).sum() for seed in range(3)])
        for severity in (0.3, 1.0)
    ]
    assert sizes[1] > 1.1 * sizes[0]


@pytest.mark.parametrize(("scenario", "fault"), FAULTS)
def test_a_fault_shows_in_its_declared_channels_and_sizes(scenario, fault):
    kind = SCENARIOS[scenario].fault(fault)
    for seed in (21, 22):
        instance = make(SCENARIOS[scenario], fault, seed)
        shown = {
            name for name, is_shown in zip(instance.scenario.units, instance.mask.any(axis=0), strict=True) if is_shown
        }
        assert shown <= set(kind.shows)
        assert 0.7 * kind.scale[0] <= instance.peak_effect <= 1.4 * kind.scale[1]


def test_the_process_is_simulated_again_if_a_precondition_is_not_met():
    for seed in range(12):
        instance = make(SCENARIOS["ecg"], "st_elevation", seed)
        assert instance.where[instance.events[0].onset]
    tank = SCENARIOS["pumped_tank"]
    never = replace(tank.faults[0], when=lambda channels, world: np.zeros(world.length, dtype=bool))
    with pytest.raises(InputError, match="precondition"):
        make(replace(tank, faults=(never,)), never.name, 0)


def test_events_do_not_overlap():
    instance = make(SCENARIOS["pumped_tank"], "main_burst", seed=1, events=3)
    assert len(instance.events) == 3
    assert all(a.recovery <= b.onset for a, b in zip(instance.events, instance.events[1:], strict=False))


def test_benign_variation_occurs_and_is_rare():
    shares = [make(s, s.faults[0].name, seed).benign.mean() for s in SCENARIOS.values() for seed in range(4)]
    assert 0 < np.mean(shares) < 0.3 and np.mean(np.array(shares) > 0) > 0.5


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("bench") / "set", 7, SMALL)


def test_the_same_seed_gives_the_same_bytes(made, tmp_path):
    again = make_set(tmp_path / "again", 7, SMALL)
    names = sorted(str(path.relative_to(made)) for path in made.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(again)) for path in again.rglob("*") if path.is_file())
    assert filecmp.cmpfiles(made, again, names, shallow=False)[0] == names
    other = make_set(tmp_path / "other", 8, SMALL)
    assert (other / "card.md").read_bytes() != (made / "card.md").read_bytes()


def test_series_and_texts_do_not_reveal_the_truth(made):
    for stored in read_set(made):
        assert re.fullmatch(r"s\d{4}", stored.name)
        with np.load(made / "series" / f"{stored.name}.npz") as series:
            assert set(series.files) == {"values", "train_end", "channels"}
        assert set(stored.texts) == {"measured", "manual", "log"}
        begins = np.datetime64("2024-01-01")
        scenario = SCENARIOS[stored.truth["scenario"]]
        own = [re.escape(line).replace(r"\{n\}", r"\d+") for line in scenario.texts.incidents]
        for line in stored.texts["log"].splitlines():
            stamp, text = line.split(" ", 1)
            if any(re.fullmatch(pattern, text) for pattern in own):
                assert np.datetime64(stamp) < begins, "a failure in the log is dated within the series"


def test_texts_depend_only_on_scenario_and_seed():
    texts = SCENARIOS["pumped_tank"].texts
    assert draw_texts(texts, 1e6, 3) == draw_texts(texts, 1e6, 3) != draw_texts(texts, 1e6, 4)


def test_truth_matches_the_series(made):
    for stored in read_set(made):
        differs = np.abs(stored.values - stored.twin) > 0
        assert not stored.mask[~differs].any() and not stored.mask[: stored.train_end].any()
        assert json.loads((made / "truth" / f"{stored.name}.json").read_text())["difficulty"]["level"] in (
            "easy", "medium", "hard",
        )  # fmt: skip


@pytest.mark.parametrize(
    "content", ['{"length": 10}', '{"lengths": 5000}', '{"scenarios": ["moon"]}', '{"severity": [0.5, 2]}', "["]
)
def test_invalid_configurations_are_refused(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError):
        Config.load(tmp_path / "config.json")


@pytest.mark.parametrize("fault", OUTPUT_FAULTS)
def test_a_supplemented_series_is_its_own_twin(fault):
    t = np.arange(4000)
    values = 20 + np.stack([np.sin(t / 8), np.cos(t / 8)], 1) + 0.05 * np.random.default_rng(0).normal(size=(4000, 2))
    series = from_array(values, train_end=2000)
    instance = supplement(series, fault, seed=2, severity=0.8)
    assert np.array_equal(instance.twin, series.values) and instance.labels.any()
    assert instance.mask.any(axis=0).sum() == 1 and not instance.mask[:2000].any()


def test_short_series_and_unknown_output_faults_are_refused():
    series = from_array(np.sin(np.arange(400) / 20), train_end=380)
    with pytest.raises(InputError):
        supplement(series, "sensor_freeze", 0)
    with pytest.raises(InputError, match="unknown output fault"):
        supplement(from_array(np.sin(np.arange(4000) / 8)), "rust", 0)
