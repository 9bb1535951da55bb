# Each target does its own set-up; none of them asks anything.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help setup demo test check format lock soak bench crds clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.installed ## the virtual environment, from the hashed lock

.venv/.installed: requirements/lock.txt pyproject.toml scripts/setup.sh
	@bash scripts/setup.sh
	@touch $@

demo: setup ## the example fleet: from zero, through a rollout and a replay, back to zero
	@$(BIN)/python -m examples.demo

test: setup ## every test that this machine can run
	@bash scripts/test.sh

check: setup ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	
format: setup ## rewrite the code in the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

soak: setup ## the long fault loops; writes benchmarks/soak.json
	@$(BIN)/python -m tests.faults --runs 20

bench: setup ## side by side with the peers; writes benchmarks/results.json
	@$(BIN)/python -m benchmarks

crds: setup ## write crds/ from the models
	@$(BIN)/python -m headrace_operator.api.crd crds

lock: ## resolve requirements/lock.txt anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --all-extras --group lint --group test \
	  --no-header --upgrade pyproject.toml requirements/build.in -o requirements/lock.txt

clean: ## remove what the targets made in the checkout
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .headrace
