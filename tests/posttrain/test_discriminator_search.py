"""The search for the nearest references while a series arrives, against a slow search."""

import numpy as np
import pytest
import torch

from ape.posttrain.discriminator.inputs import inputs
from ape.posttrain.discriminator.normal import Normal
from ape.posttrain.discriminator.references import WINDOW, References
from ape.posttrain.discriminator.search import PLACES, REST, Search

TRAINED = 2000  # with the series that follows, more than one block of places
SECOND = 4000  # a gap lies before it


@pytest.fixture(scope="module")
def values():
    walk = np.random.default_rng(0).standard_normal((5000, 2)).cumsum(0)
    return (walk / walk.std(0)).astype(np.float32)


@pytest.fixture(scope="module")
def normal(values):
    suspicious = np.zeros(TRAINED, dtype=bool)
    suspicious[700:710] = True
    return Normal(values[:TRAINED], torch.zeros(2), torch.ones(2), [(0, 1200), (1200, TRAINED)], suspicious)


@pytest.fixture(scope="module")
def search(values, normal):
    search = Search(normal, 1, WINDOW)
    cells = torch.from_numpy(values.T.copy())
    for first, last, begin in ((TRAINED, 2300, 1200), (2300, SECOND, 1200), (SECOND, 5000, SECOND)):
        missing = (torch.arange(first, last) >= 2295) & (torch.arange(first, last) < 2305)
        search.append(cells[:, first:last], missing, begin)
    return search


def allowed_places(start):
    """Return where references of a window may start, by the rules."""
    barred = [*range(700, 710), *range(2295, 2305)]
    for place in range(5000 - WINDOW + 1):
        end = place + WINDOW
        if any(place < gap < end for gap in (1200, SECOND)) or any(place <= cell < end for cell in barred):
            continue
        apart = end <= TRAINED and abs(start - place) >= WINDOW
        if apart or place <= start - REST * WINDOW:
            yield place


def allowed_in_training():
    """Return where references of a window after the training part may start in it."""
    inside = range(TRAINED - WINDOW + 1)
    barred = [*range(700 - WINDOW + 1, 710), *range(1200 - WINDOW + 1, 1200)]
    return [place for place in inside if place not in barred]


def test_nearest_agrees_with_a_slow_search_and_keeps_the_rules(search, values):
    cells = torch.from_numpy(values.T.copy())
    views = cells.unfold(1, WINDOW, 1)  # [C, places, 128]
    starts = torch.tensor([300, 1500, 2600, 3700, 4800])
    assert 4800 - REST * WINDOW > PLACES
    windows = views[:, starts].transpose(0, 1)
    near = search.nearest(windows, starts, starts)
    for row, start in enumerate(starts.tolist()):
        places = torch.tensor(list(allowed_places(start)))
        square = (windows[row][:, None] - views[:, places]).square().sum(2)  # [C, places]
        assert torch.equal(near.joint[row, 0], views[:, places[square.sum(0).argmin()]])
        assert near.distance[row] == pytest.approx(float((square.sum(0).min() / (2 * WINDOW)).sqrt()), rel=1e-5)
        assert torch.equal(near.own[row], views[torch.arange(2), places[square.argmin(1)]])
        shapes = views[:, places] - views[:, places].mean(2, keepdim=True)
        own = windows[row] - windows[row].mean(1, keepdim=True)
        gain = own.std(1, correction=0)[:, None, None] / shapes.std(2, correction=0, keepdim=True).clamp(min=0.1)
        least = (own[:, None] - gain * shapes).square().sum(2).min(1).values
        found = (windows[row] - near.shape[row]).square().sum(1)
        assert torch.allclose(found, least, rtol=1e-3)


def test_inputs_agree_with_those_of_many_series(values):
    normal = Normal(values[:TRAINED], torch.zeros(2), torch.ones(2), [(0, TRAINED)], np.zeros(TRAINED, dtype=bool))
    search = Search(normal, 2, WINDOW)
    references = References(normal.cells(2)[None], TRAINED // 2, 2)
    windows = torch.from_numpy(values.T.copy()).unfold(1, 2 * WINDOW, 1)[:, [2500, 4000]].transpose(0, 1)
    allowed = torch.ones(2, TRAINED // 2 - WINDOW + 1, dtype=torch.bool)
    expected = inputs(windows, references, search.usual, torch.zeros(2, dtype=torch.int64), allowed)
    start = torch.tensor([TRAINED, TRAINED + 1000])
    assert torch.allclose(search.inputs(windows, start), expected, atol=1e-4)


def test_what_a_window_must_not_see_changes_nothing(values, normal):
    start = TRAINED + torch.arange(4) * 16
    window = torch.from_numpy(values.T.copy()).unfold(1, WINDOW, 1)[:, start].transpose(0, 1)
    search = Search(normal, 1, WINDOW)
    nothing = torch.zeros(3000, dtype=torch.bool)
    before = search.inputs(window, start)
    search.append(torch.from_numpy(values[TRAINED:].T.copy()), nothing, 1200)
    after = search.inputs(window, start)
    assert torch.equal(before, after)


def test_long_series_is_compared_with_its_newest_windows_and_those_of_training(values, normal, monkeypatch):
    for name, value in {"PLACES": 256, "LEAST_SCORED": 600, "MOST": 0}.items():
        monkeypatch.setattr(f"ape.posttrain.discriminator.search.{name}", value)
    search, cells = Search(normal, 1, WINDOW), torch.from_numpy(values.T.copy())
    views = cells.unfold(1, WINDOW, 1)
    kept = -(-TRAINED // 256) * 256  # up to the end of the last block of the training part
    for first in range(TRAINED, 5000, 300):
        search.append(cells[:, first : first + 300], torch.zeros(300, dtype=torch.bool), TRAINED)
        start = torch.tensor([first + 300 - WINDOW])
        oldest = int(start) - REST * WINDOW - 600
        block = kept + max(0, oldest - kept) // 256 * 256
        known = [place for place in allowed_in_training() if place <= start - WINDOW]
        known += [
            *range(TRAINED, min(kept, int(start) - REST * WINDOW + 1)),
            *range(block, int(start) - REST * WINDOW + 1),
        ]
        windows = views[:, start].transpose(0, 1)
        near = search.nearest(windows, start)
        square = (windows[0][:, None] - views[:, known]).square().sum(2)
        assert torch.equal(near.joint[0, 0], views[:, known[int(square.sum(0).argmin())]])
        assert torch.equal(near.own[0], views[torch.arange(2), torch.tensor(known)[square.argmin(1)]])
        search.forget(int(start))
    assert search.length - search.dropped < kept + 600 + REST * WINDOW + WINDOW + 300 + 256
