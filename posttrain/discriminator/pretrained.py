"""Load pretrained weights: those in the package, or those that ``ape pretrain`` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ape.core.errors import InputError
from ape.core.files import read_json
from ape.posttrain.discriminator.network import NAMES, RuleDiscriminator

WEIGHTS, CARD = "discriminator.safetensors", "card.json"
PACKAGED = Path(__file__).parent / "weights"


def load_pretrained(folder: Path = PACKAGED, device: torch.device | str = "cpu") -> RuleDiscriminator:
    """Return the network with pretrained weights, in evaluation mode.

    Raises
    ------
    InputError
        A file is missing or damaged, or the weights are for other operators.
    """
    hint = "make them with 'ape pretrain'"
    card = read_card(folder)
    if not isinstance(card, dict) or card.get("operators") != list(NAMES):
        raise InputError("the weights are for other operators", str(folder), hint)
    network = RuleDiscriminator()
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(f"cannot read the weights: {error}"[:300], str(folder / WEIGHTS), hint) from error
    return network.to(device).eval()


def read_card(folder: Path = PACKAGED) -> dict[str, Any]:
    """Return the card of pretrained weights: data, seed, command, curve and figures on held-out processes."""
    return read_json(folder / CARD, "card of pretrained weights")
