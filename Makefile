# `make demo` and `make test` need Python 3.11 or newer and nothing else; both set up .venv first.

PYTHON ?= python3
TEST_WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-slow lint types tests fix golden bench docs clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

demo: $(READY)          ## sweep TAME's attention heads on the built-in data set
	$(BIN)/orch sweep tame --space heads

test: lint types tests  ## what decides whether a change lands

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

tests: $(READY)         ## a file's tests stay together: they share what is slow to make
	$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist loadfile

test-slow: $(READY)     ## the tests that take long
	$(BIN)/python -m pytest -q -m slow

fix: $(READY)           ## format, and mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

golden: $(READY)        ## write the golden losses anew; say why in CHANGELOG.md, under Numbers
	ORCH_GOLDEN=1 $(BIN)/python -m pytest -q tests/golden

bench: $(READY)         ## time training against the common way; needs the data set `scientific`
	$(BIN)/python benchmarks/training.py

clean:
	rm -rf $(VENV) build dist *.egg-info
