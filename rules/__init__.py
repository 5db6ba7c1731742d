"""Rules and the Rule Bank: schema, operators, sampling, augmentation, and the discriminability check."""

from ape.rules.augment import augment
from ape.rules.bank import RuleBank
from ape.rules.broad import broad_bank, broad_rule
from ape.rules.check import THRESHOLDS, discriminability, failures
from ape.rules.context import build_context
from ape.rules.hosts import Hosts, draw_hosts
from ape.rules.operators import OPERATORS
from ape.rules.sampling import Sample
from ape.rules.schema import Context, EmptyBankError, HistoryEntry, Rule, RuleDraft
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES

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
    "broad_bank",
    "broad_rule",
    "build_context",
    "discriminability",
    "draw_hosts",
    "failures",
]
