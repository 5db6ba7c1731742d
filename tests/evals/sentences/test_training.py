"""Composed sentences: reproducible, without gaps, apart from the labelled ones, and with the terms of their phrases."""

from ape.evals.sentences.labelled import labelled
from ape.evals.sentences.training import composed
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES


def test_sentences_are_reproducible_and_differ_with_the_seed():
    assert composed(200, seed=1) == composed(200, seed=1)
    assert composed(200, seed=1) != composed(200, seed=2)


def test_sentences_have_no_gaps_and_are_not_the_labelled_ones():
    texts = {row.text for row in composed(4000)}
    assert not any("{" in text or "}" in text for text in texts)
    assert not texts & {row.text for row in labelled()}


def test_every_term_of_the_vocabulary_occurs():
    rows = composed(4000)
    assert {term for row in rows for term in row.mechanisms} == set(MECHANISMS)
    assert {term for row in rows for term in row.morphologies} == set(MORPHOLOGIES)
    assert {row.role for row in rows} == {row.role for row in labelled()}


def test_only_what_is_unusual_has_a_mechanism():
    for row in composed(2000):
        assert not row.mechanisms or row.role in ("failure", "benign")


def test_verbs_are_inflected():
    text = " ".join(row.text for row in composed(4000))
    assert " drifts slowly" in text
    assert " is stuck" in text or " gets stuck" in text
    assert " bes " not in text
