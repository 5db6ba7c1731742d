"""Detectors of other libraries, trained there and wrapped by `ape.detectors.wrap`, to post-train them as they are.

The autoencoders have the settings that their libraries use by default, PatchTST a smaller network. Windows are
[B, 1, L].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ape.detectors import WrappedDetector, wrap
from ape.detectors.training import seeded
from ape.series import Series
from ape.series.windows import sliding, starts

BATCH = 32  # windows, of dtaianomaly; its default
PATCH = 4  # samples in a patch of PatchTST
# by default 128, 512, 3, 4
SIZES: dict[str, Any] = {"d_model": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def pyod_autoencoder(series: Series, window: int, seed: int) -> WrappedDetector:
    """Train the autoencoder of PyOD on windows as rows; it standardises each position of the window by itself."""
    from pyod.models.auto_encoder import AutoEncoder

    model = AutoEncoder(random_state=seed, verbose=0, device="cpu").fit(_normal_windows(series, window))
    shift, scale = (torch.tensor(x).float() for x in (model.X_mean, model.X_std))

    def reconstruct(module: Any, x: Tensor) -> Tensor:
        return (module((x.flatten(1) - shift) / scale) * scale + shift).view_as(x)

    return wrap(model.model, "encoder", reconstruct, window, None)


def dtaianomaly_autoencoder(series: Series, window: int, seed: int) -> WrappedDetector:
    """Train the autoencoder of dtaianomaly; it standardises each window by itself."""
    from dtaianomaly.anomaly_detection import AutoEncoder

    alone = (len(series.train) - window + 1) % BATCH == 1  # a last batch of one window, which it refuses
    model = AutoEncoder(window, batch_size=BATCH, seed=seed).fit(series.train[int(alone) :])

    def reconstruct(module: Any, x: Tensor) -> Tensor:
        shift, scale = x.mean(2, keepdim=True), x.std(2, correction=0, keepdim=True) + 1e-8
        return module(((x - shift) / scale).transpose(1, 2)).transpose(1, 2) * scale + shift

    units = float(series.train.mean()), float(series.train.std())
    return wrap(model.neural_network_, "encoder", reconstruct, window, units)


def hugging_face_patchtst(series: Series, window: int, seed: int) -> WrappedDetector:
    """Train the PatchTST of Hugging Face's transformers as an autoencoder, by ``fit`` of the wrapped module."""
    from transformers import PatchTSTConfig, PatchTSTForPretraining

    whole = window // PATCH * PATCH
    patches: dict[str, Any] = {"context_length": whole, "patch_length": PATCH, "patch_stride": PATCH}
    with seeded(seed):
        module = PatchTSTForPretraining(PatchTSTConfig(num_input_channels=1, **patches, **SIZES))

    def reconstruct(module: Any, x: Tensor) -> Tensor:  # without the mask of its own pretraining
        values = x.transpose(1, 2)
        standard, shift, scale = module.model.scaler(values, torch.ones_like(values))
        hidden = module.model.encoder(module.model.patchifier(standard)).last_hidden_state
        return (module.head(hidden).flatten(2).transpose(1, 2) * scale + shift).transpose(1, 2)

    detector = wrap(module, "head.dropout", reconstruct, whole, device="cpu")
    detector.fit(series, seed=seed)
    return detector


THIRD_PARTY_PACKAGES = ("pyod", "dtaianomaly", "transformers")
ThirdParty = Callable[[Series, int, int], WrappedDetector]
THIRD_PARTY: dict[str, ThirdParty] = {
    "PyOD autoencoder": pyod_autoencoder,
    "dtaianomaly autoencoder": dtaianomaly_autoencoder,
    "Hugging Face PatchTST": hugging_face_patchtst,
}


def _normal_windows(series: Series, window: int) -> np.ndarray:
    return sliding(series.values, window)[starts(series.train_segments, window)].reshape(-1, window)
