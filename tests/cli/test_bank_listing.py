"""What `ape mine` prints: each rule with its share and its sentence, and the sentences without a rule."""

from __future__ import annotations

import numpy as np
import pytest

from ape.cli import terminal
from ape.cli.bank_listing import ADVICE, MOST_LISTED, print_bank
from ape.rules import RuleBank, broad_rule, build_context
from ape.rules.schema import SentenceUse
from ape.series import from_array


@pytest.fixture
def printed(capsys):
    """Print a bank of two rules and a benign one, with these sentences."""
    context = build_context(from_array(np.sin(np.arange(400) / 5)))
    rules = [
        broad_rule(name).model_copy(update={"weight": w}) for name, w in (("flatline_hold", 3), ("level_shift", 1))
    ]
    normal = broad_rule("trend_drift").model_copy(update={"id": "backup"})

    def run(*sentences: SentenceUse) -> str:
        terminal.set_output(json=False, quiet=False)
        print_bank(RuleBank(context=context, rules=rules, benign=[normal], sentences=list(sentences)))
        return capsys.readouterr().out

    return run


def said(text: str, use: str, line: int = 1, **more) -> SentenceUse:
    return SentenceUse(text=text, use=use, line=line, **more)


def test_rules_have_their_share_and_their_sentence(printed):
    out = printed(
        said("The float sticks.", "rule", 4, rules=["flatline_hold"]),
        said("The backup is normal.", "benign", 5, rules=["backup"]),
    )
    [stuck] = [line for line in out.splitlines() if "flatline_hold" in line]
    assert stuck.split()[0] == "75%" and "line 4: 'The float sticks.'" in stuck
    [step] = [line for line in out.splitlines() if "level_shift" in line]
    assert step.split()[0] == "25%" and step.endswith("the series")
    [normal] = [line for line in out.splitlines() if "line 5" in line]
    assert "%" not in normal and ADVICE.split()[0] not in out
    assert normal.startswith("backup") and any(line.startswith("must not alarm") for line in out.splitlines())


def test_a_long_sentence_is_cut_after_a_word(printed):
    out = " ".join(printed(said("word " * 60, "not understood")).split())
    assert "word ...'" in out and out.count("word") < 30


def test_sentences_without_a_rule_are_listed_with_the_reason_and_advice(printed):
    out = printed(
        said("Es klemmt.", "not understood", 2, reason="German"),
        said("It squeaks.", "no rule", 3, reason="noise increase: hardly differs from normal data"),
        said("It rises 3 mol/l.", "rule", 6, rules=["level_shift"], reason="not used: 3 mol/l"),
        said("All fine.", "normal", 7),
    )
    assert "line 2: 'Es klemmt.' - German" in out and "line 3: 'It squeaks.' - noise increase" in out
    assert "not used: 3 mol/l" in out and "All fine" not in out
    assert ADVICE.split(":")[0] in out


def test_a_long_list_is_cut_with_its_count(printed):
    out = printed(*(said(f"Word {number}.", "not understood", number + 1) for number in range(MOST_LISTED + 5)))
    assert f"'Word {MOST_LISTED - 1}.'" in out and f"'Word {MOST_LISTED}.'" not in out and "and 5 more" in out
