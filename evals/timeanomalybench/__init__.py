"""TimeAnomaly-Bench: simulated series with fully known anomalies, each with a twin that has no anomaly."""

from ape.evals.timeanomalybench.dataset import Config, make_set, read_set, supplement_set
from ape.evals.timeanomalybench.injection import FaultEvent, Instance, make
from ape.evals.timeanomalybench.scenario import Fault, Scenario
from ape.evals.timeanomalybench.scenarios import SCENARIOS
from ape.evals.timeanomalybench.supplement import supplement

__all__ = [
    "SCENARIOS",
    "Config",
    "Fault",
    "FaultEvent",
    "Instance",
    "Scenario",
    "make",
    "make_set",
    "read_set",
    "supplement",
    "supplement_set",
]
