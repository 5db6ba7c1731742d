"""Figures of ways to understand sentences, on hand-made answers."""

import numpy as np
import pytest

from ape.evals.sentences.comparison import by_language, figures, linear, prototypes, reliability, stems
from ape.evals.sentences.heads import TASKS
from ape.evals.sentences.labelled import Labelled, labelled


def row(text, role, mechanism="", morphology="", language="en"):
    return Labelled(text, language, role, tuple(mechanism.split()), tuple(morphology.split()), "", "", "", "")


ROWS = [
    row("it sticks", "failure", "stuck_sensor", "plateau"),
    row("planned spike", "benign", "transient", "spike"),
    row("a pump", "normal"),
    row("es klemmt", "failure", "stuck_sensor", "plateau", language="de"),
]


def answer(role, *mechanisms):
    shares = {term: 1.0 / (rank + 1) for rank, term in enumerate(mechanisms)}
    return {"role": {role: 1.0}, "mechanism": shares, "morphology": {"plateau": 1.0}}


def test_figures_of_hand_made_answers():
    answers = [
        answer("failure", "damping", "stuck_sensor"),  # the mechanism comes second
        answer("benign", "transient"),  # its morphology is wrong
        answer("failure", "transient"),  # a false failure
        answer("not understood", "stuck_sensor"),  # right for a model that knows English
    ]
    found = figures(lambda texts: answers, ROWS)
    assert found.role == pytest.approx(3 / 4)
    assert found.mechanism_1 == pytest.approx(1 / 2)
    assert found.mechanism_3 == 1.0
    assert found.morphology_1 == found.morphology_3 == pytest.approx(1 / 2)
    assert found.benign_recall == found.benign_precision == 1.0
    assert found.false_failures == 1.0
    assert found.foreign_1 == 1.0


def test_stems_name_a_frozen_sensor():
    (found,) = stems(["The sensor is stuck at the same value."])
    assert found["role"] == {"failure": 1.0}
    assert max(found["mechanism"], key=found["mechanism"].get) == "stuck_sensor"


def test_other_languages_are_not_understood_by_any_way():
    way = by_language(lambda texts: [answer("failure", "transient") for _ in texts])
    english, german = way(["The pump trips.", "Der Fühler ist nicht mehr zu sehen."])
    assert english["role"] == {"failure": 1.0}
    assert german["role"] == {"not understood": 1.0}


def test_linear_models_and_prototypes_learn_what_separates_sentences():
    kinds = {
        "leak": ("failure", "gradual_drift", "ramp"),
        "frozen": ("benign", "stuck_sensor", "plateau"),
        "noise": ("other", "noise_increase", "rough_stretch"),
        "hiss": ("failure", "noise_increase", "gap"),
    }
    rows = [row(f"{word} {number}", *kind) for word, kind in kinds.items() for number in range(10)]

    def embed(texts):
        return np.array([[float(word in text) for word in kinds] for text in texts])

    for way in (linear(rows, [], embed), prototypes(rows, [])):
        for word in ("leak", "hiss"):
            (found,) = way([f"a {word} 3"])
            assert tuple(max(found[task], key=found[task].get) for task in TASKS) == kinds[word]


@pytest.mark.extended
def test_the_shipped_models_keep_their_level_on_the_held_out_half():
    from ape.agents.understanding.meaning import meanings

    def shipped(texts):
        return [
            {"role": each.roles, "mechanism": each.mechanisms, "morphology": each.morphologies}
            for each in meanings(texts)
        ]

    found = figures(shipped, labelled("held out"))
    assert found.role >= 0.65
    assert found.mechanism_1 >= 0.55
    assert found.mechanism_3 >= 0.8
    assert len(reliability(labelled("held out"))) == 12
