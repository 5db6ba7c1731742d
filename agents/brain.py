"""The chat model behind all agents: the embedded expert, or any server with OpenAI's protocol."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel

from ape.agents.expert.model import ExpertChatModel
from ape.core.errors import InputError
from ape.core.redaction import without_credentials

EMBEDDED = "embedded"
URL_VARIABLE = "APE_BRAIN_URL"
LOGIN_VARIABLE = "APE_BRAIN_LOGIN"  # this process sets it, for itself and its workers, since no file holds a login
MODEL_VARIABLE = "APE_BRAIN_MODEL"


@dataclass(frozen=True)
class Brain:
    """A chat model and where it runs.

    Parameters
    ----------
    model : BaseChatModel
    name : str
        Name of the model on its server.
    server : str or None
        Base address of the server, ``None`` for a model in this process.
    character_budget : float
        Number of characters of tool results that fit into a conversation beside the instructions and an answer.
    cached : bool
        Whether replies of the server are kept for reruns.
    """

    model: BaseChatModel
    name: str = EMBEDDED
    server: str | None = None
    character_budget: float = math.inf
    cached: bool = True


def open_brain(brain: str | None = None, model: str | None = None, seed: int = 0) -> Brain:
    """Return the embedded brain, or connect to a server.

    Parameters
    ----------
    brain : str, optional
        ``embedded``, which needs no server, key or network, or the address of a server. Default: the environment
        variable ``APE_BRAIN_URL``, or ``embedded`` if it is not set. No file keeps the user and the password of an
        address; those in ``APE_BRAIN_URL`` are sent if ``brain`` is the same address without them.
    model : str, optional
        Name of the model on the server. Default: the environment variable ``APE_BRAIN_MODEL``, or the first model
        that the server lists.
    seed : int
        Seed of a served model's draws.

    Returns
    -------
    Brain

    Raises
    ------
    InputError
        ``brain`` is neither ``embedded`` nor an address, the server does not answer, or it lacks the model.
    """
    brain = brain or os.environ.get(URL_VARIABLE) or EMBEDDED
    if brain == EMBEDDED:
        return Brain(ExpertChatModel())
    if not brain.startswith(("http://", "https://")):
        raise InputError(f"unknown brain '{brain}'", "brain", "use 'embedded' or the http address of a server")
    # These load the client libraries, which the embedded brain does not need.
    from ape.agents.server import base_address, connect

    base_address(brain)  # refuses what is none
    without_login(brain)
    connection = connect(_with_login(brain), model or os.environ.get(MODEL_VARIABLE), seed)
    return Brain(connection.chat, connection.model, connection.server, connection.character_budget)


def without_login(brain: str) -> str:
    """Return a brain as files may hold it; the user and the password of its address stay in this process."""
    if "://" not in brain or "@" not in brain:
        return brain
    os.environ[LOGIN_VARIABLE] = brain
    return without_credentials(brain)


def _with_login(brain: str) -> str:
    """Return the same address with user and password, if this process was given them."""
    from ape.agents.server import base_address

    known = [os.environ.get(name, "") for name in (LOGIN_VARIABLE, URL_VARIABLE)]
    addresses = [brain, *(address for address in known if address.startswith("http"))]
    return next((each for each in addresses if "@" in each and base_address(each) == base_address(brain)), brain)
