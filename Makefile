# Everything a developer runs. Each target works from a fresh clone: it builds .venv from requirements.lock first.
#
#   make demo     the whole loop against the local simulators      make test     the whole test suite
#   make lint     ruff, mypy --strict, import-linter               make bench    throughput, beside the raw driver
#   make crash    the daemon killed 50 times under faults          make schemas  write config/schemas/*.json anew
#   make lock     mend requirements.lock after a change of pyproject.toml; UPGRADE=--upgrade takes the newest of all
#   make matrix   each connector's abilities, proven by the contract suite or absent with the channel's reason
#   make year     a year of 100,000 orders by a simulated clock, compared with books kept beside it (YEAR="--orders 5000")
#   make venv     only build .venv
#
# Another interpreter: make PYTHON=python3.12 …

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
UV := .venv-lock/bin/uv
UV_VERSION := 0.13.9
UPGRADE ?=

.PHONY: venv demo test lint bench crash matrix year schemas lock

venv: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "ordersync needs Python 3.11 or newer, and '$(PYTHON)' is not; name one: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing the locked dependencies into .venv (once, a minute or two) …"
	@$(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)
	$(BIN)/ordersync demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 4

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python -m tests.bench

crash: $(STAMP)
	$(BIN)/python -m tests.crash --kills 50

year: $(STAMP)
	$(BIN)/python -m tests.year $(YEAR)

matrix: $(STAMP)
	$(BIN)/python -m tests.matrix

schemas: $(STAMP)
	$(BIN)/python -m core.settings.schemas

lock: $(UV)
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
	  --no-emit-index-url --no-header --group dev pyproject.toml --output-file requirements.lock

$(UV):
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip --disable-pip-version-check --quiet install uv==$(UV_VERSION)
