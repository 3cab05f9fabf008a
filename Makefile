# Two commands: `make serve` and `make test`. `make help` lists the rest.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
MODEL ?= pocket
HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=
# Tests without an engine run on every core; PARALLEL= runs them one after another.
PARALLEL ?= -n auto --maxprocesses 8 --dist worksteal

# Which engine fits this machine: cuda (NVIDIA driver there), cpu (Linux), transformers (the rest).
ENGINE_BUILD ?= $(shell \
	if [ "$$(uname -s)" != Linux ]; then echo transformers; \
	elif command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then echo cuda; \
	else echo cpu; fi)

# PyPI's torch for Linux is the CUDA build (3 GB); the CPU build lies on PyTorch's own index. A
# machine that has the CPU build at hand (a mirror, a wheel folder) is served from there.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := torch==2.13.0

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMP := $(VENV)/.installed-$(ENGINE_BUILD)

.DEFAULT_GOAL := help
.PHONY: help install serve check test test-fast format bench bench-length bench-book bench-best-of clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP) ## create .venv with everything pinned (quick when there is nothing to do)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
		{ echo "Python 3.11 or 3.12 is needed, $(PYTHON) is $$($(PYTHON) --version)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "Python has no venv here: apt-get install python3-venv" >&2; exit 1; }

$(STAMP): $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing ($(ENGINE_BUILD) engine; some minutes the first time)"
	@$(MAKE) --no-print-directory install-$(ENGINE_BUILD)
	@rm -f $(VENV)/.installed-*
	@touch $@

.PHONY: install-cpu install-cuda install-transformers
install-cpu:
	@$(PIP) install -c constraints.txt '$(TORCH)+cpu' 2>/dev/null || \
		$(PIP) install -c constraints.txt --extra-index-url $(TORCH_INDEX) '$(TORCH)+cpu'
	@$(PIP) install -c constraints.txt -e '.[cpu,dev]'
	@# Their PyPI builds do not load beside CPU torch, and vLLM imports them if they are there.
	@$(PIP) uninstall -y torchvision torchaudio torchcodec

install-cuda:
	@$(PIP) install -e '.[cuda,dev]'

install-transformers:
	@echo "no vLLM for this system: the transformers engine will serve (slower, same answers)"
	@$(PIP) install -e '.[transformers,dev]'

serve: install ## serve the bundled pocket model on vLLM at 127.0.0.1:8000 (MODEL=, PORT=, ARGS=)
	@LONGHAND_LOG_FORMAT=$${LONGHAND_LOG_FORMAT:-text} \
		$(BIN)/longhand serve --model $(MODEL) --host $(HOST) --port $(PORT) $(ARGS)

check: install ## format, lint, types, import contracts, habits
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --verbose >/dev/null || $(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q tests/test_habits.py

test: install ## every test, engines included, and 100 % branch coverage of what needs none
	@$(BIN)/python -m pytest -q -m "not engine" $(PARALLEL) --cov --cov-report=term-missing:skip-covered
	@$(BIN)/python -m pytest -q -m engine

test-fast: install ## the inner loop: under a minute, no engine
	@$(BIN)/python -m pytest -q -m "not engine" $(PARALLEL)

format: install ## format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install ## front-end cost beside vLLM's own server, in one run
	@$(BIN)/python -m loadtest.frontend $(ARGS)

bench-length: install ## how near drafts come to the asked length, control on and off
	@$(BIN)/python -m loadtest.lengths $(ARGS)

bench-book: install ## a 100,000-word draft through a window of 32,768 tokens: order, repeats, memory
	@$(BIN)/python -m loadtest.book $(ARGS)

bench-best-of: install ## what choosing among drafts is worth, and what pruning saves
	@$(BIN)/python -m loadtest.best_of $(ARGS)

clean: ## remove .venv and every cache
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage* htmlcov
