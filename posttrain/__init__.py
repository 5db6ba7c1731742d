"""Post-training: enhance a trained detector with the pseudo-anomalies of a Rule Bank, if a trial accepts the result."""

from ape.posttrain.assessment import Assessment
from ape.posttrain.channels import assess
from ape.posttrain.detector import EnhancedDetector, load
from ape.posttrain.enhancement import Enhancement, enhance
from ape.posttrain.explanation import Explanation
from ape.posttrain.following import Follower, Newest
from ape.posttrain.negatives import Negatives, from_series, surrogates
from ape.posttrain.recipe import DEFAULT, Recipe

__all__ = [
    "DEFAULT",
    "Assessment",
    "EnhancedDetector",
    "Enhancement",
    "Explanation",
    "Follower",
    "Negatives",
    "Newest",
    "Recipe",
    "assess",
    "enhance",
    "from_series",
    "load",
    "surrogates",
]
