"""The Rule Bank: vocabulary, schema, operators, sampling and augmentation; the contract between agents and training."""

from ape.rules.augment import augment
from ape.rules.context import build_context
from ape.rules.generic import generic_bank, generic_rule
from ape.rules.operators import OPERATORS
from ape.rules.sampling import Sample, sample
from ape.rules.schema import Context, EmptyBankError, Rule, RuleBank, RuleDraft
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES

__all__ = [
    "MECHANISMS",
    "MORPHOLOGIES",
    "OPERATORS",
    "Context",
    "EmptyBankError",
    "Rule",
    "RuleBank",
    "RuleDraft",
    "Sample",
    "augment",
    "build_context",
    "generic_bank",
    "generic_rule",
    "sample",
]
