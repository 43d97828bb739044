# The two commands of a newcomer: make demo, make test. Both do all set-up themselves.

.PHONY: help demo test setup check unit lab clean

help:
	@echo "make demo   watch the service relay a dead switch to a pod, on a real kernel"
	@echo "make test   run every check: format, lint, types, unit tests, lab scenarios"
	@echo "make check | unit | lab   run a part of the tests"
	@echo "make clean  remove what the other targets made here (the lab's kernel stays in the cache)"

demo: setup
	@.venv/bin/python -m tests.lab.demo

test: check unit lab

setup:
	@tests/setup

check: setup
	@printf '\n== Format, lint, types\n'
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

unit: setup
	@for python in .venv/bin/python .venv-*/bin/python; do \
		[ -x "$$python" ] || continue; \
		printf '\n== Unit tests on %s\n' "$$($$python --version)"; \
		$$python -m pytest -q tests --ignore=tests/lab || exit 1; \
	done

lab: setup
	@printf '\n== Lab scenarios on a real kernel\n'
	.venv/bin/python -m pytest -n 2 tests/lab

clean:
	rm -rf .venv .venv-* *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
