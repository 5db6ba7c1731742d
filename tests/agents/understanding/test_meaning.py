"""What sentences mean: roles, mechanisms, morphologies and languages."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.agents.understanding.language import language
from ape.agents.understanding.meaning import ROLES, meanings
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES


def first(terms):
    return max(terms, key=terms.get)


@pytest.mark.parametrize(
    ("text", "mechanism", "morphology"),
    [
        ("The sensor sometimes freezes at its last value.", "stuck_sensor", "plateau"),
        ("A slow leak lowers the pressure over several days.", "gradual_drift", "ramp"),
        ("Loose contact: the reading is noisy and jumps up and down.", "noise_increase", "rough_stretch"),
        ("No data for an hour when the cable is unplugged.", "signal_loss", "gap"),
        ("The amplifier saturates and the peaks are cut off.", "saturation", "clipped_peaks"),
        ("Flow no longer follows the speed of the pump.", "decoupling", "broken_relation"),
    ],
)
def test_plain_failures_are_understood(text, mechanism, morphology):
    (meaning,) = meanings([text])
    assert first(meaning.roles) == "failure"
    assert first(meaning.mechanisms) == mechanism
    assert first(meaning.morphologies) == morphology


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("The weekly reboot on Sunday is planned, please do not raise an alarm.", "benign"),
        ("Spikes while the filter is flushed are expected and harmless.", "benign"),
        ("The sensor never drifts.", "normal"),
        ("The flow is measured once per second.", "normal"),
        ("The unit next door leaks, but it is not part of this data.", "other"),
        ("It acts strangely.", "not understood"),
    ],
)
def test_roles_of_sentences_that_name_no_failure(text, role):
    assert first(meanings([text])[0].roles) == role


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Der Sensor bleibt manchmal auf einem Wert stehen.", "German"),
        ("La pression baisse lentement à cause d'une fuite.", "French"),
        ("La señal se pierde cuando falla la red.", "Spanish"),
        ("Датчик иногда зависает.", "Russian or another language in Cyrillic script"),
        ("センサーが止まる。", "Japanese"),
        ("传感器卡住了", "Chinese or Japanese"),
        ("The door was left open and the motor stuck at 40 °C.", "English"),
        ("ERR 0x80041", "English"),
        ("", "English"),
        ("Müller reported that the pump is noisy.", "English"),
    ],
)
def test_language_of_a_sentence(text, name):
    assert language(text) == name


def test_a_sentence_in_another_language_is_not_understood_and_says_which():
    (meaning,) = meanings(["Der Fühler bleibt stehen."])
    assert meaning.language == "German"
    assert meaning.roles["not understood"] == 1.0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_meanings_are_probabilities_for_any_text(texts):
    found = meanings(texts)
    assert len(found) == len(texts)
    for meaning in found:
        assert set(meaning.roles) == set(ROLES)
        assert set(meaning.mechanisms) == set(MECHANISMS)
        assert set(meaning.morphologies) <= set(MORPHOLOGIES)
        for terms in (meaning.roles, meaning.mechanisms, meaning.morphologies):
            assert sum(terms.values()) == pytest.approx(1, abs=1e-4)
            assert min(terms.values()) >= 0


def test_the_meaning_of_a_sentence_does_not_depend_on_the_others():
    texts = ["The reading freezes.", "A spike.", ""]
    together, alone = meanings(texts), [meanings([text])[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert one.mechanisms == pytest.approx(other.mechanisms, abs=1e-5)


def test_nothing_is_loaded_before_there_is_a_text():
    code = (
        "import sys; from ape.agents.understanding.meaning import meanings; meanings([]);"
        "print({'tokenizers', 'safetensors', 'wordllama', 'sklearn'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
