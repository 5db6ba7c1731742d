"""Pretraining: a short training reproduces its curve, resumes, and writes weights with a card."""

import json

import pytest
import torch
from safetensors.torch import load_file

from ape.core.errors import InputError
from ape.posttrain.discriminator.network import NAMES, RuleDiscriminator
from ape.posttrain.discriminator.pretrained import CARD, WEIGHTS, load_pretrained, read_card
from ape.posttrain.pretraining import training
from ape.posttrain.pretraining.batches import draw_batch
from ape.posttrain.pretraining.corpus import build_corpus


class Stop(Exception):
    pass


@pytest.fixture(scope="module")
def corpus():
    return build_corpus(0, range(40), torch.device("cpu"))


def test_batches_are_reproducible_and_labelled(corpus):
    first, again = (draw_batch(corpus, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first.inputs, again.inputs)
    assert first.inputs.isfinite().all()
    assert first.said.isfinite().all()
    normal = first.true < 0
    assert 0.2 < normal.float().mean() < 0.5
    assert first.share[normal].max() == 0
    assert first.share[~normal].amax((1, 2)).max() == 1
    assert torch.equal(first.operators[:, -1][~normal], first.true[~normal])


@pytest.mark.extended
def test_loss_falls_when_the_right_rule_is_likely(corpus):
    torch.manual_seed(0)
    network, generator = RuleDiscriminator(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    values = []
    for _ in range(40):
        value = training.loss(network, draw_batch(corpus, generator, rows=24))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(float(value))
    assert sum(values[-10:]) < 0.9 * sum(values[:10])


@pytest.mark.extended
def test_short_training_reproduces_its_curve_and_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "JUDGED", 2)
    whole = training.pretrain(tmp_path / "whole", 1, 40, 6)
    again = training.pretrain(tmp_path / "again", 1, 40, 6)
    assert whole["curve"] == again["curve"]

    def stop(step, done, total, note=""):
        if step == "pretraining" and done == 3:
            raise Stop

    with pytest.raises(Stop):
        training.pretrain(tmp_path / "broken", 1, 40, 6, progress=stop)
    resumed = training.pretrain(tmp_path / "broken", 1, 40, 6)
    assert resumed["curve"] == whole["curve"]
    weights = [load_file(tmp_path / name / WEIGHTS) for name in ("whole", "broken")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    card = json.loads((tmp_path / "whole" / CARD).read_text())
    assert card["operators"] == list(NAMES)
    assert not (tmp_path / "whole" / training.TRAINING).exists()
    network = load_pretrained(tmp_path / "whole")
    assert torch.equal(network.prototypes, weights[0]["prototypes"])
    card["operators"] = card["operators"][1:]
    (tmp_path / "whole" / CARD).write_text(json.dumps(card))
    with pytest.raises(InputError, match="other operators"):
        load_pretrained(tmp_path / "whole")


def test_packaged_weights_load_and_are_small():
    network = load_pretrained()
    assert sum(value.numel() * value.element_size() for value in network.state_dict().values()) < 5_000_000
    assert read_card()["figures"]["mean"]["recall"] > 0.3


def test_too_few_processes_are_refused(tmp_path):
    with pytest.raises(InputError, match="too few"):
        training.pretrain(tmp_path, 0, 3, 5)
