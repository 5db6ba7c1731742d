"""Data sets: published UCR files, halves and contaminated versions of UCR, simulated faults."""

from __future__ import annotations

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.evals.datasets import group, load_case, part, series_names
from ape.evals.timeanomalybench import SCENARIOS
from ape.rules import build_context


@pytest.fixture
def archive(tmp_path):
    """Two files named like the published archive, which puts the labels into file names."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for k, name in enumerate(["wave1", "DISTORTEDwave1"]):
        values = np.sin(np.arange(900) / (4 + k))
        text = "\n".join(f"{v:.5f}" for v in values)
        (folder / f"{k + 1:03d}_UCR_Anomaly_{name}_500_700_719.txt").write_text(text)
    return folder


def test_labels_of_published_files_are_read_from_their_names(archive):
    names = series_names("ucr", archive)
    assert names == ["001_wave1", "002_DISTORTEDwave1"]
    case = load_case("ucr", names[0], archive)
    assert np.flatnonzero(case.labels).tolist() == list(range(700, 720)) and case.series.train_end == 500
    assert series_names("ucr", archive, longest=800) == []


def test_folder_without_published_files_is_refused(tmp_path):
    with pytest.raises(InputError, match="no published UCR files"):
        series_names("ucr", tmp_path)


def test_halves_of_ucr_have_whole_recordings_and_all_series(ucr_names):
    assert [series_names(half) for half in ("ucr tuning", "ucr confirmation")] == [ucr_names[:2], ucr_names[2:]]
    half, whole = (load_case(data_set, ucr_names[0]) for data_set in ("ucr tuning", "ucr"))
    assert half.series.fingerprint == whole.series.fingerprint and (half.labels == whole.labels).all()


def test_contaminated_series_differ_in_the_training_part_only(ucr_names):
    assert series_names("ucr contaminated 10") == ucr_names
    clean, contaminated = (load_case(data_set, ucr_names[0]) for data_set in ("ucr", "ucr contaminated 10"))
    changed = (clean.series.values != contaminated.series.values).any(1)
    assert changed[:500].any() and not changed[500:].any()
    np.testing.assert_array_equal(clean.labels, contaminated.labels)


def test_simulated_case_has_test_labels_a_text_and_an_oracle():
    case = load_case("bench", series_names("bench")[0])
    assert case.labels[: case.series.train_end].sum() == 0 < case.labels.sum()
    assert case.series.text and case.oracle is not None
    assert case.oracle(build_context(case.series)).rules


def test_texts_of_a_simulated_case_have_the_same_description_and_different_manuals():
    case = load_case("bench", series_names("bench")[0])
    scenario = SCENARIOS[case.family]
    measured = scenario.texts.measured.splitlines()[0]
    assert case.series.text.startswith(measured) and case.other_text.startswith(measured)
    assert case.series.text != case.other_text
    manuals = {name for name, each in SCENARIOS.items() if each.texts.manual.splitlines()[0] in case.other_text}
    assert len(manuals) == 1 and case.family not in manuals


def test_the_name_of_a_simulated_series_does_not_tell_its_fault():
    name = series_names("bench")[0]
    assert name.partition(".")[2] not in load_case("bench", name).series.name


def test_faults_and_scenarios_of_the_benchmark_can_be_chosen():
    every = series_names("bench", faults=5)
    assert len(every) == 60 and len(series_names("bench", faults=2)) == 24
    tuning, confirmation = (series_names("bench", faults=5, scenarios=which) for which in ("tuning", "confirmation"))
    assert set(tuning) | set(confirmation) == set(every) and len(tuning) == 40
    assert {part("bench", name) for name in tuning} == {"tuning"}
    assert {group("bench", name) for name in every} == set(SCENARIOS)


def test_runs_of_a_test_bed_are_groups_of_their_own():
    assert [group(data_set, "TEP_a01") for data_set in ("tep", "skab")] == ["TEP_a01"] * 2
    assert group("ucr", "001_DISTORTEDECG1") == "ECG" and part("ucr", "001_DISTORTEDECG1") == "tuning"
    assert part("skab", "SKAB_valve1_1") is None
