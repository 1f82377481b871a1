# Each target sets up .venv first (scripts/setup.sh, which is quick the second time) and then runs
# commands that also work by hand. `pytest -m "not slow"` leaves out the slow tests; `make test` and
# CI run all. Paths are relative, so that the folder may have any name.

.PHONY: search test check docs

search:
	@sh scripts/setup.sh
	.venv/bin/optiproxy search mnist1d --budget 60 --workers 2

test:
	@sh scripts/setup.sh test
	.venv/bin/python -m pytest -n 2

check:
	@sh scripts/setup.sh test
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

docs:
	@sh scripts/setup.sh test
	.venv/bin/python -m sphinx -W --keep-going -q docs docs/_build/html
	@echo docs/_build/html/index.html
