# Needs GNU make and Python 3.11 or newer. Every target first sets up .venv when it is missing or
# older than the list of dependencies.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	echo $$python && break; done)
DEMO_MINUTES ?= 5
DEMO_FLAGS ?=
MODEL_GAMES ?= Boxing Freeway
MODEL_MINUTES ?= 10
MODEL_STEPS ?= 240000
MODEL_COLLECT ?= --policy random
MODEL_FLAGS ?=
JOBS ?= 2
PYTEST_FLAGS ?=
FUZZ_INPUTS ?= 10000

BIN := .venv/bin
READY := .venv/.ready
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

# The tests start many processes: what one of them has compiled, the others read.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help test test-all check docs format fuzz versions demo models clean

help:
	@echo 'make demo      collect Breakout, train $(DEMO_MINUTES) minutes (DEMO_MINUTES=30 for longer), show the results'
	@echo 'make models    collect $(MODEL_STEPS) steps of each game, train $(MODEL_MINUTES) minutes and pack the generator, into models/'
	@echo 'make test      the tests that take seconds'
	@echo 'make test-all  those that take minutes as well'
	@echo 'make check     formatting, lint, types, documentation, then the tests (import contracts are among them)'
	@echo 'make docs      the documentation as a site, in docs/_build/html'
	@echo 'make fuzz      $(FUZZ_INPUTS) spoiled files for every reader, and as many guided by coverage'
	@echo 'make versions  the tests under every Python at hand, oldest and newest dependencies'
	@echo 'make format    put the code into its format'
	@echo 'make clean     remove the virtual environment and what tools left behind'

test: $(READY)
	$(PYTEST) -m "not slow" $(PYTEST_FLAGS)

test-all: $(READY)
	$(PYTEST) $(PYTEST_FLAGS)

check: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(MAKE) docs
	$(PYTEST) -m "not slow" $(PYTEST_FLAGS)

# Strict: a warning, such as a broken link between pages, ends the build.
docs: $(READY)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --nitpicky --quiet --builder html docs docs/_build/html
	@echo 'open docs/_build/html/index.html'

format: $(READY)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

fuzz: $(READY)
	$(BIN)/python -W ignore -m tests.fuzz --inputs $(FUZZ_INPUTS)
	@if $(BIN)/python -m pip install --quiet --constraint constraints.txt atheris; then \
		$(BIN)/python -W ignore -m tests.fuzz --inputs $(FUZZ_INPUTS) --guided; \
	else echo 'atheris does not install here: no inputs guided by coverage'; fi

versions: $(READY)
	$(BIN)/python -m tests.versions --jobs $(JOBS)

demo: $(READY)
	$(BIN)/python -m atarigan.demo --max-minutes $(DEMO_MINUTES) $(DEMO_FLAGS)

# Goes on where it was stopped; a game that has its row.json is not run again. The generator of each
# game and its card are then in models/GAME/packed.
models: $(READY)
	$(BIN)/python -m benchmarks quality --games $(MODEL_GAMES) --out models --jobs $(JOBS) \
		--steps $(MODEL_STEPS) --minutes $(MODEL_MINUTES) --collect="$(MODEL_COLLECT)" \
		--train="--recipe atari $(MODEL_FLAGS)"

# The build backend is installed first so that its version is pinned as well.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { \
		echo 'atarigan needs Python 3.11 or newer and found none: name one with make PYTHON=/path/to/python3'; \
		exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
		f"atarigan needs Python 3.11 or newer, not {v.major}.{v.minor}: name another with make PYTHON=/path/to/python3")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[dev,docs]"
	@touch $@

clean:
	rm -rf .venv build dist docs/_build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
