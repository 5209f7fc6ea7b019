# The commands of whoever changes qdash; CONTRIBUTING.md says when to run which. They use the environment that is active.
.PHONY: check quick house picture

check:  ## what CI checks
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	python tools/house.py --check
	pytest

quick:  ## under a minute: style, floors, and the tests that need no process, server or sweep of their own
	ruff check .
	lint-imports
	pytest -m quick

house:  ## the figures of the house, with their places
	python tools/house.py --check

picture:  ## README's picture, taken anew; needs Chromium
	python -m tools.picture
