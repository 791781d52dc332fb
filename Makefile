# `make` alone prints what can be done.
PYTHON ?= python3
PORT   ?= 8080
PEOPLE ?=
DATA   ?=
BIN    := .venv/bin
SEED   := $(if $(DATA),--data "$(DATA)")$(if $(PEOPLE), --people $(PEOPLE))

.PHONY: help demo up down sandbox test test-faults test-fast browser check audit lint types bench schema venv dev clean
.DEFAULT_GOAL := help

help:  ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: venv  ## run seven flows through a real Airflow against the sandbox, compare both systems, stop everything
	@$(BIN)/python -m local demo --port $(PORT) $(SEED)

up: venv  ## start the sandbox and Airflow and leave them running; prints address and login
	@$(BIN)/python -m local up --port $(PORT) $(SEED)

down:  ## stop what `make up` started
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m local down; else echo "Nothing was running."; fi

sandbox: venv  ## only the simulated Dynamics 365 and Adobe Campaign, in the foreground (DATA=folder, PEOPLE=number)
	@$(BIN)/python -m local prepare
	@exec $(BIN)/python -m sandbox $(SEED)

test: dev browser  ## all tests, a file at a time on each core
	@$(BIN)/python -m pytest -q --numprocesses auto --dist loadfile --no-loadscope-reorder --ignore tests/faults

test-faults: dev  ## runs that are killed, repeated and disturbed at every step (TEST_SIZE=nightly: all steps)
	@$(BIN)/python -m pytest -q tests/faults --numprocesses auto

test-fast: dev  ## the tests that need neither Airflow nor the sandbox: seconds
	@$(BIN)/python -m pytest -q -m "not airflow and not sandbox"

browser: dev  ## Chromium for the tests of the page, by apt-get where it may; without one they are skipped
	@$(BIN)/python -m tests.browser.chromium

check: lint types test  ## lint, types, tests; CI runs `make check`, then `make demo`

audit: venv  ## known vulnerabilities, unsafe code, secrets; a bill of materials in .local (needs the network)
	@$(BIN)/python -m local.audit

lint: dev  ## ruff, format included
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: dev  ## mypy, strict on the package
	@$(BIN)/mypy
	@$(BIN)/mypy --config-file local/mypy.ini sandbox local

bench: dev .venv-bench/.made-requirements-bench.txt  ## measure against peers, write .local/bench.md (PEOPLE=number); see bench/README.md
	@$(BIN)/python bench/table.py $(if $(PEOPLE),--people $(PEOPLE))

schema: venv  ## write the JSON Schemas in include/mappings anew
	@PYTHONPATH=plugins $(BIN)/python -m campaign_sync schema > include/mappings/mapping.schema.json.new
	@mv include/mappings/mapping.schema.json.new include/mappings/mapping.schema.json
	@PYTHONPATH=plugins $(BIN)/python -m campaign_sync schema to_dynamics > include/mappings/events.schema.json.new
	@mv include/mappings/events.schema.json.new include/mappings/events.schema.json
	@PYTHONPATH=plugins $(BIN)/python -m campaign_sync schema opt_outs > include/mappings/opt_outs.schema.json.new
	@mv include/mappings/opt_outs.schema.json.new include/mappings/opt_outs.schema.json

venv: .venv/.made-requirements.txt  ## the environment of requirements.txt, in .venv
dev: .venv/.made-requirements-dev.txt  ## what a developer adds to it

.venv/.made-requirements-dev.txt: requirements.txt

.venv/.made-%: %
	@$(PYTHON) local/install.py $<

.venv-bench/.made-%: %
	@$(PYTHON) local/install.py $< .venv-bench

clean: down  ## remove everything that was made here
	@rm -rf .venv .venv-bench .local .sandbox .mypy_cache .ruff_cache .hypothesis
