# Both targets set up .venv first (scripts/setup.sh; nothing to do the second time) and then run a
# command that works by hand as well. Paths are relative, so that the folder may have any name.

.PHONY: search test

search:
	@sh scripts/setup.sh
	.venv/bin/optiproxy search mnist1d --budget 60 --workers 2

test:
	@sh scripts/setup.sh test
	.venv/bin/python -m pytest -n 2
