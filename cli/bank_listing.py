"""Print what mining found: the rules with their shares and sources, and what became of each sentence of the text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ape.cli.terminal import console, print_lines, print_table

if TYPE_CHECKING:
    from ape.rules import Rule, RuleBank
    from ape.rules.schema import SentenceUse

QUOTED = 100  # characters of a sentence
MOST_LISTED, MOST_GROUPS = 20, 5  # sentences of a kind, and groups of channels
ADVICE = (
    "Say each failure in one plain English sentence: what happens, on which channel, how much, for how long, how often."
)


def print_bank(bank: RuleBank) -> None:
    """Print the rules, those that must not alarm, and the sentences that gave no rule or only a part of one."""
    shares = bank.shares()
    heaviest = sorted(bank.rules, key=lambda rule: -rule.weight)
    if bank.rules:
        rows = [(f"{shares[rule.id]:.0%}", *_row(bank, rule)) for rule in heaviest]
        print_table(("share", "rule", "what goes wrong", "comes from"), rows)
    else:
        console.print("the Rule Bank has no rules")
    if bank.benign:
        print_table(("must not alarm", "what happens", "comes from"), [_row(bank, rule) for rule in bank.benign])
    if bank.context.groups:
        print_lines([_groups(bank)], 2)
    without = [each for each in bank.sentences if each.use == "no rule"]
    unclear = [each for each in bank.sentences if each.use == "not understood"]
    partly = [each for each in bank.sentences if each.use in ("rule", "benign") and each.reason]
    _print_sentences("used in part", partly)
    _print_sentences("gave no rule", without)
    _print_sentences("not understood", unclear)
    if without or unclear:
        print_lines([ADVICE], 2)


def _groups(bank: RuleBank) -> str:
    """Return the groups of channels of a wide series in one line."""
    groups = bank.context.groups
    listed = [
        f"{group.name}, {len(group.channels)} channels seen through '{group.representative}'"
        for group in groups[:MOST_GROUPS]
    ]
    rest = f"; and {len(groups) - MOST_GROUPS} more, see bank.json" if len(groups) > MOST_GROUPS else ""
    return f"groups of channels that move together: {'; '.join(listed)}{rest}"


def source_text(bank: RuleBank, rule: Rule) -> str:
    """Return the sentence that a rule comes from, with its line."""
    said = next((each for each in bank.sentences if rule.id in each.rules), None)
    if said is not None:
        return f"{_line(said)}: {_quote(said.text)}"
    quoted = next((item for item in rule.evidence if item.kind == "text"), None)
    return "the series" if quoted is None else f"{quoted.id}: {_quote(quoted.quote)}"


def _row(bank: RuleBank, rule: Rule) -> tuple[str, str, str]:
    """Return the name of a rule, its mechanism in words, and its source."""
    return rule.id, rule.mechanism.replace("_", " "), source_text(bank, rule)


def _print_sentences(title: str, sentences: list[SentenceUse]) -> None:
    if not sentences:
        return
    console.print(f"{title}:", style="bold")
    print_lines(
        (
            f"  {_line(each)}: {_quote(each.text)}{' - ' if each.reason else ''}{each.reason}"
            for each in sentences[:MOST_LISTED]
        ),
        6,
    )
    if len(sentences) > MOST_LISTED:
        console.print(f"  and {len(sentences) - MOST_LISTED} more, see bank.json")


def _line(said: SentenceUse) -> str:
    return f"{'log ' if said.source == 'log' else ''}line {said.line}"


def _quote(text: str) -> str:
    """Return a sentence in quotation marks; a long one is cut after a word."""
    return f"'{textwrap.shorten(text, QUOTED, placeholder=' ...')}'"
