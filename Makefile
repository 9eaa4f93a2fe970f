# Every target sets up what it needs: a machine with Python >= 3.11 and make is enough.
#
#   make run          train ten agents, one process each, beside agents that hear nobody, and show the result (ARGS="seed=3" overrides settings)
#   make test         all tests, those that start real processes included (ARGS="-k name" chooses)
#   make test-system  only the tests that start real processes
#   make test-containers   the tests in containers; fails where there is no engine
#   make test-versions     smoke tests with the lowest and the newest dependencies that are allowed (ARGS=lowest chooses)
#   make test-adapters     the tests of adapters to SUMO, JaxMARL, lbforaging and others and of the sinks, with all that they need (ARGS=sinks chooses)
#   make test-wheel        build what is shipped, install it in a clean environment and run it there
#   make chaos        the long adversarial tests: a million mutated messages, 300 mutations of each record file, a storm of 500 kills and
#                     stops (ARGS="--storm 60 -k storm" takes fewer)
#   make lint         style, types, import contracts, known vulnerabilities
#   make bench        the benchmarks, as ratios taken in alternating pairs
#   make docs         write the generated pages of docs/ again
#   make site         build the documentation as a site in build/site and check it: links, width, light and dark, accessibility; warnings are errors
#   make lock         resolve requirements/lock.txt again
#   make clean        remove caches and build products (runs/ and the virtual environment stay)

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.netagents-installed
PIP   := $(BIN)/python -m pip --disable-pip-version-check
ARGS  ?=

# The first interpreter that is new enough; `make PYTHON=/path/to/python test` names another.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)

# One arithmetic: bits are promised for one BLAS thread.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: run test test-system test-containers test-versions test-adapters test-wheel chaos lint bench docs site lock clean venv
.DEFAULT_GOAL := run

run: $(STAMP)
	$(BIN)/netagents run launch/quickstart.yaml --against kappa=0 --seeds 5 --audit $(ARGS)

# First what needs no processes of its own, on all cores; then what starts them, two at a time, since it mostly waits; then containers, one
# after another.  Each part ends with its 20 slowest tests.  5: ARGS chose none of the one kind.
test: $(STAMP)
	$(BIN)/python -m pytest --durations=20 -m "not (system or containers or chaos)" -n auto --maxprocesses 4 $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/python -m pytest --durations=20 -m "system and not chaos" -n 2 --dist worksteal $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/python -m pytest -m "containers and not chaos" $(ARGS) || [ $$? -eq 5 ]

test-system: $(STAMP)
	$(BIN)/python -m pytest -m "system and not chaos" -n 2 --dist worksteal $(ARGS)

test-containers: $(STAMP)
	NETAGENTS_REQUIRE_ENGINE=1 $(BIN)/python -m pytest -m "containers and not chaos" $(ARGS)

test-versions: $(STAMP)
	$(BIN)/python requirements/test_versions.py $(ARGS)

test-adapters: $(STAMP)
	$(BIN)/python requirements/test_adapters.py $(ARGS)

test-wheel: $(STAMP)
	sh requirements/test_wheel.sh $(BIN)/python

chaos: $(STAMP)
	$(BIN)/python -m pytest -s -m chaos $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint launch/Dockerfile
	sh requirements/audit.sh $(BIN)/python

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(STAMP)
	$(BIN)/python -m tools.doc_pages

site: $(STAMP)
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -E -c tools/site -d build/doctrees docs build/site
	$(BIN)/python -m tools.site_check build/site
	@echo "build/site/index.html"

lock:
	$(PIP) install --quiet uv==0.13.8
	sh requirements/resolve.sh $(BIN)/uv

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find netagents tests benchmarks tools -type d -name __pycache__ -prune -exec rm -rf {} +

venv: $(STAMP)

# Two steps: everything but torch by hash, then the project itself with torch, whose pinned version has different
# builds (CPU, CUDA) and so no single set of hashes.  See CONTRIBUTING.md.
$(STAMP): pyproject.toml requirements/lock.txt requirements/torch.txt
	@test -n "$(PYTHON)" || { echo "netagents needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "could not make a virtual environment with $(PYTHON); on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PIP) install --quiet --no-deps --require-hashes -r requirements/lock.txt
	$(PIP) install --quiet --no-build-isolation --constraint requirements/torch.txt -e '.[dev,environments,dashboard,browser]'
	@touch $@
