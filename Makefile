# The two commands to start with: make demo, make test. Both do all set-up themselves.

.PHONY: help demo test setup rpm check unit lab soak bench fuzz syscalls lock clean

help:
	@echo "make demo   watch the service relay a dead switch to a pod, on a real kernel"
	@echo "make test   run every check: format, lint, types, unit tests, lab scenarios"
	@echo "make rpm    build the package and its source package into dist/"
	@echo "make check | unit | lab   run a part of the tests"
	@echo "make lab SYSTEM=trixie   run the scenarios under systemd in guests with Debian 13 (at first 260 MB, 2 minutes more)"
	@echo "make soak [SEQUENCES=1000] [STEPS=30] [SEED=1]   play what can happen to a host (1 hour)"
	@echo "make bench [PEER=PROGRAM]   measure reaction and cost, beside another relay (25 minutes)"
	@echo "make fuzz [SECONDS=60] [TARGETS=...]   fuzz what comes from outside, so long for each input"
	@echo "make syscalls [SCENARIOS='-k NAME'] [INTERPRETER=PYTHON]   trace the lab, compare with the unit (10 minutes)"
	@echo "make lock   renew the locked versions of all that is installed from PyPI, and print what moved"
	@echo "make clean  remove what the other targets made here (the lab's kernel stays in the cache)"

ON_SYSTEM = PF_STATUS_RELAY_LAB_SYSTEM='$(SYSTEM)' .venv/bin/python -m pytest tests/lab -m 'systemd and not host_python'

demo: setup rpm
	@.venv/bin/python -m tests.lab.demo

test: check unit lab

setup:
	@tests/setup

rpm:
	@tests/setup rpm
	@packaging/build

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

# With SYSTEM=trixie: only the scenarios under systemd, in guests with Debian 13.
lab: setup rpm
	@printf '\n== Lab scenarios on a real kernel\n'
ifdef SYSTEM
	@tests/setup system '$(SYSTEM)'
	@printf 'In guests with %s. Deselected is what depends on nothing of it:\n' '$(SYSTEM)'
	@$(ON_SYSTEM) --collect-only -q | tail -n 1
	$(ON_SYSTEM) -n 2
else
	.venv/bin/python -m pytest -n 2 tests/lab
endif

soak: setup
	@.venv/bin/python -m tests.lab.soak $(if $(SEQUENCES),--sequences $(SEQUENCES)) $(if $(STEPS),--steps $(STEPS)) \
		$(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

bench: setup
	@tests/setup bench
	@.venv/bin/python -m tests.bench $(if $(PEER),--peer '$(PEER)') $(BENCH_ARGUMENTS)

fuzz: setup
	@tests/setup fuzz
	@.venv/bin/python -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(TARGETS)

syscalls: setup rpm
	@tests/setup strace
	@.venv/bin/python -m tests.lab.kit.syscalls $(if $(INTERPRETER),--interpreter '$(INTERPRETER)') $(SCENARIOS)

lock:
	@tests/setup rpm
	@.venv/bin/python requirements/renew.py

clean:
	rm -rf .venv .venv-* build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
