# Everything here wraps `pip install` and `ibkr-pipeline`; both work without make (see README.md).
# Needs Python 3.11 or later and make; everything else is installed into $(VENV).

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo ui test check bench soak interop docs clean

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LINTED := ibkr_pipeline ibkr_pipeline_tests benchmarks interop docs
TYPED := ibkr_pipeline benchmarks interop docs/generate.py
COVERAGE := --cov=ibkr_pipeline --cov-report=term:skip-covered --cov-fail-under=90

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Create .venv and install the package with pinned versions (the others do it first)

demo: $(STAMP) ## Run the nightly job against a simulated broker: no account, no server, no network
	@$(BIN)/ibkr-pipeline demo

ui: $(STAMP) ## Open the same history in the Dagster UI on 127.0.0.1
	@$(BIN)/ibkr-pipeline ui

test: $(STAMP) ## Run the tests, with coverage (at most 10 minutes on 2 cores)
	$(BIN)/python -m pytest -n logical --dist worksteal $(COVERAGE)

check: $(STAMP) ## Run ruff, mypy, the import contracts and the freshness of the generated pages
	$(BIN)/ruff check $(LINTED)
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/mypy --strict $(TYPED)
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m pytest -q ibkr_pipeline_tests/graph

bench: $(STAMP) ## Print each speed claim as a ratio against its reference
	@$(BIN)/python -m benchmarks.run

soak: $(STAMP) ## Run the long tests: more examples, more kills, more load
	$(BIN)/python -m pytest -m soak --timeout=3600
	$(BIN)/python -m pytest ibkr_pipeline_tests/property --hypothesis-profile=soak --timeout=3600

interop: $(STAMP) ## Let other TWS clients talk to the simulated broker, as far as they can be installed
	@$(BIN)/python -m interop

docs: $(STAMP) ## Write the generated reference pages
	$(BIN)/python docs/generate.py

clean: ## Remove build products, caches and .venv; never data
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache \
		.hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first interpreter that runs and is new enough wins; PYTHON=... overrides the search.
$(STAMP): pyproject.toml constraints.txt requirements.txt
	@set -e; \
	wanted='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))'; \
	for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
		if "$$candidate" -c "$$wanted" >/dev/null 2>&1; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
		echo "No Python between 3.11 and 3.14 was found (looked for: $(or $(PYTHON),python3 python3.11 ... python3.14)). Install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
		exit 1; \
	fi; \
	echo "Installing into $(VENV) with $$("$$found" --version); the first time takes a minute or two ..."; \
	"$$found" -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt; \
	touch $@
