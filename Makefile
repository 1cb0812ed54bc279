# Mend's front door. `make` alone explains itself: the help is read from the `##` comments below, so it cannot lag behind.
# Every target that needs the virtual environment makes it first, once; the stamp .venv/.ready says that it is complete.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo replay monitor dashboard serve traffic live mlflow notebooks story bench bench-gates bench-drift bench-estimates bench-serving bench-desk bench-clicks faults screenshots lock test lint types check clean clean-workspace
MAKEFLAGS += --no-builtin-rules --no-print-directory

ARGS ?=## options handed on, as in: make replay ARGS=--help
PYTHON ?=## the Python to make .venv with (otherwise the first that fits; to change it later, delete .venv)
SCENARIO ?= none## what happens in `make traffic`; mend simulate --list shows what there is
PORT ?= 5000## where `make mlflow` listens, on this machine only
YES ?=## YES=1 lets `make clean-workspace` delete
CI ?=## when set, nothing opens a browser or asks

BIN := .venv/bin
WORKSPACE := var
MLFLOW_DB := $(WORKSPACE)/mlflow/mlflow.db

# Nothing phones home. Packages come from the index, never a downloaded interpreter.
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true
export STREAMLIT_BROWSER_GATHER_USAGE_STATS := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_PYTHON_DOWNLOADS := never

##@ Start here

help: ## this list
	@awk 'BEGIN { FS = "##" } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z][a-z-]*:.*## / { name = $$1; sub(/:.*/, "", name); printf "  %-16s %s\n", name, substr($$2, 2) } \
	  /^[A-Z]+ \?=.*## / { name = $$1; sub(/ .*/, "", name); options = options sprintf("  %-16s %s\n", name, substr($$2, 2)) } \
	  END { printf "\nOptions, written NAME=value after the target\n%s", options }' $(firstword $(MAKEFILE_LIST))

setup: .venv/.ready ## make .venv with every dependency at its locked version (half a minute to two, 1.8 GB)
	@$(if $(filter $@,$(MAKECMDGOALS)),echo ".venv is ready.",:)

demo: setup ## set up, replay the loans until a person is needed, then open the dashboard
	@$(BIN)/mend init
	@$(BIN)/mend replay
	@if [ -n "$(CI)" ]; then echo "CI is set: the dashboard stays closed."; else $(BIN)/mend dashboard; fi

##@ Work with it

replay: setup ## run history on a simulated clock until a person is needed
	@$(BIN)/mend replay $(ARGS)

monitor: setup ## watch the traffic, cycle after cycle, until stopped
	@$(BIN)/mend init
	@$(BIN)/mend monitor $(ARGS)

dashboard: setup ## open the dashboard
	@$(BIN)/mend dashboard $(ARGS)

serve: setup ## score applications over HTTP, every answer on record first
	@$(BIN)/mend init
	@$(BIN)/mend serve $(ARGS)

traffic: setup ## send applications drawn from the portfolio to the running service
	@$(BIN)/mend traffic --scenario $(SCENARIO) $(ARGS)

# Everybody else works in the workspace of mend.toml, or of the settings that MEND_CONFIG names.
live: setup ## make a bank whose years take minutes, in var/live, to try the whole loop on the wall clock
	@$(BIN)/mend live $(WORKSPACE)/live $(ARGS)
	@$(BIN)/mend init --config $(WORKSPACE)/live/mend.toml

# The stock server is 15 processes and 3.5 GB; one worker without job execution is 2 processes and 0.6 GB.
mlflow: | $(MLFLOW_DB) setup ## open MLflow's own pages on the registry
	@echo "MLflow on http://127.0.0.1:$(strip $(PORT)), from $(MLFLOW_DB)"
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server \
	  --backend-store-uri "sqlite:///$(MLFLOW_DB)" --default-artifact-root "$(CURDIR)/$(WORKSPACE)/mlflow/artifacts" \
	  --host 127.0.0.1 --port $(PORT) --workers 1 $(ARGS)

# JupyterLab asks the network for news, updates and extensions unless told not to.
notebooks: setup | $(BIN)/jupyter-lab ## open the notebooks in JupyterLab (installed on first use)
	@$(BIN)/jupyter-lab --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
	  --LabApp.extension_manager=readonly $(ARGS) notebooks

# A workspace of its own: the table in README.md comes from here, and takes about eight minutes to make.
story: setup ## replay all of history, sign whatever passes, print every challenger
	@set -eu; export MEND_MODEL__WORKSPACE=$(WORKSPACE)/story; $(BIN)/mend init >&2; \
	while $(BIN)/mend replay >&2; do \
	  digest=$$($(BIN)/mend status --json | $(BIN)/python -c 'import json, sys; print(*json.load(sys.stdin)["pending"][:1])'); \
	  [ -n "$$digest" ] || break; \
	  $(BIN)/mend approve "$$digest" --as credit.officer@bank.example --reason "story: whatever passes is signed" >&2; \
	done; $(BIN)/mend story

##@ Measure it

bench: setup ## how fast evidence is gathered, beside scipy in the same run (half a minute)
	@$(BIN)/python benchmarks/evidence.py $(ARGS)

bench-gates: setup ## how often the gates are wrong, beside the plain rule: the table in docs/gates.md (minutes)
	@$(BIN)/python benchmarks/gates.py $(ARGS)

bench-drift: setup ## false alarms, detections and speed of drift, beside Evidently, NannyML and the KS rule (eight minutes)
	@$(BIN)/python benchmarks/drift.py $(ARGS)

bench-estimates: setup ## how right performance estimated without labels is, beside NannyML on the same rows
	@$(BIN)/python benchmarks/estimates.py $(ARGS)

bench-serving: setup ## the scoring service beside mlflow and plain FastAPI, and what a long log costs (nine minutes, 10 GB for a while)
	@$(BIN)/python benchmarks/serving.py $(ARGS)

bench-desk: setup ## the desk's pages with a year of five-minute cycles beside ten, and beside Evidently and MLflow (half an hour, 11 GB for a while)
	@$(BIN)/python benchmarks/desk.py $(ARGS)

bench-clicks: setup ## clicks and seconds to which feature, how bad, since when, what happened, decide, beside Evidently and MLflow (needs the demo; three minutes)
	@$(BIN)/python benchmarks/clicks.py $(ARGS)

faults: setup ## kill -9 at every step, races, full disks, tampering: the table in docs/reliability.md (an hour)
	@$(BIN)/python tests/faults/report.py $(ARGS)

##@ Work on it

check: lint types test ## everything that has to be green before a commit

test: setup ## run the tests on all cores, doctests included
	$(BIN)/pytest -n auto --dist loadgroup $(ARGS)

lint: setup ## style and formatting (the notebooks' rules are among the tests)
	$(BIN)/ruff check --no-cache
	$(BIN)/ruff format --check

types: setup ## mypy, strict
	$(BIN)/mypy

screenshots: setup ## every page of the desk as a picture, from the demo's workspace, into docs/screenshots (needs the demo and Chromium)
	@$(BIN)/python docs/screenshots.py $(ARGS)

# The old lock is read as a preference, so a version moves only when it has to, or with ARGS=--upgrade.
lock: setup ## solve requirements.lock again, for Python 3.11 to 3.13 on every platform
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --group dev pyproject.toml --no-annotate --no-header -o requirements.lock $(ARGS)
	@echo "requirements.lock is solved. environment.yml repeats its pins: make test says which lines differ."

##@ Tidy up

clean: ## remove caches; keeps .venv and the workspace
	@find . \( -path ./.venv -o -path ./.git -o -path ./$(WORKSPACE) \) -prune -o -type d \
	  \( -name __pycache__ -o -name .mypy_cache -o -name .ruff_cache -o -name .pytest_cache -o -name .hypothesis \
	     -o -name .ipynb_checkpoints -o -name '*.egg-info' \) -prune -exec rm -rf {} +
	@rm -rf dist
	@echo "Caches removed."

# The workspace holds the ledger, the only record of who approved what: it is never deleted in passing.
clean-workspace: ## delete the workspace with its ledger, models and reports (says what, until YES=1)
	@if [ ! -e $(WORKSPACE) ]; then echo "There is no $(WORKSPACE)/."; \
	elif [ "$(YES)" = 1 ]; then rm -rf $(WORKSPACE); echo "$(WORKSPACE)/ deleted."; \
	else echo "This would delete $(WORKSPACE)/, ledger and models included, for good:"; \
	  du -sh $(WORKSPACE)/* 2>/dev/null || echo "(empty)"; \
	  echo "Nothing was deleted. If that is meant: make clean-workspace YES=1"; fi

# --- what the targets stand on -------------------------------------------------------------------------------------

# Debian splits ensurepip off into python3-venv, so a Python fits only when it can really make an environment.
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
CANDIDATES := $(or $(strip $(PYTHON)),python3 python3.13 python3.12 python3.11)

# An environment that another Python made, or that lost its pip, is made anew: two Pythons in one folder fail late.
# uv does not read pip's settings, so a company's package index is handed over to it.
.venv/.ready: requirements.lock pyproject.toml
	@set -eu; began=$$(date +%s); \
	if ! $(BIN)/python -c '$(FITS)' >/dev/null 2>&1 || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  for python in $(CANDIDATES) none; do "$$python" -c '$(FITS)' >/dev/null 2>&1 && break || true; done; \
	  if [ "$$python" = none ]; then \
	    echo "Mend needs Python >= 3.11, < 3.14 with venv (Debian: apt install python3-venv); tried: $(CANDIDATES). Name one: make setup PYTHON=/path/to/python3.12" >&2; \
	    exit 1; \
	  fi; \
	  echo "Making .venv with $$("$$python" --version)"; \
	  "$$python" -m venv --clear .venv; \
	fi; \
	echo "Installing requirements.lock into .venv (half a minute to two, 1.8 GB)"; \
	$(BIN)/python -m pip install --quiet 'uv>=0.9,<1'; \
	index=$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)}}}; \
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock; \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .; \
	$(BIN)/python -m pipeline.kernelspec; \
	touch $@; \
	echo "Ready after $$(($$(date +%s) - began)) s."

$(BIN)/jupyter-lab: | .venv/.ready
	@echo "Installing JupyterLab beside the locked versions"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python jupyterlab -c requirements.lock

$(MLFLOW_DB):
	@echo "There is no $@ yet: run make demo first." >&2; exit 1
