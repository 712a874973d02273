# The two that matter:  make demo · make test
PY := .venv/bin/python
PYTHON ?= python3
ARGS ?=
ONLY ?=
WORKERS ?= 2

.PHONY: setup demo test unit lint bench docs lock clean
.DEFAULT_GOAL := demo

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --no-index
	@touch $@

demo: setup ## start Pave on this machine and walk the golden path
	.venv/bin/pave demo $(ARGS)

test: setup ## all tests, file by file on WORKERS processes
	.venv/bin/pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

unit: setup ## the fast, socket-free ones
	.venv/bin/pytest tests/unit $(ARGS)

lint: setup ## style, layers, types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/mypy

crash: setup ## kill the server at each step boundary, each time with a run of its own
	PAVE_WALK=all .venv/bin/pytest tests/journeys/test_crash.py tests/journeys/test_pipeline_faults.py $(ARGS)

bench: setup ## one JSON line a figure; ONLY=provision.8 chooses
	$(PY) -m benchmarks $(ONLY)

docs: setup ## the pages that are made from the code
	$(PY) docs/reference.py

lock: ## resolve the pinned versions again; names no registry and no address
	.venv/bin/uv pip compile --quiet --all-extras --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate --python-version 3.11 --universal pyproject.toml -o requirements.lock

clean:
	@if [ -d .pave ]; then chmod -R u+w .pave; fi # artifacts are read-only, for their owner too
	rm -rf .venv .pave .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
