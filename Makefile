# `make run` is the shop on this machine, `make test` its tests. Needs make, Python 3.11 or newer and a package index.
# Every path is relative, because the folder of the project may have a space in its name.
.POSIX:

PYTHON = python3
VENV = .venv/bin/python
PIP = $(VENV) -m pip --disable-pip-version-check install

help:
	@echo 'make run    start the shop: PORT (8000), NEARSHELF_DATA (var/), DATABASE_URL, REDIS_URL; Ctrl-C stops it'
	@echo 'make test   run the tests, on servers and data of their own'
	@echo 'make test-faults   kill and restart real processes under it; takes some minutes'
	@echo 'make lint   check style, types, settings and migrations'
	@echo 'make clean  remove what was installed and cached here; your data stays'
	@echo 'PYTHON=/path/to/python3 names the Python to use.'

run: .venv/.stamp-run
	@$(VENV) manage.py serve

# Two at a time, each on servers of its own, with models that are converted once: what drives a browser or starts the
# shop, whose output is shown at the end, and all the rest.
QUICK = $(VENV) -m pytest -m 'not faults and not benchmark'
test: .venv/.stamp-test
	@run=$$(mktemp -d) && export MODEL_CACHE_DIR="$$run/models" && all= && status=0 \
	&& trap 'trap "" HUP INT TERM; kill $$all 2>/dev/null || :; wait; rm -rf "$$run"' EXIT && trap 'exit 130' HUP INT TERM \
	&& { $(QUICK) tests/browser tests/config >"$$run/log" 2>&1 & } && browser=$$! && all=$$browser \
	&& { $(QUICK) --ignore tests/browser --ignore tests/config & } && rest=$$! && all="$$all $$rest" \
	&& { wait $$rest || status=$$?; } && { wait $$browser || status=$$?; } && all= && cat "$$run/log" && exit $$status

test-faults: .venv/.stamp-test
	$(VENV) -m pytest -m 'faults or benchmark'

lint: .venv/.stamp-test
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy .
	@data=$$(mktemp -d) && trap 'rm -rf "$$data"' EXIT \
	&& export NEARSHELF_DATA="$$data" DATABASE_URL= REDIS_URL= && set -x \
	&& $(VENV) manage.py check \
	&& $(VENV) manage.py makemigrations --check --dry-run

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# torch is installed alone and first: its exact version is what selects the build for CPUs.
.venv/.stamp-run: requirements.txt constraints.txt
	@for python in "$(PYTHON)" python3.14 python3.13 python3.12 python3.11 ''; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	done; \
	if [ -z "$$python" ]; then \
		echo 'Nearshelf needs Python 3.11 or newer. Install it, or name it: make PYTHON=/path/to/python3 run' >&2; \
		exit 1; \
	elif ! "$$python" -m venv .venv; then \
		echo "$$python cannot make a virtual environment. On Debian or Ubuntu: apt install python3-venv" >&2; \
		exit 1; \
	fi
	$(PIP) -c constraints.txt "$$(grep '^torch==' requirements.txt)"
	$(PIP) -r requirements.txt
	@touch $@

.venv/.stamp-test: .venv/.stamp-run requirements-dev.txt
	$(PIP) -r requirements-dev.txt
	@touch $@
