# Both targets set up .venv first (scripts/setup.sh, which is quick the second time) and then run a
# command that also works by hand. `pytest -m "not slow"` leaves out the slow tests; `make test` and
# CI run all. Paths are relative, so that the folder may have any name.

.PHONY: search test

search:
	@sh scripts/setup.sh
	.venv/bin/optiproxy search mnist1d --budget 60 --workers 2

test:
	@sh scripts/setup.sh test
	.venv/bin/python -m pytest -n 2
