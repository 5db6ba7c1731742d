"""``ape brain serve`` and ``ape brain check``: the model server of the agents."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
from dataclasses import asdict

from ape.cli.terminal import console, print_document, print_lines
from ape.core.errors import InputError


def brain(arguments: argparse.Namespace) -> None:
    """``ape brain serve|check``."""
    {"serve": serve, "check": check}[arguments.action](arguments)


def serve(arguments: argparse.Namespace) -> None:
    """Print the command that serves the agents' model, and run it if vLLM is installed."""
    from ape.agents.vllm_command import TESTED_VERSIONS, gpu_memory, serve_command

    command = serve_command(arguments.model, arguments.port)
    console.print(shlex.join(command))
    print_document({"command": command})
    if shutil.which("vllm"):
        os.execvp("vllm", command)
    gpu = "" if gpu_memory() else "no GPU was found; "
    console.print(f"{gpu}vLLM is not installed: run 'pip install vllm' in a separate environment ({TESTED_VERSIONS})")


def check(arguments: argparse.Namespace) -> None:
    """Check what the agents need from a server, and what its model can do; a missing feature is an error."""
    from ape.agents.brain import MODEL_VARIABLE, URL_VARIABLE
    from ape.agents.server_check import check_server

    address = arguments.url or os.environ.get(URL_VARIABLE)
    if not address:
        raise InputError("no server address", "ape brain check", f"give the address, or set {URL_VARIABLE}")
    needs = check_server(address, os.environ.get(MODEL_VARIABLE))
    for need in needs:
        state = ("ok" if need.met else "missing") if need.needed else ("can" if need.met else "cannot")
        print_lines([f"{state:<8} {need.name:<16} {need.detail}"], 26)
    print_document([asdict(need) for need in needs])
    if missing := [need.name for need in needs if need.needed and not need.met]:
        raise InputError(f"the server lacks {', '.join(missing)}", address, "start it as 'ape brain serve' prints")
