"""``ape brain serve`` and ``ape brain check``: the server that the agents think with."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil

from ape.cli.commands import console
from ape.core.errors import InputError


def brain(arguments: argparse.Namespace) -> None:
    """Start or describe a server, or ask a running one."""
    {"serve": serve, "check": check}[arguments.act](arguments)


def serve(arguments: argparse.Namespace) -> None:
    """Print the line that serves the agents' model here, and become it where vLLM is installed."""
    from ape.agents.vllm_command import TESTED_VERSIONS, gpu_memory, serve_command

    line = serve_command(arguments.model, arguments.port)
    console.print(shlex.join(line))
    if shutil.which("vllm"):
        os.execvp("vllm", line)
    gpu = "" if gpu_memory() else "no GPU was found here; "
    console.print(
        f"{gpu}vLLM is not installed here: 'pip install vllm' in an environment of its own ({TESTED_VERSIONS})"
    )


def check(arguments: argparse.Namespace) -> None:
    """Ask a server for what the agents need; what is missing is an error."""
    from ape.agents.brain import MODEL_VARIABLE, URL_VARIABLE
    from ape.agents.server_check import check_server

    address = arguments.url or os.environ.get(URL_VARIABLE)
    if not address:
        raise InputError("no address of a server", "ape brain check", f"give it, or set {URL_VARIABLE}")
    found = check_server(address, os.environ.get(MODEL_VARIABLE))
    for each in found:
        console.print(f"{'ok' if each.met else 'missing':<8} {each.name:<12} {each.detail}")
    if missing := [each.name for each in found if not each.met]:
        raise InputError(f"the agents lack {', '.join(missing)}", address, "see 'ape brain serve' for how to serve it")
