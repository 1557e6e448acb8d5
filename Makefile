# The commands of the project. Each one makes the environment that it needs, in .venv, and only when something changed.
#
#   make demo        train a network on handwritten digits (under a minute)
#   make test        everything that must hold: `make check`, then all tests
#   make check       quick: lint, types, the order of the floors, the smoke test
#   make compare     the rows of tests/api_table_*.py by Ferax and by JAX, call by call (JAX as for `make bench`)
#   make bench       the benchmarks against JAX, which gets an environment of its own (`make bench-env`)
#   make clean       remove the environments and everything written

PYTHON ?= python3
VENV ?= .venv
PEER ?= .venv-jax
WORKERS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JAX_VERSION := 0.10.2

.DEFAULT_GOAL := help
.PHONY: help demo test check compare bench bench-env clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.stamp-demo
	$(BIN)/python examples/digits.py

test: check
	$(BIN)/python -m pytest -n $(WORKERS)

check: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py tests/test_tiny.py

compare: $(VENV)/.stamp-dev bench-env
	$(BIN)/python tests/compare_jax.py

bench: $(VENV)/.stamp-demo bench-env
	@for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

bench-env: $(PEER)/.stamp

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Ferax needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3 ..."; exit 1; }
	@echo "Creating the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# --upgrade-strategy is left at its default: what is installed and good enough stays.
$(VENV)/.stamp-demo: pyproject.toml | $(BIN)/python
	@echo "Installing Ferax and what its demo needs"
	@$(PIP) install --editable '.[demo]'
	@touch $@

$(VENV)/.stamp-dev: pyproject.toml | $(BIN)/python
	@echo "Installing Ferax and what its tests and checks need"
	@$(PIP) install --editable '.[demo,test,dev]'
	@touch $@ $(VENV)/.stamp-demo

$(PEER)/.stamp: Makefile
	@echo "Creating the environment of the benchmarks' peer in $(PEER)"
	@$(PYTHON) -m venv $(PEER)
	@$(PEER)/bin/python -m pip --disable-pip-version-check --quiet install 'jax==$(JAX_VERSION)'
	@touch $@

clean:
	rm -rf $(VENV) $(PEER) out build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
