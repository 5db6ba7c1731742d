"""CAAE, a contrastive adversarial autoencoder (own construction after the title, Xie et al., Pattern Recogn. 2026)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from ape.evals.methods.encoders import neighbour_distance, unit
from ape.evals.methods.protocol import Method, Scorer

WIDTHS, KERNEL, STRIDE, LATENT, JUDGE = (32, 64), 5, 2, 16, 64
SPANS = (1, 4, 16)  # samples masked together; each window uses one of these sizes
MASKED = 0.2  # share of a window's spans
TEMPERATURE = 0.2
NEIGHBOURS = 5
MIN_DISTANCE = 1e-3  # cosine; a smaller mean distance of normal windows is too small to divide by
CONTRAST, ADVERSARY = 0.1, 0.1  # loss weights; reconstruction has weight 1


def masked(windows: Tensor, generator: Generator) -> Tensor:
    """Set random spans of windows [B, C, L] to zero, the mean of the training part, in all channels."""
    count, _, length = windows.shape
    masks = []
    for span in SPANS:
        spans = torch.rand(count, -(-length // span), generator=generator) < MASKED
        masks.append(spans.repeat_interleave(span, dim=1)[:, :length])
    which = torch.randint(len(SPANS), (count,), generator=generator)
    return windows.masked_fill(torch.stack(masks)[which, torch.arange(count)][:, None], 0.0)


class CAAE(Scorer):
    """An autoencoder whose latents are stable under masking and look normally distributed to a judge.

    The score adds the reconstruction error and the distance of the latent to normal latents.
    """

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        coarse = window
        for _ in WIDTHS:
            coarse = -(-coarse // STRIDE)
        first, second = WIDTHS
        self.encoder = nn.Sequential(
            nn.Conv1d(channels, first, KERNEL, STRIDE, KERNEL // 2),
            nn.ReLU(),
            nn.Conv1d(first, second, KERNEL, STRIDE, KERNEL // 2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(second * coarse, LATENT),
        )
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, second * coarse),
            nn.ReLU(),
            nn.Unflatten(1, (second, coarse)),
            nn.ConvTranspose1d(second, first, KERNEL, STRIDE, KERNEL // 2, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose1d(first, channels, KERNEL, STRIDE, KERNEL // 2, output_padding=1),
        )
        self.judge = nn.Sequential(nn.Linear(LATENT, JUDGE), nn.LeakyReLU(0.2), nn.Linear(JUDGE, 1))
        self.bank, self.normal_error, self.normal_distance = torch.zeros(1, LATENT), torch.ones(()), torch.ones(())

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Reconstruction error, contrast of windows with their masked versions, and both sides of the adversary."""
        count = len(windows)
        latent, other = self.encoder(torch.cat([windows, masked(windows, generator)])).chunk(2)
        similarity = unit(latent) @ unit(other).T / TEMPERATURE
        contrast = cross_entropy(similarity, torch.arange(count))
        # The judge learns to tell latents from normal random numbers; the encoder learns to mislead it.
        real = torch.randn(latent.shape, generator=generator)
        judged = self.judge(torch.cat([real, latent.detach()])).squeeze(1)
        fixed = {name: weight.detach() for name, weight in self.judge.named_parameters()}
        misled = functional_call(self.judge, fixed, (latent,)).squeeze(1)
        judgement = binary_cross_entropy_with_logits(judged, torch.tensor([1.0, 0.0]).repeat_interleave(count))
        adversary = binary_cross_entropy_with_logits(misled, torch.ones(count))
        error = mse_loss(self._decode(latent, windows), windows)
        return error + CONTRAST * contrast + ADVERSARY * adversary + judgement

    def fit_scores(self, windows: Tensor) -> None:
        """Store the latents of normal windows, and their mean error and mean distance as units of the score."""
        latent = self.encoder(windows)
        self.bank = unit(latent)
        self.normal_error = self._errors(windows, latent).mean().clamp_min(1e-8)
        self.normal_distance = self._distances(latent).mean().clamp_min(MIN_DISTANCE)

    def score(self, windows: Tensor) -> Tensor:
        """Error of each point plus distance of the window to normal ones, both in units of normal windows, [B, L]."""
        latent = self.encoder(windows)
        distances = self._distances(latent)[:, None] / self.normal_distance
        return self._errors(windows, latent) / self.normal_error + distances

    def _distances(self, latent: Tensor) -> Tensor:
        return neighbour_distance(unit(latent), self.bank, NEIGHBOURS)

    def _errors(self, windows: Tensor, latent: Tensor) -> Tensor:
        return (self._decode(latent, windows) - windows).square().mean(1)

    def _decode(self, latent: Tensor, windows: Tensor) -> Tensor:
        return self.decoder(latent)[:, :, : windows.shape[2]]


METHOD = Method(
    build=CAAE,
    claim="own construction after the title",
    paper="Xie et al., Contrastive adversarial autoencoder for multivariate time series anomaly detection, Pattern"
    " Recognition 2026",
    settings={
        "known": "the title, and the motive that reconstruction errors are not trained to discriminate; everything else"
        " is our choice",
        "network": "two convolutions of stride 2 and their transposes, 16 latent numbers per window",
        "contrast": "a window with its own masked version, as in a related method (ACAE, Yu et al. 2024), against"
        " the others of the batch, temperature 0.2, weight 0.1",
        "adversary": "the judge of an adversarial autoencoder, latents against normal random numbers, weight 0.1",
        "score": "error, and cosine distance of the latent to the nearest five normal ones, each divided by its mean"
        " over normal windows",
    },
    rate=1e-3,
)
