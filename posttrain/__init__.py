"""Post-training: a trained detector and a Rule Bank in, a detector that knows anomalies out, if a trial says so."""

from ape.posttrain.channels import by_channel
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.enhancement import Enhancement, enhance
from ape.posttrain.negatives import Negatives, from_bank, from_series, surrogates
from ape.posttrain.recipe import DEFAULT, PAPER, RECIPES, Recipe
from ape.posttrain.storage import load

__all__ = [
    "DEFAULT",
    "PAPER",
    "RECIPES",
    "EnhancedDetector",
    "Enhancement",
    "Negatives",
    "Recipe",
    "by_channel",
    "enhance",
    "from_bank",
    "from_series",
    "load",
    "surrogates",
]
