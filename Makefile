# Two commands matter: `make run` and `make test`. Each needs nothing but Python 3.11 or newer, make, Debian's packages
# and the package registries; both keep what they install in .venv and .cache (and Debian's packages, as root).
# PYTHON=… names the Python to build .venv with, JOBS=… how many tests run at once, ARGS=… goes to pytest.

PYTHON ?=
# half of what a test takes is waiting
JOBS ?= $(shell expr $$(nproc) \* 3 / 2)
ARGS ?=
BIN := .venv/bin
# worksteal: our tests differ a thousandfold in length, and shared servers belong to the run, not to a worker
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist worksteal
export PYTHON
# each of hundreds of starts would compile all of Hayon again
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-long crash-matrix chaos check format bench bench-full docs lock installed-run installed-dev installed-bench servers

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: installed-run ## start Hayon with simulated platforms, on this machine alone
	@exec $(BIN)/hayon demo

test: installed-dev servers ## run the tests, against real servers where it matters
	@$(PYTEST) -m "not long" $(ARGS)

test-long: installed-dev servers ## run the tests with their longer forms
	@$(PYTEST) $(ARGS)

crash-matrix: installed-dev servers ## play every crash and mishap on every platform (three quarters of an hour), write docs/crash-matrix.md
	@$(BIN)/python -m tests.matrix --write $(ARGS)

chaos: installed-dev servers ## kill, stop and cut off everything while 2,000 posts go out (a quarter of an hour), and judge by the ledgers
	@$(BIN)/python -m tests.chaos $(ARGS)

check: installed-dev ## lint, format, types, import contracts, lock files
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@requirements/check

format: installed-dev ## rewrite the code as the linter and the formatter want it
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: installed-bench ## measure Hayon beside what people would pick instead (20 minutes), write docs/benchmarks.md; bench-drain: one part
	@$(BIN)/python bench/run.py $(ARGS)

bench-full: installed-bench ## the same at full size (hours; goes on where it was interrupted); one part: make bench-drain ARGS=--full; a million behind: make bench-million
	@$(BIN)/python bench/run.py --full $(ARGS)

bench-%: installed-bench
	@$(BIN)/python bench/run.py $* $(ARGS)

docs: installed-dev ## write the tables that the documents take from the code
	@$(BIN)/python -m tests.house.fill

lock: ## choose versions anew from pyproject.toml (ARGS=--upgrade for the newest)
	@requirements/lock $(ARGS)

installed-run:
	@requirements/install run

installed-dev:
	@requirements/install dev

installed-bench: installed-dev
	@tests/tools/install postgresql rabbitmq
	@requirements/install bench

servers: installed-dev
	@tests/tools/install
