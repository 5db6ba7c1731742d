"""What this machine has of what APE can use, and what to do about what it lacks."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import torch
from rich.text import Text

from ape.agents.brain import EMBEDDED, URL_VARIABLE
from ape.agents.reply_cache import cache_folder
from ape.agents.server import START_HINT, base_address, served_models
from ape.agents.vllm_command import serve_command
from ape.cli.commands import console
from ape.core.errors import InputError
from ape.runs.tracing import ENDPOINT
from ape.series.matrix_profile import is_compiled

EXTRAS = {
    "examples": ("aeon", "example:internal-bleeding"),
    "logs": ("drain3", "--log"),
    "eval": ("scikit_posthocs", "ape eval"),
    "ray": ("ray", "--ray"),
    "otlp": ("opentelemetry.exporter.otlp", f"spans to {ENDPOINT}"),
}
LEAST_DISK, LEAST_MEMORY = 5.0, 4.0  # GB


@dataclass(frozen=True)
class Sign:
    """One thing that was looked at: whether all is well with it, what was found, and how to fix it."""

    what: str
    well: bool
    told: str
    hint: str = ""


def doctor(arguments: argparse.Namespace) -> None:
    """``ape doctor``: one line for each check."""
    for sign in examine():
        line = Text("ok  " if sign.well else "--  ", style="green" if sign.well else "yellow")
        line.append(f"{sign.what:<16}", style="bold").append(sign.told, style="none")
        console.print(line.append(f"; {sign.hint}" if sign.hint and not sign.well else ""))


def examine() -> list[Sign]:
    """Look at the machine; nothing is changed, and a server is only asked for its models."""
    return [*_machine(), _brain(), _compiled(), *(_extra(name) for name in EXTRAS), _collector(), _replies()]


def _machine() -> list[Sign]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    version = importlib.metadata.version("ape-tsad")
    return [
        Sign("ape", True, f"{version}, Python {platform.python_version()}, torch {torch.__version__}"),
        Sign("processors", True, f"{os.cpu_count()}"),
        Sign("memory", memory >= LEAST_MEMORY, f"{memory:.0f} GB", "work on fewer series at once: --workers 1"),
        Sign("disk", free >= LEAST_DISK, f"{free:.0f} GB free here", "a mined series takes about 6 MB"),
        _gpu(),
    ]


def _gpu() -> Sign:
    if torch.cuda.is_available():
        name, memory = torch.cuda.get_device_name(), torch.cuda.get_device_properties(0).total_memory / 1e9
        return Sign("GPU", True, f"{name}, {memory:.0f} GB; training and post-training use it")
    if shutil.which("nvidia-smi"):
        return Sign("GPU", False, "there is one that torch cannot use", "install torch with CUDA: see pytorch.org")
    return Sign("GPU", True, "none; all runs on the processors")


def _brain() -> Sign:
    address = os.environ.get(URL_VARIABLE)
    if not address or address == EMBEDDED:
        return Sign(
            "brain", True, f"embedded; for a model of yours: {' '.join(serve_command()[:3])}, then {URL_VARIABLE}"
        )
    try:
        served = [str(entry["id"]) for entry in served_models(base_address(address))]
    except InputError as error:
        return Sign("brain", False, str(error), START_HINT)
    return Sign("brain", bool(served), f"{address} serves {', '.join(served) or 'nothing'}", START_HINT)


def _compiled() -> Sign:
    if is_compiled():
        return Sign("matrix profile", True, "compiled")
    return Sign("matrix profile", False, "not compiled yet", "'ape warm-up', half a minute; or the first run does it")


def _extra(name: str) -> Sign:
    module, use = EXTRAS[name]
    try:
        there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        there = False
    hint = f"pip install 'ape-tsad[{name}]'"
    return Sign(f"extra {name}", there, f"{'there' if there else 'not there'}, for {use}", "" if there else hint)


def _collector() -> Sign:
    address = os.environ.get(ENDPOINT)
    if not address:
        return Sign("traces", True, f"spans.jsonl in each run folder; {ENDPOINT} sends them on")
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 4318), timeout=3).close()
    except OSError as error:
        return Sign("traces", False, f"no collector at {address}: {error}", f"start one, or unset {ENDPOINT}")
    return Sign("traces", True, f"sent to {address} too")


def _replies() -> Sign:
    folder = cache_folder()
    sizes = [path.stat().st_size for path in folder.glob("*.json")]
    return Sign("kept replies", True, f"{len(sizes)} of served models, {sum(sizes) / 1e6:.1f} MB in {folder}")
