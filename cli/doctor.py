"""``ape doctor``: check this machine and say how to fix what is missing."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import torch
from rich.text import Text

from ape.agents.brain import EMBEDDED, URL_VARIABLE
from ape.agents.reply_cache import cache_folder
from ape.agents.server import MOST_NAMED, START_HINT, base_address, served_models
from ape.agents.vllm_command import serve_command
from ape.cli.terminal import console, print_document
from ape.core.errors import InputError
from ape.core.redaction import redacted
from ape.runs.postgres import VARIABLE
from ape.runs.tracing import ENDPOINT
from ape.series.matrix_profile import is_compiled

# Module and use of each optional part.
EXTRAS = {
    "examples": ("aeon", "example:internal-bleeding"),
    "logs": ("drain3", "--log"),
    "eval": ("scikit_posthocs", "ape eval"),
    "ray": ("ray", "--ray"),
    "postgres": ("langgraph.checkpoint.postgres", VARIABLE),
    "ui": ("gradio", "ape serve"),
    "otlp": ("opentelemetry.exporter.otlp", f"sending spans to {ENDPOINT}"),
}
MIN_DISK, MIN_MEMORY = 5.0, 4.0  # GB


@dataclass(frozen=True)
class Check:
    """The result of one check; ``hint`` says how to fix what is not ok."""

    name: str
    ok: bool
    found: str
    hint: str = ""


def doctor(arguments: argparse.Namespace) -> None:
    """``ape doctor``: print one line per check."""
    checks = run_checks()
    for check in checks:
        line = Text("ok  " if check.ok else "--  ", style="green" if check.ok else "yellow")
        line.append(f"{check.name:<16}", style="bold").append(check.found, style="none")
        console.print(line.append(f"; {check.hint}" if check.hint and not check.ok else ""))
    print_document([asdict(check) for check in checks])


def run_checks() -> list[Check]:
    """Check the machine without changing anything; a model server is only asked for its models."""
    return [
        *_check_machine(),
        _check_gpu(),
        _check_brain(),
        _check_matrix_profile(),
        *(_check_extra(name) for name in EXTRAS),
        _check_traces(),
        _check_reply_cache(),
    ]


def _check_machine() -> list[Check]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    version = importlib.metadata.version("ape-tsad")
    return [
        Check("ape", True, f"{version}, Python {platform.python_version()}, torch {torch.__version__}"),
        Check("processors", True, f"{os.cpu_count()}"),
        Check("memory", memory >= MIN_MEMORY, f"{memory:.0f} GB", "process one series at a time: --workers 1"),
        Check(
            "disk",
            free >= MIN_DISK,
            f"{free:.0f} GB free here",
            "free space: a run takes about 6 MB",
        ),
    ]


def _check_gpu() -> Check:
    if torch.cuda.is_available():
        name, memory = torch.cuda.get_device_name(), torch.cuda.get_device_properties(0).total_memory / 1e9
        return Check("GPU", True, f"{name}, {memory:.0f} GB; used for training and post-training")
    if shutil.which("nvidia-smi"):
        return Check("GPU", False, "torch cannot use the GPU", "install torch with CUDA: see pytorch.org")
    return Check("GPU", True, "none; everything runs on the processors")


def _check_brain() -> Check:
    address = os.environ.get(URL_VARIABLE)
    if not address or address == EMBEDDED:
        start = " ".join(serve_command()[:3])
        return Check("brain", True, f"embedded; to use a model server, run '{start}' and set {URL_VARIABLE}")
    try:
        server, models = base_address(address), [entry["id"] for entry in served_models(address)]
    except InputError as error:
        return Check("brain", False, str(error), START_HINT)
    some = ", ".join(models[:MOST_NAMED]) or "no model"
    more = f" and {len(models) - MOST_NAMED} more" if len(models) > MOST_NAMED else ""
    return Check("brain", bool(models), redacted(f"{server} serves {some}{more}"), START_HINT)


def _check_matrix_profile() -> Check:
    if is_compiled():
        return Check("matrix profile", True, "compiled")
    hint = "run 'ape warm-up', which takes half a minute, or let the first run compile it"
    return Check("matrix profile", False, "not compiled yet", hint)


def _check_extra(name: str) -> Check:
    module, use = EXTRAS[name]
    try:
        installed = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        installed = False
    state = "installed" if installed else "not installed"
    return Check(f"extra {name}", installed, f"{state}, for {use}", f"pip install 'ape-tsad[{name}]'")


def _check_traces() -> Check:
    address = os.environ.get(ENDPOINT)
    if not address:
        return Check("traces", True, f"spans.jsonl in each run folder; {ENDPOINT} also sends them to a collector")
    parts, address = urlsplit(address), redacted(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 4318), timeout=3).close()
    except OSError as error:
        return Check("traces", False, f"no collector at {address}: {error}", f"start one, or unset {ENDPOINT}")
    return Check("traces", True, f"also sent to {address}")


def _check_reply_cache() -> Check:
    folder = cache_folder()
    sizes = [path.stat().st_size for path in folder.glob("*.json")]
    return Check("cached replies", True, f"{len(sizes)} of model servers, {sum(sizes) / 1e6:.1f} MB in {folder}")
