# Everything runs in its own virtual environment; nothing has to be prepared.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run scale test lint types check unit browser faults deploy docs images walk bench audit format clean

run: .venv/installed
	@$(BIN)/python manage.py setup
	@exec $(BIN)/python manage.py serve

# Two web processes behind nginx, two bridges, two task consumers, PostgreSQL, Redis
# and three simulated GPU servers, on this machine; Ctrl-C ends it.
scale: .venv/installed-dev
	@exec $(BIN)/python -m tests.stack

test: .venv/installed-dev
	@$(BIN)/python tests/run.py

lint: .venv/installed-dev
	$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: .venv/installed-dev
	$(BIN)/mypy

check: .venv/installed-dev
	$(BIN)/python tests/run.py checks

unit: .venv/installed-dev
	$(BIN)/python tests/run.py unit

browser: .venv/installed-dev
	$(BIN)/python tests/run.py browser browser-pictures

# Breaks everything, and writes the table of docs/reliability.md.
faults: .venv/installed-dev
	$(BIN)/python -m tests.faults.report

# Asks a service on the internet for known faults of what we depend on, as `make test`
# does; here it fails, too, when the service cannot be asked.
audit: .venv/installed-dev
	$(BIN)/python -m tests.audit --strict

# What deploy/ has, by the tools that read it and in front of the real processes.
deploy: .venv/installed-dev
	$(BIN)/python tests/run.py deploy

# The documents as web pages: build/docs/index.html.
docs: .venv/installed-docs
	$(BIN)/python docs/build.py

# The pictures in them, of the pages as they are.
images: .venv/installed-dev
	LIFEOS_DOCS_IMAGES=1 $(BIN)/python -m pytest -q tests/browser/test_documents.py

# A newcomer's way, as the README tells it, from a fresh clone to the first picture.
walk: .venv/installed-dev
	TEST_WALK=1 $(BIN)/python -m pytest -q -s -p no:playwright tests/deploy/test_newcomer.py

bench: .venv/installed-dev
	$(BIN)/python -m benchmarks

format: .venv/installed-dev
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Life-OS needs Python 3.11 or newer (make PYTHON=python3.11)."; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/installed: .venv/bin/python requirements.txt
	@echo "Installing what Life-OS needs…"
	@$(BIN)/pip install -q --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	@$(BIN)/pip install -q --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.venv/installed-docs: .venv/bin/python docs/requirements.txt
	@$(BIN)/pip install -q --disable-pip-version-check -r docs/requirements.txt
	@touch $@

clean:
	rm -rf build .venv .mypy_cache .pytest_cache .ruff_cache
