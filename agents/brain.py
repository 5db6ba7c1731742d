"""The one brain that all agents think with: embedded, or any server that speaks OpenAI's protocol."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel

from ape.agents.expert.model import ExpertChatModel
from ape.core.errors import InputError

EMBEDDED = "embedded"
URL, MODEL = "APE_BRAIN_URL", "APE_BRAIN_MODEL"


@dataclass(frozen=True)
class Brain:
    """A chat model and where it thinks.

    Parameters
    ----------
    model : BaseChatModel
    name : str
        Of the model, as its server calls it.
    server : str or None
        Base address of the server, ``None`` for a model within this process.
    room : float
        Characters of tool results that a conversation can hold beside the instructions and an answer.
    """

    model: BaseChatModel
    name: str = EMBEDDED
    server: str | None = None
    room: float = math.inf


def open_brain(brain: str | None = None, model: str | None = None, seed: int = 0) -> Brain:
    """Brain by what a person says.

    Parameters
    ----------
    brain : str, optional
        ``embedded``, which needs no server, no key and no network, or the address of a server; by default what
        ``APE_BRAIN_URL`` says, else ``embedded``.
    model : str, optional
        Name of the model there; by default what ``APE_BRAIN_MODEL`` says, else the first that is served.
    seed : int
        Of a served model's draws.

    Raises
    ------
    InputError
        Neither an address nor ``embedded``, or a server that does not answer or lacks the model.
    """
    brain = brain or os.environ.get(URL) or EMBEDDED
    if brain == EMBEDDED:
        return Brain(ExpertChatModel())
    if not brain.startswith(("http://", "https://")):
        raise InputError(f"no brain '{brain}'", "brain", "give 'embedded', or the http address of a server")
    from ape.agents.served import connect

    server, name, chat, room = connect(brain, model or os.environ.get(MODEL), seed)
    return Brain(chat, name, server, room)
