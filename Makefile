# Each target does its own set-up; none of them asks anything.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help setup demo test check format lock bench-locks soak bench bench-full images cluster cluster-down crds clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.installed ## the virtual environment, from the hashed lock

.venv/.installed: requirements/lock.txt pyproject.toml scripts/setup.sh
	@bash scripts/setup.sh
	@touch $@

demo: setup ## the example fleet: from zero, through a rollout and a replay, back to zero
	@$(BIN)/python -m examples.demo

test: setup ## every test that this machine can run, in lanes side by side (tests/lanes)
	@bash scripts/test.sh

check: setup ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	
format: setup ## rewrite the code in the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

soak: setup ## the long proofs, on this machine and on a cluster; writes benchmarks/soak.json; goes on where it was broken off
	@$(BIN)/python -m tests.faults --runs 20
	@$(BIN)/python -m tests.soak
	@HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -q tests/engine/test_worker_leases.py
	@$(BIN)/python -m tests.operator_faults --runs 5
	@$(BIN)/python -m e2e.soak

bench: setup ## side by side with the peers, P1 to P7 (25 min); writes benchmarks/results.json, docs/performance.md
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.profile

bench-full: setup ## the same with more repeats and up to a million jobs queued for every engine (hours)
	@$(BIN)/python -m benchmarks --repeats 5 --seconds 4 --peers-deepest 1000000
	@$(BIN)/python -m benchmarks.profile

images: ## the images of the worker, the operator and the example, in this machine's Docker
	@bash scripts/images.sh

cluster: ## a kind cluster with headrace installed by its chart
	@bash scripts/cluster.sh up

cluster-down: ## delete that cluster
	@bash scripts/cluster.sh down

crds: setup ## write crds/, and the chart's copy of it, from the models
	@$(BIN)/python -m headrace_operator.api.crd crds charts/headrace/files

RESOLVE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade

lock: ## resolve requirements/ anew (needs uv); the images' locks are parts of lock.txt
	$(RESOLVE) --all-extras --group lint --group test pyproject.toml requirements/build.in -o requirements/lock.txt
	$(RESOLVE) -c requirements/lock.txt requirements/build.in -o requirements/build.txt
	$(RESOLVE) -c requirements/lock.txt pyproject.toml -o requirements/worker.txt
	$(RESOLVE) -c requirements/lock.txt --extra operator pyproject.toml -o requirements/operator.txt
	echo redis | $(RESOLVE) -c requirements/lock.txt - -o examples/code-index/requirements.txt

PEERS := $(wildcard benchmarks/engines/*/requirements.in benchmarks/tools/*requirements.in)

bench-locks: ## resolve the peers' locks anew (needs uv, npm and go)
	for of in $(PEERS); do $(RESOLVE) --no-annotate $$of -o $${of%.in}.txt || exit 1; done
	cd benchmarks/engines/bullmq_node && npm install --package-lock-only --omit-lockfile-registry-resolved
	cd benchmarks/engines/asynq && go get -u ./... && go mod tidy

clean: ## remove what the targets made in the checkout
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .headrace build
