# make demo | make test | make lint: each sets up .venv first, once.
PYTHON ?= python3
VENV ?= .venv
READY := $(VENV)/.ready
DEMO := runs/demo

.PHONY: demo test lint
demo: $(READY)
	@if [ -f $(DEMO)/run.json ]; then $(VENV)/bin/ape run --resume $(DEMO); \
	else $(VENV)/bin/ape run example:internal-bleeding --out $(DEMO); fi

test: $(READY)
	$(VENV)/bin/python -m pytest

# mypy does not follow the mapping of folders to ape.*, so it reads them through a link of that name.
lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	mkdir -p $(VENV)/types && ln -sfn "$(CURDIR)" $(VENV)/types/ape
	MYPYPATH=$(VENV)/types $(VENV)/bin/mypy -p ape

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("APE needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q -c constraints.txt -e '.[dev]'
	$(VENV)/bin/python -m pip install -q --no-deps vus==0.0.6 # reference in tests; what it asks for is not needed there
	$(VENV)/bin/ape warm-up
	@touch $(READY)
