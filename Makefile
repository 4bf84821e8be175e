# Everything here starts from nothing but python3: each target makes .venv and installs what it lacks.
# Nothing is ever uninstalled, so a later target only adds to what an earlier one made.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first Python that fits; name another with `make demo PYTHON=/path/to/python3`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
PY := $(VENV)/bin/python
UV := $(PY) -m uv --quiet
INSTALL := $(UV) pip install --python $(PY)
CODE := schemas serving stream training nextclick tests
# Each of so many processes starts services of its own; most of a test is waiting for them: on two cores four take 556 s
# where three take 635.
JOBS ?= 4
TESTS = $(PY) -m pytest $(ARGS)
COMPILE := $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate $(UPGRADE)

# uv takes the Python that is there and downloads none, whatever it was told elsewhere.
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# What Python compiles it keeps, whatever it was told elsewhere: else each of hundreds of processes compiles all it
# imports, torch included, which is two thirds of its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check chaos soak bench quality clean docs lock

help: ## this list
	@printf 'make TARGET [ARGS="..."]\n\n'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '%-10s %s\n' "$$name" "$$text"; done

demo: $(VENV)/.sandbox ## shoppers click, recommendations answer, here and now (ARGS=--once: a few seconds, then exit)
	@$(PY) -m nextclick demo $(ARGS)

test: $(VENV)/.dev ## every test but the long suites below, on the realest Kafka and Redis found here (torch: 5 GB)
	@$(TESTS) -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not chaos and not soak and not bench and not quality"

check: $(VENV)/.dev ## ruff and mypy --strict over code and tests
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

chaos: $(VENV)/.dev ## kills, freezes, floods, servers away, workers that fall ill; each with its figures, docs/testing.md (an hour)
	@$(call suite,chaos)

soak: $(VENV)/.dev ## an hour at half load: memory, descriptors, loop lag (NEXTCLICK_TEST_SOAK_MINUTES for another time)
	@$(call suite,soak)

bench: $(VENV)/.dev ## the figures, measured here, with their conditions
	@$(call suite,bench)

quality: $(VENV)/.dev ## real shops, trained and evaluated whole (hours; NEXTCLICK_TEST_DATA names the folder of their logs)
	@$(call suite,quality)

docs: $(VENV)/.dev ## writes again what is generated from the code: settings, JSON Schema
	@$(PY) -c 'from pathlib import Path; from schemas.settings import reference; \
		Path("docs/configuration.md").write_text(reference(), encoding="utf-8")'
	@$(PY) -c 'from pathlib import Path; from schemas.jsonschema import files; \
		[Path("schemas/json", name).write_bytes(body) for name, body in files().items()]'

lock: $(VENV)/.build ## pins every package again (UPGRADE=--upgrade for newer ones)
	@$(COMPILE) --output-file requirements/base.txt
	@$(COMPILE) --extra sandbox --constraint requirements/base.txt --output-file requirements/sandbox.txt
	@$(COMPILE) --extra dev --constraint requirements/sandbox.txt --output-file requirements/dev.txt
	@$(COMPILE) --extra train --constraint requirements/dev.txt --output-file requirements/train.txt
	@$(UV) pip compile requirements/build.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate $(UPGRADE) --constraint requirements/dev.txt \
		--output-file requirements/build.txt

clean: ## removes .venv and every cache
	@rm -rf $(VENV) dist build .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find $(CODE) -type d -name __pycache__ -prune -exec rm -rf {} +

# A suite by its marker. pytest ends with 5 when it ran nothing; that is never a pass.
define suite
$(TESTS) -s -m $(1) || { code=$$?; [ $$code -ne 5 ] || echo "make $(1): this suite has no test yet" >&2; exit $$code; }
endef

# ── the virtual environment: one stamp for each set of requirements ──────────────────────────────────────

$(VENV)/.build: requirements/build.txt
	@[ -n "$(PYTHON)" ] || { echo "nextclick needs Python 3.11, 3.12 or 3.13; python3 here is \
	$$(python3 --version 2>/dev/null || echo missing). Install one, or name it: make PYTHON=/path/to/python3.12 TARGET" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
		echo "nextclick needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$("$(PYTHON)" --version)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "making $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv --clear $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.nextclick: pyproject.toml $(VENV)/.build
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.sandbox $(VENV)/.dev $(VENV)/.train: $(VENV)/.%: requirements/%.txt $(VENV)/.nextclick
	@echo "installing requirements/$*.txt"
	@$(INSTALL) --require-hashes -r $<
	@touch $@
