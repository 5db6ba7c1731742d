"""Experiment files: which entries are refused, and the names of the cells."""

from __future__ import annotations

import pytest

from ape.core.errors import InputError
from ape.evals.experiment import FOLDER, cell_names, read_experiment

EXPERIMENT = """
title = "Waves"
sets = ["ucr"]
methods = ["CutAddPaste"]
simple = ["1-NN"]

[variants]
"anomaly transformer" = { backbone = "transformer", association = true }
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "waves.toml"
    path.write_text(EXPERIMENT)
    return path


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.toml")))
def test_experiment_of_the_package_can_be_read(name):
    assert read_experiment(name).title


def test_the_package_has_experiments():
    assert len(list(FOLDER.glob("*.toml"))) >= 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('colour = "red"', "colour"),
        ('backbones = ["gpt"]', "no 'gpt'"),
        ('generators = ["PaAno"]', "generators"),
        ("seeds = 0", "seeds"),
        ('third_party = ["GPT"]', "third_party"),
        ("of_each_recording = 0", "of_each_recording"),
        ("recipes = { hot = { heat = 1.0 } }", "no 'heat'"),
        ('recipes = { hot = { steps = "many" } }', "not a recipe"),
        ("recipes = { hot = { rate = nan } }", "not finite"),
        ("recipes = { hot = { steps = -4 } }", "negative"),
        ('recipes = { "mined bank" = { steps = 4 } }', "'mined bank' is there twice"),
        ("recipes = { APE = { steps = 4 } }", "cannot be the name"),
        ('recipes = { "a--b" = { steps = 4 } }', "cannot be the name"),
        ('recipes = { "own, rules alone" = { steps = 4 } }', "cannot be the name"),
        ('backbones = ["vae", "vae"]', "'vae' is there twice"),
        (f"seeds = {'9' * 5000}", "not TOML"),
        ("longest = 0", "longest"),
        ("title = ", "not TOML"),
    ],
)
def test_unknown_entries_are_refused(path, change, message):
    path.write_text(EXPERIMENT.replace('title = "Waves"', f'title = "Waves"\n{change}'))
    with pytest.raises(InputError, match=message):
        read_experiment(str(path))


@pytest.mark.parametrize("entries", ['methods = ["NCAD", "NCAD"]', 'simple = ["1-NN", "1-NN"]'])
def test_the_same_entry_twice_is_refused(path, entries):
    path.write_text(f'title = "Twice"\nsets = ["ucr"]\n{entries}\n')
    with pytest.raises(InputError, match="is there twice"):
        read_experiment(str(path))


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ('{ backbone = "gpt" }', "no backbone 'gpt'"),
        ('{ backbone = "vae", colour = 1 }', "no option 'colour'"),
        ("{ hidden = 3 }", "it needs 'backbone'"),
        ('{ backbone = ["vae"] }', "it needs 'backbone'"),
        ('{ backbone = "vae", device = "cuda" }', "'device' cannot be changed"),
        ('{ backbone = "vae", window = 64.5 }', "not a whole number"),
    ],
)
def test_impossible_variants_are_refused(path, variant, message):
    path.write_text(f"{EXPERIMENT}mine = {variant}\n")
    with pytest.raises(InputError, match=message) as caught:
        read_experiment(str(path))
    assert "variants.mine" in str(caught.value)


def test_variant_gives_a_detector_with_its_options(path):
    detector = read_experiment(str(path)).new_detector("anomaly transformer")
    assert (detector.name, detector.options) == ("transformer", {"association": True})


def test_unknown_experiment_is_refused():
    with pytest.raises(InputError, match="no such experiment"):
        read_experiment("nothing")


def test_cells_of_one_series_are_neighbours(path, ucr_names):
    names = cell_names(read_experiment(str(path)), None)
    assert names[:3] == [
        f"ucr--{kind}--{ucr_names[0]}--0"
        for kind in ("backbone--anomaly transformer", "method--CutAddPaste", "simple--all")
    ]
    assert len(names) == 9


def test_first_series_of_each_recording(path, ucr_names):
    path.write_text(EXPERIMENT.replace('title = "Waves"', 'title = "Waves"\nof_each_recording = 1'))
    names = cell_names(read_experiment(str(path)), None)
    assert {name.split("--")[3] for name in names} == {ucr_names[0], ucr_names[2]}
