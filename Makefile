# `make demo` and `make test` set up everything they need in .venv, on a fresh machine too.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help install demo test test-all coverage lint format reference default-model dist clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

install: $(READY)  ## everything, in .venv

demo: $(READY)  ## generated people → train → submit → report, in minutes
	$(BIN)/maskgate demo

test: lint  ## lint, types and the tests that are fast
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" --durations 20

test-all: lint  ## the same and what takes long
	$(BIN)/python -m pytest -n 2 --dist worksteal

coverage: lint  ## as `make test-all`, with the lines that no test runs; too many of them fail
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov

lint: $(READY)  ## ruff and mypy alone
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/mypy

format: $(READY)  ## the code put in shape by ruff
	$(BIN)/ruff check --fix src tests benchmarks examples
	$(BIN)/ruff format src tests benchmarks examples

reference: $(READY)  ## docs/recipe.md, from the code that reads recipes
	$(BIN)/python -m maskgate.reports.reference docs/recipe.md

default-model: $(READY)  ## the model in the package, from a run: RUN=runs/faces SCORES=scores.json
	$(BIN)/python -m maskgate.export.default_model "$(RUN)" $(SCORES)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $(READY)

# The wheel is installed once: its metadata and its code name the same version.
dist: $(READY)  ## sdist and wheel, in dist/
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m pip install --quiet --no-deps --target dist/installed dist/*.whl
	cd dist/installed && ../../$(BIN)/python -c 'from importlib.metadata import version; \
		import maskgate; assert version("maskgate") == maskgate.__version__'
	rm -rf dist/installed

clean:  ## away with .venv, demo/ and dist/
	rm -rf .venv demo dist
