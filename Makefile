# The words of a newcomer. Each sets up first, which is quick when nothing is to do.
PYTHON := .venv/bin/python

.PHONY: setup demo demo-stop demo-sge lab lab-stop test lint docs bench soak

setup:
	@share/setup.sh

demo: setup
	@share/demo/demo

demo-stop: setup
	@share/demo/demo-stop

# It ends by itself, and everything of it with it.
demo-sge:
	@share/elastic/demo/demo-sge $(ARGS)

# Three hosts are for root only, and that is said before anything is set up: lab itself does that.
lab:
	@share/lab/lab

lab-stop: setup
	@share/lab/lab-stop

test:
	@share/setup.sh tests
	$(PYTHON) -m pytest tests -n 3 --dist loadfile --no-loadscope-reorder -m "not soak"

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy oned
	.venv/bin/lint-imports

docs: setup
	$(PYTHON) -m oned.docs

bench: setup
	$(PYTHON) -m oned.bench

soak: setup
	$(PYTHON) -m pytest tests -m soak
