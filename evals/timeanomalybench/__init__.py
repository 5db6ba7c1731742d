"""TimeAnomaly-Bench: anomalies with why, what, where, when, how large and long, and the twin without them."""

from ape.evals.timeanomalybench.dataset import Config, make_set, read_set, supplement_set
from ape.evals.timeanomalybench.injection import Event, Instance, make
from ape.evals.timeanomalybench.scenario import Fault, Scenario
from ape.evals.timeanomalybench.scenarios import SCENARIOS
from ape.evals.timeanomalybench.supplement import supplement

__all__ = [
    "SCENARIOS",
    "Config",
    "Event",
    "Fault",
    "Instance",
    "Scenario",
    "make",
    "make_set",
    "read_set",
    "supplement",
    "supplement_set",
]
