# make setup | demo | test | check | fuzz | bench-quick | bench-tuning | kill | damage | steps | clean. A fresh clone needs nothing but Python 3.11+ and make.
# PIP_FLAGS passes options to pip, for instance an index that offers the CPU build of torch.

PYTHON    ?= $(shell command -v python3.11 || command -v python3)
PIP_FLAGS ?=
BIN       := .venv/bin
STAMP     := .venv/.keiki-installed

.PHONY: setup demo test check fuzz bench-quick bench-tuning kill damage steps clean
.DELETE_ON_ERROR:

setup: $(STAMP)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "keiki needs Python 3.11 or newer: make setup PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv

# torch first and pinned: whatever else is installed then takes this build instead of choosing its own.
$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -c constraints.txt torch
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -c constraints.txt -e ".[dev]"
	touch $@

demo: setup
	$(BIN)/keiki demo

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict keiki

# One process a core, each on a core of its own (tests/conftest.py).
test: check
	$(BIN)/python -m pytest -q -n auto --dist worksteal

# 3,000 malformed inputs and 20,000 mutated files; minutes. A small part of it is in `make test`.
fuzz: setup
	$(BIN)/python tests/fuzz/run.py

bench-quick: setup
	$(BIN)/python bench/quick.py

# An hour at most each; run it again to go on. MINUTES=10 stops earlier, SUITE=style measures one alone.
MINUTES ?= 60
SUITE   ?= recipe boundary unfrozen style

bench-tuning: setup
	$(foreach suite,$(SUITE),$(BIN)/python bench/tuning.py $(suite) --minutes $(MINUTES) &&) true

# 100 runs killed at random moments and gone on with; 1,000 damaged checkpoints; the speed of steps.
kill: setup
	$(BIN)/python bench/kill.py --minutes $(MINUTES)

damage: setup
	$(BIN)/python bench/damage.py

steps: setup
	$(BIN)/python bench/steps.py

# The environment and the runs stay: they are yours.
clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find keiki tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
