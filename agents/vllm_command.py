"""The command that serves a model for the agents with vLLM."""

from __future__ import annotations

import subprocess

CONTEXT_TOKENS = 16_384
# GPU memory in GB that each model needs, with pictures and a context of `CONTEXT_TOKENS`.
MODELS = (
    (70, "Qwen/Qwen3-VL-30B-A3B-Instruct-FP8"),
    (22, "Qwen/Qwen3-VL-8B-Instruct"),
    (14, "Qwen/Qwen3-VL-4B-Instruct"),
    (0, "Qwen/Qwen3-VL-2B-Instruct"),
)
OPTIONS = (
    "--max-model-len", str(CONTEXT_TOKENS),
    "--limit-mm-per-prompt", '{"image": 4, "video": 0}',
    "--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--tool-strict-level", "parameter",
    "--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}',
    "--host", "127.0.0.1",
)  # fmt: skip
TESTED_VERSIONS = "vLLM 0.32 and 0.33"


def serve_command(model: str | None = None, port: int = 8000) -> list[str]:
    """Return the ``vllm serve`` command for a model; by default the largest that fits the GPU."""
    name = model or next(name for needed, name in MODELS if gpu_memory() >= needed)
    return ["vllm", "serve", name, *OPTIONS, "--port", str(port)]


def gpu_memory() -> float:
    """Return the memory of the largest GPU in GB, 0 without a GPU."""
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
        return max(float(line) for line in output.splitlines()) * 2**20 / 1e9
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0.0
