"""Detectors of other libraries: trained there, enhanced by APE, and used there again with the enhanced weights."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from support import short_training

import ape.detectors
import ape.posttrain
from ape.rules import broad_bank, build_context

WINDOW = 24
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:sklearn")  # one for each float32 window


def windows_of(values):
    """All windows of values [T, 1], as [N, L]."""
    return sliding_window_view(values[:, 0], WINDOW).copy()


class Dtaianomaly:
    """Standardises each window by itself."""

    package, encoder = "dtaianomaly", "encoder"

    def __init__(self, train):
        from dtaianomaly.anomaly_detection import AutoEncoder

        self.scale = (float(train.mean()), float(train.std()))
        sizes = {"encoder_dimensions": [16], "latent_space_dimension": 4, "decoder_dimensions": [16]}
        self.model = AutoEncoder(WINDOW, activation_function="tanh", **sizes, n_epochs=5, seed=0).fit(train)
        self.module = self.model.neural_network_

    def reconstruct(self, module, x):
        shift, scale = x.mean(2, keepdim=True), x.std(2, correction=0, keepdim=True)
        return module(((x - shift) / scale).transpose(1, 2)).transpose(1, 2) * scale + shift

    def reconstructed(self, values):
        dataset = self.model._build_dataset(values)
        inputs = torch.stack([dataset[i][0] for i in range(len(dataset))])
        windows = windows_of(values)
        scale, shift = windows.std(1, keepdims=True), windows.mean(1, keepdims=True)
        return self.module.eval()(inputs)[:, :, 0].numpy() * scale + shift

    def score(self, values):
        return self.model.decision_function(values)


class PyOD:
    """Takes windows as rows and standardises each position in the window by itself."""

    package, encoder = "pyod", "encoder"

    def __init__(self, train):
        from pyod.models.auto_encoder import AutoEncoder

        self.scale = None
        self.model = AutoEncoder(hidden_neuron_list=[16, 4], epoch_num=5, verbose=0).fit(windows_of(train))
        self.module = self.model.model
        self.place_shift, self.place_scale = (torch.tensor(x).float() for x in (self.model.X_mean, self.model.X_std))

    def reconstruct(self, module, x):
        rows = (x.flatten(1) - self.place_shift) / self.place_scale
        return (module(rows) * self.place_scale + self.place_shift).view_as(x)

    def reconstructed(self, values):
        from pyod.utils.torch_utility import TorchDataset

        inputs = TorchDataset(windows_of(values), mean=self.model.X_mean, std=self.model.X_std)
        return self.module.eval()(torch.stack(list(inputs))).numpy() * self.model.X_std + self.model.X_mean

    def score(self, values):
        return self.model.decision_function(windows_of(values))


class DeepOD:
    """USAD's decoders end in a sigmoid, so values must be in [0, 1]."""

    package, encoder = "deepod", "encoder"

    def __init__(self, train):
        from deepod.models.time_series import USAD

        self.scale = (float(train.min()), float(np.ptp(train)))
        budget = {"epochs": 15, "batch_size": 16, "lr": 5e-3}
        self.model = USAD(WINDOW, hidden_dims=10, **budget, device="cpu", verbose=0, random_state=0)
        self.model.fit(self.standard(train))
        self.module = self.model.model

    def standard(self, values):
        return (values - self.scale[0]) / self.scale[1]

    def reconstruct(self, module, x):
        return module.decoder1(module.encoder(x.flatten(1))).view_as(x)

    def reconstructed(self, values):
        from deepod.utils.utility import get_sub_seqs

        inputs = torch.from_numpy(get_sub_seqs(self.standard(values), seq_len=WINDOW)).float()
        return self.reconstruct(self.module.eval(), inputs).numpy()[:, :, 0] * self.scale[1] + self.scale[0]

    def score(self, values):
        return self.model.decision_function(self.standard(values))


class TSBAD:
    """TimesNet computes the periods of a batch in its forward pass and standardises each window inside."""

    package, encoder = "TSB_AD", "layer_norm"

    def __init__(self, train):
        from TSB_AD.models.TimesNet import TimesNet

        torch.manual_seed(0)
        self.scale = (float(train.mean()), float(train.std()))
        with mock.patch.object(np, "Inf", np.inf, create=True):  # written for NumPy 1
            self.model = TimesNet(win_size=WINDOW, epochs=1, batch_size=32, lr=2e-3)
        self.model.fit(self.standard(train))
        self.module = self.model.model

    def standard(self, values):
        return (values - self.scale[0]) / self.scale[1]

    def reconstruct(self, module, x):
        return module(x.transpose(1, 2)).transpose(1, 2)

    def reconstructed(self, values):
        from TSB_AD.utils.dataset import ReconstructDataset

        inputs = ReconstructDataset(self.standard(values), window_size=WINDOW).samples
        return self.module.eval()(inputs).numpy()[:, :, 0] * self.scale[1] + self.scale[0]

    def score(self, values):
        return self.model.decision_function(self.standard(values))


class HuggingFace:
    """PatchTST pre-trained on masked patches; it standardises each window inside and returns patches."""

    package, encoder = "transformers", "head.dropout"

    def __init__(self, train):
        from transformers import PatchTSTConfig, PatchTSTForPretraining

        torch.manual_seed(0)
        self.scale = (float(train.mean()), float(train.std()))
        sizes = {"d_model": 16, "ffn_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        patches = {"context_length": WINDOW, "patch_length": 4, "patch_stride": 4}
        self.module = PatchTSTForPretraining(PatchTSTConfig(num_input_channels=1, **patches, **sizes))
        optimiser = torch.optim.Adam(self.module.parameters(), lr=3e-3)
        windows = torch.from_numpy(windows_of(train))[:, :, None]
        for batch in windows[torch.randperm(len(windows))].split(32):
            optimiser.zero_grad()
            self.module(past_values=batch).loss.backward()
            optimiser.step()

    def reconstruct(self, module, x):  # without the mask
        values = x.transpose(1, 2)
        standard, shift, scale = module.model.scaler(values, torch.ones_like(values))
        hidden = module.model.encoder(module.model.patchifier(standard)).last_hidden_state
        return module.head(hidden).flatten(2) * scale + shift

    def reconstructed(self, values):
        twin = copy.deepcopy(self.module).eval()
        twin.model.do_mask_input, twin.model.masking = False, torch.nn.Identity()
        inputs = torch.from_numpy(windows_of(values))[:, :, None]
        inner = twin.model(past_values=inputs)
        return (twin.head(inner.last_hidden_state).flatten(1) * inner.scale[:, 0] + inner.loc[:, 0]).numpy()

    def score(self, values):
        torch.manual_seed(0)
        windows = torch.from_numpy(windows_of(values))[:, :, None]
        predicted = self.module.eval()(past_values=windows).prediction_output
        return (predicted - self.module.model(past_values=windows).patch_input).square().mean((1, 2, 3)).numpy()


@pytest.fixture(
    scope="module",
    params=[
        PyOD,
        *(pytest.param(peer, marks=pytest.mark.extended) for peer in (Dtaianomaly, DeepOD, TSBAD, HuggingFace)),
    ],
    ids=lambda peer: peer.__name__,
)
def peer(request, series):
    """Trained by its own library. Shared: tests must not change it."""
    pytest.importorskip(request.param.package, reason=f"{request.param.package} comes with 'make peers'")
    return request.param(series.train)


def wrapped(peer):
    return ape.detectors.wrap(peer.module, peer.encoder, peer.reconstruct, WINDOW, peer.scale)


@torch.no_grad()
def test_reconstruction_equals_that_of_the_library(peer, series):
    x = torch.from_numpy(windows_of(series.values))[:, None]
    torch.testing.assert_close(
        wrapped(peer).reconstruct(x)[:, 0],
        torch.from_numpy(peer.reconstructed(series.values)).float(),
        atol=1e-4,
        rtol=1e-4,
    )


@pytest.mark.extended
def test_library_scores_with_the_enhanced_weights(peer, series):
    with torch.no_grad():
        score = peer.score(series.values)
    before = {name: tensor.clone() for name, tensor in peer.module.state_dict().items()}
    detector = wrapped(peer)
    bank = broad_bank(build_context(series), ["time_reverse", "amplitude_scale"])
    quick = replace(ape.posttrain.DEFAULT, steps=8, joint_steps=2)
    with short_training():
        candidate = ape.posttrain.enhance(detector, bank, series, recipe=quick).candidate

    twin = copy.deepcopy(peer)
    twin.module.load_state_dict(ape.detectors.unwrap(candidate).state_dict())
    with torch.no_grad():
        np.testing.assert_array_equal(peer.score(series.values), score)
        enhanced = twin.score(series.values)
    assert enhanced.shape == score.shape and len(enhanced) in (series.length, series.length - WINDOW + 1)
    assert np.isfinite(enhanced).all() and not np.array_equal(enhanced, score)

    assert ape.detectors.unwrap(detector) is peer.module
    torch.testing.assert_close(dict(peer.module.state_dict()), before, atol=0, rtol=0)
    assert any(not torch.equal(before[name], tensor) for name, tensor in twin.module.named_parameters())


@pytest.mark.extended
def test_example_of_the_guide_runs(series):
    pytest.importorskip("dtaianomaly")
    guide = Path(ape.detectors.__file__).parents[1] / "docs/guides/your-detector.md"
    if not guide.is_file():
        pytest.skip("not a checkout")
    blocks = re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    [code] = [block for block in blocks if "dtaianomaly" in block]
    assert sum(bool(line) for line in code.splitlines()) <= 15
    names = {"ape": ape, "series": series, "bank": broad_bank(build_context(series), ["time_reverse"])}
    with short_training():
        exec(code, names)
    assert names["scores"].shape == (series.length,) and np.isfinite(names["scores"]).all()
