"""A series that is scored in pieces: the same bytes, no look-ahead, ages, gaps, and means over windows by hand."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.posttrain.discriminator import streaming
from ape.posttrain.discriminator.evidence import Evidence, Reader
from ape.posttrain.discriminator.normal import Normal
from ape.posttrain.discriminator.pretrained import load_pretrained
from ape.posttrain.discriminator.rules import BankDiscriminator, Question, generic_discriminator
from ape.posttrain.discriminator.streaming import Scoring
from ape.posttrain.discriminator.subspace import Subspace
from ape.rules import broad_bank, build_context
from ape.series import from_array

TRAINED, LENGTH, GAP = 800, 1500, 1130  # samples; windows of 128 cells of 1 and 2 samples
LATENCY = 256


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.arange(LENGTH) / 40)
    return (np.stack([wave, -wave], 1) + 0.1 * rng.standard_normal((LENGTH, 2))).astype(np.float32)


@pytest.fixture(scope="module")
def context(values):
    return build_context(from_array(values, ["a", "b"], TRAINED))


@pytest.fixture(scope="module")
def reader(values, context):
    network = load_pretrained()
    bank = broad_bank(context, ["level_shift", "flatline_hold"])
    model = BankDiscriminator(network, Question.of(bank), extra=1).eval()
    torch.manual_seed(0)
    torch.nn.init.normal_(model.adapter[-1].weight)

    def backbone(windows, factor):
        return windows.unflatten(2, (-1, factor)).mean(3)[:, :, None]

    subspace = Subspace.of(Normal.of(values[:TRAINED], context))
    return Reader(generic_discriminator(network, context), subspace, model, backbone)


@pytest.fixture(scope="module")
def fresh(values, reader, context):
    """Return the scoring of a series that continues a training part with a gap and a suspicious sample."""
    suspicious = np.zeros(TRAINED, dtype=bool)
    suspicious[790] = True
    normal = Normal.of(values[:TRAINED], context, [(0, 381), (381, TRAINED)], suspicious)
    scoring = Scoring(reader, normal, continues=True)
    return lambda: copy.deepcopy(scoring, {id(part): part for part in (reader, normal)})


def scored(scoring, values, cuts):
    """Score in pieces; there is a gap at GAP, and samples 900 to 904 are missing."""
    parts = []
    missing = (np.arange(LENGTH) >= 900) & (np.arange(LENGTH) < 905)
    edges = sorted({TRAINED, GAP, LENGTH, *cuts})
    for begin, end in pairwise(edges):
        parts.append(scoring.add(values[begin:end], gap=begin == GAP, missing=missing[begin:end]))
    return Evidence.joined([*parts, scoring.newest()])


@pytest.fixture(scope="module")
def at_once(fresh, values):
    return scored(fresh(), values, [])


def same(one, other):
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(x.shape == y.shape and x.numpy().tobytes() == y.numpy().tobytes() for x, y in pairs)


@settings(max_examples=3, deadline=None)
@given(st.sets(st.integers(TRAINED + 1, LENGTH - 1), max_size=6))
def test_pieces_give_the_same_bytes(fresh, values, at_once, cuts):
    assert same(scored(fresh(), values, cuts), at_once)


def test_pieces_give_the_same_bytes_if_old_windows_are_forgotten(fresh, reader, values, at_once, monkeypatch):
    for name, value in {"REST": 1, "PLACES": 64, "LEAST_SCORED": 64, "MOST": 0}.items():
        monkeypatch.setattr(f"ape.posttrain.discriminator.search.{name}", value)
    scoring, again = (Scoring(reader, fresh().normal, continues=True) for _ in range(2))
    pieces = scored(scoring, values, {*range(TRAINED, TRAINED + 10), 900, 901, 950, 1115, 1400})
    assert same(pieces, scored(again, values, ()))
    assert not same(pieces, at_once)
    assert scoring.searches[0].dropped


def test_scales_side_by_side_give_the_same_bytes(fresh, values):
    many = np.tile(values[TRAINED:], (3, 1))
    alone = fresh().add(many)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        together = fresh().add(many)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert same(alone, together)


def test_single_samples_give_the_same_bytes(fresh, values, at_once):
    cuts = [*range(TRAINED, TRAINED + 40), *range(LENGTH - 40, LENGTH)]
    assert same(scored(fresh(), values, cuts), at_once)


def test_every_point_comes_once_and_says_its_age(fresh, values, at_once):
    assert at_once.time.tolist() == list(range(LENGTH - TRAINED))
    assert at_once.bank.shape == (LENGTH - TRAINED, 2, 2)
    assert at_once.free.shape == (LENGTH - TRAINED, 2, 2) and at_once.subspace.shape == (LENGTH - TRAINED, 2)
    for part in (at_once.bank, at_once.generic, at_once.free, at_once.subspace):
        assert part.isfinite().all()
    for end in (GAP - TRAINED, LENGTH - TRAINED):  # of both stretches
        last = at_once.age[end - LATENCY : end].tolist()
        final = last.count(LATENCY)
        assert 0 < final < 32  # less than a step of the longest windows
        assert last == [LATENCY] * final + list(range(LATENCY - final))[::-1]
    assert (at_once.age[: GAP - TRAINED - LATENCY] == LATENCY).all()


def test_points_are_final_after_the_latency_at_the_latest(fresh, values):
    scoring = fresh()
    assert (scoring.window, scoring.factors, scoring.latency) == (128, [1, 2], LATENCY)
    final = 0
    for count in range(50, 330, 50):
        final += len(scoring.add(values[TRAINED + count - 50 : TRAINED + count]))
        newest = scoring.newest()
        assert final >= count - LATENCY
        assert newest.time.tolist() == list(range(final, count))
        assert newest.age.tolist() == list(range(count - final))[::-1]
    assert final > 0


@pytest.mark.parametrize("changed", [5.0, None])
def test_later_samples_change_no_final_point(fresh, values, at_once, changed):
    scoring = fresh()
    end = TRAINED + 250
    final = scoring.add(values[TRAINED:end])
    scoring.newest()
    assert 0 < len(final) < 250
    if changed is not None:
        other = fresh()
        whole = other.add(np.concatenate([values[TRAINED:end], values[end:] + changed]))
        assert same(whole.take(slice(0, len(final))), final)
    later = scoring.add(values[end:GAP])
    assert later.time[0] == len(final)
    assert same(final, at_once.take(slice(0, len(final))))


def test_points_are_means_over_the_windows_that_cover_them(fresh, values, reader):
    scoring = fresh()
    evidence = scoring.add(values[TRAINED:])
    second = TRAINED - 381  # samples of the second segment before the scored ones
    standard = scoring.normal.standard(values[381:])
    sample = second + 100
    means = []
    for search in scoring.searches:
        span, step = 128 * search.factor, 32 * search.factor
        voices = []
        for at in range(0, sample + 1, step):
            if at <= sample < at + span:
                start = torch.tensor([381 // search.factor + at // search.factor])
                raw = torch.from_numpy(values[381 + at : 381 + at + span].T.copy())[None]
                seen = search.inputs(standard[None, :, at : at + span], start, torch.tensor([381 + at]))
                with torch.no_grad():
                    voices.append(reader.read(seen, raw, search.factor)[0, :, :, (sample - at) // search.factor])
        assert len(voices) == 4
        means.append(torch.stack(voices).mean(0))
    odds = torch.stack(means).mean(0)[:, :-2]
    assert torch.allclose(torch.cat([evidence.bank[100], evidence.generic[100]], 1), odds, atol=1e-3)
    assert torch.allclose(evidence.free[100], torch.stack([mean[:, -2] for mean in means]), atol=1e-3)
    assert torch.allclose(evidence.subspace[100], means[0][:, -1], atol=1e-3)


def test_stretches_shorter_than_a_window_have_no_evidence(fresh, values):
    scoring = fresh()
    scoring.add(values[TRAINED : TRAINED + 40], gap=True)
    short = scoring.newest()
    assert len(short) == 40
    assert short.generic.isnan().all() and short.free.isnan().all() and short.subspace.isnan().all()
    rest = scoring.add(values[TRAINED + 40 : TRAINED + 200], gap=True)
    assert rest.time.tolist() == list(range(40)) and rest.bank.isnan().all()
    middle = scoring.newest()  # 160 samples: only windows of single samples fit
    assert middle.time.tolist() == list(range(40, 200))
    assert middle.generic.isfinite().all() and middle.free[:, 0].isfinite().all() and middle.free[:, 1].isnan().all()


def test_the_training_part_has_evidence_of_its_own(fresh, values):
    scoring = fresh()
    trained = Evidence.joined(list(scoring.trained()))
    assert trained.time.tolist() == list(range(TRAINED))
    assert trained.generic.isfinite().all()
    assert trained.age[-1] == trained.age[380] == 0 and trained.age[0] == trained.age[400] == LATENCY
    scoring.add(values[TRAINED:])
    again = Evidence.joined(list(scoring.trained()))
    assert same(again, trained)  # whatever was scored


def test_pieces_of_the_training_part_are_the_same_bytes(fresh, monkeypatch):
    whole = Evidence.joined(list(fresh().trained()))
    monkeypatch.setattr(streaming, "PIECE", 150)
    parts = list(fresh().trained())
    assert max(map(len, parts)) < 400 and same(Evidence.joined(parts), whole)


def test_samples_in_no_segment_have_no_evidence(values, reader, context):
    normal = Normal.of(values[:TRAINED], context, [(20, 500), (600, 700)], None)
    trained = Evidence.joined(list(Scoring(reader, normal, continues=False).trained()))
    assert trained.time.tolist() == [*range(20, 500), *range(600, 700)]
    known = trained.over(0, TRAINED).free[:, 0, 0].isfinite()
    assert known.tolist() == [False] * 20 + [True] * 480 + [False] * 300


def test_a_spike_is_found_where_it_is(fresh, values):
    changed = values.copy()
    changed[TRAINED + 200, 0] += 4
    evidence = fresh().add(changed[TRAINED:])
    assert abs(int(evidence.generic[100:300].amax((1, 2)).argmax()) - 100) <= 2
    assert abs(int(evidence.free[100:300].amax((1, 2)).argmax()) - 100) <= 32


def test_without_a_bank_there_are_only_the_other_voices(values, reader, context):
    normal = Normal.of(values[:400], context)
    scoring = Scoring(Reader(reader.generic, reader.subspace), normal, continues=False)
    evidence = scoring.add(values[400:700])
    assert evidence.bank.shape == (len(evidence), 2, 0)
    assert evidence.free.shape == (len(evidence), 1, 2)
    assert evidence.generic.isfinite().all()
