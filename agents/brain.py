"""The one brain that all agents think with."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel

from ape.agents.expert.model import ExpertChatModel
from ape.series import InputError


def chat_model(brain: str) -> BaseChatModel:
    """Chat model by name; ``embedded`` needs no server, no key and no network."""
    if brain != "embedded":
        raise InputError(f"no brain '{brain}'", "brain", "give 'embedded'")
    return ExpertChatModel()
