# make run    the sample company, from its exports to a published report; the last line is the report's path
# make test   the tests, without those marked slow        (MARKERS="…" chooses others, JOBS=1 runs one at a time)
# make check  format, lint, types, SQL, import layers, then the tests: what CI runs
# make deep   the tests marked slow, and twenty times as many examples of each property  (EXAMPLES=… times; 40 minutes on a quick machine)
# make bench  the budgets of the design, measured as ratios
# make clean  removes builds, caches and the sample's snapshots; .venv stays
#
# Needs Python 3.11 or later and git. The first call makes .venv; PYTHON=… chooses the interpreter.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := run
.PHONY: run test deep check lint lint-format lint-rules lint-types lint-sql lint-layers format bench clean install install-dev

# Nothing phones home, and pip says only what went wrong.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1

BIN := .venv/bin/
PIP_INSTALL := $(BIN)python -m pip install -qq --no-compile -c constraints.txt
SAMPLE := data/sample/journey.yaml
MARKERS ?= not slow
PYTEST_ARGS ?=
JOBS ?= auto
EXAMPLES ?= 20

run: .venv/.runtime
	@$(BIN)python pipelines/nightly.py --config $(SAMPLE)

test: .venv/.dev
	@$(BIN)python -m pytest -m "$(MARKERS)" -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

deep: .venv/.dev
	@JOURNEY_MINING_EXAMPLES=$(EXAMPLES) $(BIN)python -m pytest -m "slow or hypothesis" -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

check: lint test

lint: lint-format lint-rules lint-types lint-sql lint-layers

lint-format: .venv/.dev
	@$(BIN)ruff format --check .

lint-rules: .venv/.dev
	@$(BIN)ruff check .

lint-types: .venv/.dev
	@$(BIN)mypy

lint-sql: .venv/.dev
	@$(BIN)sqlfluff lint --disable-progress-bar sql src

lint-layers: .venv/.dev
	@$(BIN)lint-imports --no-logo

format: .venv/.dev
	@$(BIN)ruff format .
	@$(BIN)ruff check --fix .
	@$(BIN)sqlfluff fix --disable-progress-bar sql src

bench: .venv/.dev
	@$(BIN)python tests/benchmarks/bench.py

clean:
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis data/sample/journeys
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

install: .venv/.runtime
install-dev: .venv/.dev

.venv/.runtime: .venv/.created pyproject.toml constraints.txt
	@echo "installing journey-mining into .venv (about a minute) ..."
	@$(PIP_INSTALL) -e .
	@touch $@

.venv/.dev: .venv/.created pyproject.toml constraints.txt
	@echo "installing journey-mining and its test tools into .venv (about a minute) ..."
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $@ .venv/.runtime

# The first interpreter that starts, is new enough and can make environments with pip in them.
.venv/.created:
	@for python in $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14 python; do \
	    if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	        $$python -m venv --clear .venv && touch $@ && exit 0; \
	    fi; \
	done; \
	echo "make: found no Python 3.11 or later that has venv; install one, or name it: make PYTHON=/path/to/python" >&2; \
	exit 1
