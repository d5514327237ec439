# `make demo` and `make test` set up everything they need in .venv, on a fresh machine too.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-all lint format reference clean

demo: $(READY)  ## generated people → train → submit → report, in minutes
	$(BIN)/maskgate demo

test: lint  ## lint, types and the whole test suite
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" --durations 20

test-all: lint  ## the same and what takes minutes
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

reference: $(READY)  ## docs/recipe.md, from the code that reads recipes
	$(BIN)/python -m maskgate.reports.reference docs/recipe.md

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $(READY)

clean:
	rm -rf .venv demo
