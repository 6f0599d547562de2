# Every target is one line of `make help`. All tools live in an environment of their own, .venv.
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help install check format test test-fast demo docs site bench-delayed bench-drain bench-latency bench-memory bench-peers bench-api bench-persistent bench-fleet chaos build release-check clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

install: ## Make .venv with goophry, its tests and tools, or bring it up to date
	@scripts/environment .venv dev >/dev/null

check: install ## The gate: format, lint, types, architecture, docs and their site
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python scripts/generate-docs --check
	$(BIN)/python -m pytest -q -n 0 tests/test_architecture.py tests/test_docs.py
	./scripts/site

format: install ## Put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: ## The gate and all tests, as continuous integration runs them
	./scripts/test

test-fast: install ## The tests without Redis, processes and threads; seconds
	$(BIN)/python -m pytest -q tests/unit

demo: ## Show goophry at work, with a Redis of its own
	./scripts/demo

docs: install ## Write anew what is generated: tables of keys and metrics, commands, routes, the man page
	$(BIN)/python scripts/generate-docs

site: install ## Make a site of the documentation in site/; a warning is an error
	./scripts/site

bench-drain: install ## Tasks a second from a full list, against what the kernel allows
	$(BIN)/python benchmarks/drain.py

bench-latency: install ## From the push to the script's first instruction
	$(BIN)/python benchmarks/latency.py

bench-memory: install ## Memory, descriptors, threads, and a long drain
	$(BIN)/python benchmarks/memory.py

bench-peers: install ## Other task queues running the same program
	$(BIN)/python benchmarks/peers.py

bench-delayed: install ## How late delayed tasks begin, with a million of them waiting
	$(BIN)/python benchmarks/delayed.py

bench-api: install ## Waiters, submissions beside busy workers, the price of an open dashboard
	$(BIN)/python benchmarks/api.py

bench-persistent: install ## A Python script per task, with Preload, and as kind persistent
	$(BIN)/python benchmarks/persistent.py

bench-fleet: install ## Where one Redis becomes the limit of a fleet: measured, modelled, checked
	$(BIN)/python benchmarks/fleet.py

chaos: ## Break goophry on purpose, for some minutes, and look for what it loses
	./scripts/chaos

build: install ## Build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

release-check: install ## Refuse unless version, tag and changelog say the same
	@version=$$($(BIN)/python -c 'import goophry; print(goophry.__version__)'); \
	newest=$$(sed -n '/^## \[/{p;q;}' CHANGELOG.md); \
	echo "$$newest" | grep -Eq "^## \[$$version\] - [0-9]{4}-[0-9]{2}-[0-9]{2}$$" || \
		{ echo "CHANGELOG.md: expected '## [$$version] - <date>' first, found '$$newest'" >&2; exit 1; }; \
	test -e "tests/golden/releases/$$version/redis.json" || { echo "nothing is recorded of $$version: scripts/record-formats" >&2; exit 1; }; \
	git tag --points-at HEAD | grep -qx "v$$version" || { echo "git: expected the tag v$$version on this commit" >&2; exit 1; }; \
	test -z "$$(git status --porcelain)" || { echo "git: there are changes that are not committed" >&2; exit 1; }; \
	echo "goophry $$version can be released"

clean: ## Remove what was built, measured and cached; the environments stay
	rm -rf dist site benchmarks/results .*_cache .hypothesis
	find goophry tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
