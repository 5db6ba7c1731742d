"""Rules and the Rule Bank: schema, operators, sampling, augmentation, and the discriminability check."""

from ape.rules.augment import augment
from ape.rules.bank import RuleBank
from ape.rules.check import THRESHOLDS, Hosts, discriminability, draw_hosts, failures
from ape.rules.context import build_context
from ape.rules.generic import generic_bank, generic_rule
from ape.rules.operators import OPERATORS
from ape.rules.sampling import Sample
from ape.rules.schema import Context, EmptyBankError, HistoryEntry, Rule, RuleDraft
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES

sample = RuleBank.sample

__all__ = [
    "MECHANISMS",
    "MORPHOLOGIES",
    "OPERATORS",
    "THRESHOLDS",
    "Context",
    "EmptyBankError",
    "HistoryEntry",
    "Hosts",
    "Rule",
    "RuleBank",
    "RuleDraft",
    "Sample",
    "augment",
    "build_context",
    "discriminability",
    "draw_hosts",
    "failures",
    "generic_bank",
    "generic_rule",
    "sample",
]
