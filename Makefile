# The single door to the project. Needs only make and Python >= 3.11.
PYTHON ?= python3
MODEL ?= flight_ops/arrival_delay
ARGS ?=
# Processes that tests run in; the files of one are its own.
WORKERS ?= 2

BIN := .venv/bin
RUN := $(BIN)/python
# A PYTHON that was asked for rebuilds a .venv of another version; the default takes what is there.
MATCH := $(if $(filter file,$(origin PYTHON)),,--match-python)
TITLE = @printf '\n== %s\n'

.DEFAULT_GOAL := help
# Parts run one after the other, also under `make -j`: the first failure is the last thing shown.
.NOTPARALLEL:
.PHONY: help setup demo ui doctor test conformance lint types imports bench lock clean

help: ## show this list
	@echo 'Usage: make TARGET [PYTHON=python3.12] [MODEL=project/model] [ARGS="-k name"]'
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' Makefile

setup: ## build .venv with everything in it (does nothing when it is up to date)
	@$(PYTHON) tools/setup_env.py $(MATCH)

demo: setup ## train, check, register and score MODEL on this machine
	@$(RUN) -m ml_assets.cli demo --model $(MODEL) $(ARGS)

ui: setup ## open the Dagster UI with all declared models
	@$(RUN) -m ml_assets.cli ui $(ARGS)

doctor: setup ## check everything that a run needs, and say what to fix (ARGS=--run spends a little)
	@$(RUN) -m ml_assets.cli doctor $(ARGS)

test: setup lint types imports ## everything that CI checks; ARGS goes to pytest
	$(TITLE) 'pytest: tests and the examples in docstrings'
	@$(RUN) -m pytest -n $(WORKERS) --dist loadfile $(ARGS)
	$(TITLE) 'conformance: with the Databricks feature engineering client'
	@$(RUN) tools/conformance.py $(ARGS)

conformance: setup ## the databricks platform over the real client, in environments of their own
	@$(RUN) tools/conformance.py $(ARGS)

lint: setup ## style and formatting (ruff)
	$(TITLE) 'ruff check: style'
	@$(RUN) -m ruff check .
	$(TITLE) 'ruff format: layout'
	@$(RUN) -m ruff format --check .

types: setup ## types (mypy --strict)
	$(TITLE) 'mypy: types'
	@$(RUN) -m mypy

imports: setup ## who may import whom (import-linter, rules in setup.cfg)
	$(TITLE) 'lint-imports: who may import whom'
	@$(BIN)/lint-imports

bench: setup ## measure time and memory
	@$(RUN) -m benchmarks $(ARGS)

# Keeps the versions that still fit; ARGS="--upgrade" or "--upgrade-package NAME" moves them.
lock: ## write constraints.txt anew from pyproject.toml (needs uv, which setup installs)
	@PATH="$(CURDIR)/$(BIN):$$PATH" uv pip compile pyproject.toml --extra all --extra lock --universal \
	  --python-version 3.11 --annotation-style line --custom-compile-command 'make lock' \
	  --quiet --output-file constraints.txt $(ARGS)

clean: ## remove caches and build artefacts (keeps environments and the warehouse)
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . \( -path ./.venv -o -path ./.conformance \) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
