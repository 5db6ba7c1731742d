"""A small third-party network for the tests of `ape.detectors.wrap`."""

from __future__ import annotations

import copy

import torch
from torch import nn

import ape.detectors

WINDOW = 24
NAMES = ["body.widen.weight", "body.widen.bias", "body.neck.weight", "body.neck.bias", "head.weight", "head.bias"]


class Foreign(nn.Module):
    """An autoencoder on windows [B, L, C]; its forward method returns a pair, as in many libraries."""

    def __init__(self, channels=1):
        super().__init__()
        widen, neck = nn.Linear(channels * WINDOW, 32), nn.Linear(32, 6)
        self.body = nn.ModuleDict({"widen": widen, "neck": neck})
        self.head = nn.Linear(6, channels * WINDOW)

    def forward(self, windows):
        latent = self.body["neck"](torch.relu(self.body["widen"](windows.flatten(1))))
        return self.head(latent).view_as(windows), {"latent": latent}


def reconstruct(module, x):
    return module(x.transpose(1, 2))[0].transpose(1, 2)


def wrapped(module, **options):
    settings = {"encoder": "body.neck", "reconstruct": reconstruct, "window": WINDOW, "scale": None, "device": "cpu"}
    return ape.detectors.wrap(module, **settings | options)


def state(module):
    """Copy of all weights and buffers."""
    return copy.deepcopy(module.state_dict())


def same(a, b):
    """Whether two states are equal."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def windows_of(series, count=5):
    """The first ``count`` windows of a series, [count, C, WINDOW]."""
    values = series.values[: count * WINDOW]
    return torch.from_numpy(values.reshape(count, WINDOW, -1).transpose(0, 2, 1).copy())
