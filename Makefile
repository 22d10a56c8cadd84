# Needs Python 3.11 and make, nothing else. Every target sets up what it needs, once.
.DEFAULT_GOAL := help
.PHONY: help demo run test check chaos bench bench-redaction bench-confidence bench-backtest lock format clean setup setup-clients setup-oldest
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?=
PYTEST_ARGS ?=
LOCK_ARGS ?= --upgrade
# The gateway's own bytecode may be written: it starts in a fraction of the time.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
CLIENTS := .venv-clients
BIN := $(VENV)/bin
SETUP := $(VENV)/.installed
SETUP_CLIENTS := $(CLIENTS)/.installed
OLDEST := .venv-clients-oldest
SETUP_OLDEST := $(OLDEST)/.installed
# Tests of a whole gateway, and of what it stands on.
WHOLE := tests/integration tests/infrastructure tests/pipeline
# A service that is found on PATH is used as if its variable were set.
OPA := $(or $(OPA_BIN),$(shell command -v opa 2>/dev/null))

help: ## What there is to run
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 24

$(SETUP): requirements/dev.txt requirements/uv.txt requirements/install
	@PYTHON="$(PYTHON)" requirements/install $(VENV) requirements/dev.txt --gateway

$(SETUP_CLIENTS): requirements/clients.txt requirements/uv.txt requirements/install
	@PYTHON="$(PYTHON)" requirements/install $(CLIENTS) requirements/clients.txt

$(SETUP_OLDEST): requirements/clients-oldest.txt requirements/uv.txt requirements/install
	@PYTHON="$(PYTHON)" requirements/install $(OLDEST) requirements/clients-oldest.txt

setup: $(SETUP) ## Install the gateway and its tools into .venv, from the lock
setup-clients: $(SETUP_CLIENTS) ## Install the official client into .venv-clients, from its own lock
setup-oldest: $(SETUP_OLDEST) ## Install the oldest supported client into .venv-clients-oldest

demo: setup setup-clients ## The governed call from end to end, and whether all went as told
	$(CLIENTS)/bin/python demo/demo.py

run: setup ## Serve config.yaml with the simulated provider until Ctrl-C
	demo/run.sh

# Three lanes beside each other, as many tests mostly wait; what the second and third say comes last.
test: setup setup-clients setup-oldest ## Unit, property, integration and end-to-end tests, these with the newest and the oldest client
	@mkdir -p build; \
	{ oldest=0; $(OLDEST)/bin/pytest tests/e2e $(PYTEST_ARGS) || oldest=$$?; $(CLIENTS)/bin/pytest tests/e2e $(PYTEST_ARGS) && exit $$oldest; } > build/e2e.log 2>&1 & \
	e2e=$$!; \
	$(BIN)/pytest $(WHOLE) $(PYTEST_ARGS) > build/whole.log 2>&1 & \
	whole=$$!; status=0; \
	$(BIN)/pytest tests $(patsubst %,--ignore=%,tests/chaos tests/benchmarks tests/e2e $(WHOLE)) $(PYTEST_ARGS) || status=$$?; \
	wait $$whole || status=$$?; cat build/whole.log; \
	wait $$e2e || status=$$?; cat build/e2e.log; exit $$status

check: setup ## Every gate: format, lint, types, layers, sizes, policy, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m tests.linters
	$(BIN)/gateway policy lint --strict
	$(BIN)/gateway policy test
ifneq ($(OPA),)
	$(OPA) fmt --fail --list policies
	$(OPA) check --strict --schema gateway/contract policies
	$(OPA) test policies
else ifeq ($(GATEWAY_REQUIRE_SERVICES),1)
	@echo "make check: opa is required (GATEWAY_REQUIRE_SERVICES=1) and not found; set OPA_BIN or run tests/servers/get-opa build/servers" >&2; exit 1
else
	@echo "opa not found: its format, strict check and tests of the policies were left out (tests/servers/get-opa builds it)"
endif

chaos: setup setup-clients ## Kill the gateway at random under load and compare what clients saw with the records
	$(BIN)/pytest tests/chaos $(PYTEST_ARGS)

bench: setup ## The price of governance against a bare pass-through; writes build/bench.json
	$(BIN)/python tests/benchmarks/bench.py

bench-redaction: setup ## Precision, recall and CPU of redaction on the data in PII_DATA
	$(BIN)/python tests/benchmarks/bench_redaction.py

bench-confidence: setup ## How well the score of confidence tells right answers from wrong ones; DATA=FILE for labelled answers of your own
	$(BIN)/python tests/benchmarks/bench_confidence.py $(DATA)

bench-backtest: setup ## How fast recorded decisions are replayed through another policy; DECISIONS=N for another number than 100,000
	$(BIN)/python tests/benchmarks/bench_backtest.py

format: setup ## Format Python and Rego, fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python -m tests.linters.configuration_doc --write
	$(BIN)/python -m tests.linters.contract_files --write
	$(if $(OPA),$(OPA) fmt --write policies)

lock: setup ## Resolve the newest versions that pyproject.toml allows, with hashes
	requirements/lock build/uv/bin/uv $(LOCK_ARGS)

clean: ## Remove what was built; secrets, keys and records in .gateway stay
	rm -rf $(VENV) $(CLIENTS) $(OLDEST) build .hypothesis .mypy_cache .ruff_cache .import_linter_cache .pytest_cache
	find gateway tests demo -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
