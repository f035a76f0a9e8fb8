# make demo   set up everything and start the app at http://127.0.0.1:7860
# make test   set up everything and run all tests
# make check  the tests that need neither weights nor a browser: the inner loop
# make setup  set up only
# make soak   the long tests: fifty visitors, an hour of tape, 10,000 points, kills, full disks, many writers
# make bench  speed and memory against what others use: one table, and JSON in benchmarks/results
# make bundle one archive that installs and runs on a machine without network
# make lint   formatting, style and types
# Each target may be run again at any time, as root or as a user; a failure is one line.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOG := $(VENV)/install.log
export PYTHONUTF8 := 1
# Two workers; a file's tests stay together, as they share fixtures.
PARALLEL := -n 2 --dist loadfile

.PHONY: demo test check setup soak bench bundle lint clean

demo: $(VENV)/.fetched
	@$(BIN)/python app.py

setup: $(VENV)/.installed
	@$(BIN)/python -m cacara setup
	@touch $(VENV)/.fetched

test: $(VENV)/.installed-dev
	@$(BIN)/python -m cacara setup
	@touch $(VENV)/.fetched
	@sh tests/browser/install_chromium.sh
	@$(BIN)/python -m pytest $(PARALLEL)

check: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest $(PARALLEL) -m "not soak and not weights and not browser"

soak: $(VENV)/.installed-dev
	@$(BIN)/python -m cacara setup
	@touch $(VENV)/.fetched
	@sh tests/browser/install_chromium.sh
	@$(BIN)/python -m pytest -m soak
	@$(BIN)/python -m pytest -m "not soak" --hypothesis-profile=search $$(grep -rl '^from hypothesis' tests --include='test_*.py')

bench: $(VENV)/.installed-bench
	@$(BIN)/python -m cacara setup
	@$(BIN)/python -m benchmarks.speed

bundle: $(VENV)/.fetched
	@$(BIN)/python bundle/make_bundle.py --output dist

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

# Once; whatever goes missing from the cache later, the app fetches itself.
$(VENV)/.fetched: $(VENV)/.installed
	@$(BIN)/python -m cacara setup
	@touch $@

$(VENV)/.installed: requirements.txt
	@sh install.sh "$(PYTHON)" $(VENV) requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements.txt requirements-dev.txt
	@sh install.sh "$(PYTHON)" $(VENV) requirements-dev.txt
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: requirements.txt requirements-bench.txt
	@sh install.sh "$(PYTHON)" $(VENV) requirements-bench.txt
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) runs
