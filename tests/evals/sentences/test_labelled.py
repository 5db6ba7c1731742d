"""The labelled sentences: enough of each kind, valid terms, and halves that do not overlap."""

from collections import Counter

from ape.agents.understanding.meaning import ROLES
from ape.evals.sentences.labelled import labelled
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES


def test_there_are_enough_sentences_of_each_kind():
    rows = labelled()
    assert sum(bool(row.mechanisms) for row in rows) >= 400
    assert sum(row.role in ("benign", "normal") for row in rows) >= 60
    assert sum(row.kind == "denial" for row in rows) >= 30
    assert sum(row.role == "other" for row in rows) >= 30
    assert sum(row.language != "en" for row in rows) >= 40
    assert min(Counter(term for row in rows for term in row.mechanisms).values()) >= 20


def test_labels_are_terms_of_the_vocabulary():
    for row in labelled():
        assert row.role in ROLES
        assert set(row.mechanisms) <= set(MECHANISMS)
        assert set(row.morphologies) <= set(MORPHOLOGIES)
        assert bool(row.mechanisms) == bool(row.morphologies)
        assert row.mechanisms or row.role not in ("failure", "benign"), row.text


def test_the_halves_are_about_as_large_and_share_no_text():
    tuning, held_out = ({row.text for row in labelled(half)} for half in ("tuning", "held out"))
    assert not tuning & held_out
    assert 0.8 < len(tuning) / len(held_out) < 1.25
    assert len(tuning | held_out) == len(labelled())
