"""The server that agents think with: the line that starts vLLM on this machine, and what a running one can do."""

from __future__ import annotations

import base64
import io
import math
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image
from pydantic import ValidationError

from ape.agents.records import Proposal
from ape.agents.replies import response_format
from ape.agents.served import LONGEST_REPLY, connect, context_of, fault, served_models

# Gigabytes of one GPU's memory that a model asks for, with room for pictures and a context of 16,384 tokens.
MODELS = (
    (70, "Qwen/Qwen3-VL-30B-A3B-Instruct-FP8"),
    (22, "Qwen/Qwen3-VL-8B-Instruct"),
    (14, "Qwen/Qwen3-VL-4B-Instruct"),
    (0, "Qwen/Qwen3-VL-2B-Instruct"),
)
CONTEXT = 16_384  # tokens
OPTIONS = (
    "--max-model-len", str(CONTEXT),
    "--limit-mm-per-prompt", '{"image": 4, "video": 0}',
    "--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--tool-strict-level", "parameter",
    "--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}',
    "--host", "127.0.0.1",
)  # fmt: skip
TRIED = "vLLM 0.32 and 0.33"


def serve_line(model: str | None = None, port: int = 8000) -> list[str]:
    """Arguments of ``vllm`` that serve a model the way the agents need it; the largest that fits the GPU by default."""
    name = model or next(name for least, name in MODELS if gpu_memory() >= least)
    return ["vllm", "serve", name, *OPTIONS, "--port", str(port)]


def gpu_memory() -> float:
    """Memory of the largest GPU in GB, 0 without one."""
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
        return max(float(line) for line in told.splitlines()) * 2**20 / 1e9
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0.0


@dataclass(frozen=True)
class Check:
    """One thing that the agents need, whether the server has it, and what was seen or is to be done."""

    need: str
    met: bool
    told: str


def check(address: str, model: str | None = None) -> list[Check]:
    """Ask a running server for what the agents need.

    Raises
    ------
    InputError
        The server does not answer, or lacks the model.
    """
    import openai

    server, name, chat, _ = connect(address, model, seed=0)
    entry = next(entry for entry in served_models(server) if entry["id"] == name)

    def asked(probe: Callable[[Any], tuple[bool, str]]) -> tuple[bool, str]:
        try:
            return probe(chat)
        except openai.OpenAIError as error:
            return False, fault(error, server).what

    checks = [Check("model", True, name), Check("context", *_context(entry))]
    for need, probe in (("JSON schema", _answers), ("tool calls", _calls), ("vision", _sees)):
        checks.append(Check(need, *asked(probe)))
    return checks


def _context(entry: dict[str, Any]) -> tuple[bool, str]:
    length = context_of(entry)
    if math.isinf(length):
        return True, f"not told; the agents need {CONTEXT} tokens"
    return length >= CONTEXT, f"{length:.0f} tokens" + ("" if length >= CONTEXT else f"; serve at least {CONTEXT}")


def _answers(chat: Any) -> tuple[bool, str]:
    asked = "No rule fits this scenario: answer with a Proposal that says so and holds none."
    content = str(chat.invoke(asked, response_format=response_format(Proposal)).content)
    try:
        Proposal.model_validate_json(content)
    except ValidationError:
        return False, f"the answer is not in the schema: {content[:80]!r}"
    return True, "the largest of the agents' records"


def _calls(chat: Any) -> tuple[bool, str]:
    properties = {"channel": {"type": "string", "enum": ["value"]}}
    tool = {
        "type": "function",
        "function": {
            "name": "robust_stats",
            "description": "Median and spread of a channel.",
            "parameters": {"type": "object", "properties": properties, "required": ["channel"]},
        },
    }
    said = chat.invoke("Call robust_stats for the channel 'value'.", tools=[tool])
    if said.tool_calls:
        return True, "called when asked to"
    if "<tool_call>" in str(said.content):
        return True, "calls come as text, which is read too; serve with --tool-call-parser hermes"
    said = chat.invoke("Call robust_stats for the channel 'value'.", tools=[tool], tool_choice="required")
    told = "only when it has to; a larger model would call by itself" if said.tool_calls else "none came"
    return bool(said.tool_calls), told


def _sees(chat: Any) -> tuple[bool, str]:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "png")
    picture = {"type": "image", "base64": base64.b64encode(out.getvalue()).decode(), "mime_type": "image/png"}
    question = {"type": "text", "text": "Which colour is this square? One word."}
    said = str(chat.invoke([("user", [question, picture])], max_completion_tokens=min(32, LONGEST_REPLY)).content)
    return True, f"takes pictures; of a red square it says {said[:40]!r}"
