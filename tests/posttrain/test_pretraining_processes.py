"""The generated processes: seeded, finite, varied, with twins."""

import numpy as np
import pytest

from ape.posttrain.pretraining.processes import LENGTH, draw_process
from ape.posttrain.pretraining.sources import SOURCES, spans, wander


def test_same_number_gives_same_bytes_and_other_numbers_give_others():
    first, again, other = draw_process(3, 5), draw_process(3, 5), draw_process(4, 5)
    assert first.values.tobytes() == again.values.tobytes()
    assert first.values.tobytes() != other.values.tobytes()


def test_processes_are_finite_and_have_one_to_eight_channels():
    processes = [draw_process(0, i) for i in range(60)]
    assert all(np.isfinite(p.values).all() and len(p.values) == LENGTH for p in processes)
    assert {p.values.shape[1] for p in processes} == set(range(1, 9))


def test_processes_are_varied():
    """Some channels are counts, some repeat values exactly, most do neither."""
    channels = [channel for i in range(120) for channel in draw_process(1, i).values.T]
    counts = np.mean([(channel >= 0).all() and (channel % 1 == 0).all() for channel in channels])
    repeats = np.mean([np.mean(np.diff(channel) == 0) > 0.3 for channel in channels])
    assert 0.05 < counts < 0.3
    assert 0.1 < repeats < 0.6


def test_twin_without_a_fault_is_the_process_itself():
    process = draw_process(0, 2)
    assert process.disturbed.tobytes() == process.values.tobytes()


def test_fault_of_a_hidden_signal_changes_nothing_before_it_begins():
    def disturb(source):
        changed = source.copy()
        changed[3000:3100] += 5
        return changed

    lasts = []
    for number in range(12):
        plain, faulty = draw_process(0, number), draw_process(0, number, disturb=disturb)
        assert faulty.values.tobytes() == plain.values.tobytes()
        changed = np.flatnonzero((faulty.disturbed != faulty.values).any(axis=1))
        assert changed.min(initial=3000) >= 3000
        lasts.append(len(changed))
    assert np.median(lasts) >= 90


def test_clean_twin_has_no_noise():
    """The measured channel differs from the clean one in most processes, but follows it."""
    pairs = [(p.values[:, 0], p.clean[:, 0]) for p in (draw_process(2, i) for i in range(40))]
    likeness = [abs(np.corrcoef(pair)[0, 1]) for pair in pairs if min(map(np.ptp, pair)) > 0]
    assert np.median(likeness) > 0.9
    assert min(likeness) < 0.999


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_every_source_is_finite_and_varies(source):
    for seed in range(5):
        values = source(np.random.default_rng(seed), 2000)
        assert values.shape == (2000,)
        assert np.isfinite(values).all()
        assert values.std() > 1e-3


def test_wander_has_unit_variance_and_the_given_memory():
    values = wander(np.random.default_rng(0), 200_000, 10)
    assert values.std() == pytest.approx(1, abs=0.05)
    assert np.corrcoef(values[:-10], values[10:])[0, 1] == pytest.approx(np.exp(-1), abs=0.05)


def test_spans_are_consecutive_and_have_the_given_mean():
    number = spans(np.random.default_rng(0), 50_000, 25, 0.5)
    assert set(np.unique(np.diff(number))) <= {0, 1}
    assert 50_000 / (number[-1] - number[0]) == pytest.approx(25, rel=0.1)
