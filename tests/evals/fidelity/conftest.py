"""Simulated runs of one fault, and the context of their normal part."""

from __future__ import annotations

import pytest

from ape.evals.timeanomalybench import SCENARIOS, make
from ape.rules import build_context
from ape.series import from_array


@pytest.fixture(scope="module")
def instances():
    return [make(SCENARIOS["stirred_reactor"], "thermocouple_noise", seed, events=3) for seed in range(3)]


@pytest.fixture(scope="module")
def context(instances):
    first = instances[0]
    return build_context(from_array(first.twin, list(first.scenario.units), first.train_end))
