# Every target in a line: `make help`.
# What tests, lints and runs selects the whole workspace, also where one package would do: with one selection every crate has
# one set of features and is compiled once. A package alone wants other features of most crates, and so all of them again.

CARGO ?= cargo
# `make run ARGS=--exit` ends by itself when the work is done.
ARGS ?=
CASES ?= 4000

.DEFAULT_GOAL := help
.PHONY: help run test test-long test-unit bench bench-sync build lint fmt deny unused docs clean servers python

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ## Watch rows being deleted in two phases through a misbehaving calendar (needs only Rust)
	$(CARGO) run --quiet --locked --bin sexton-example-calendar -- $(ARGS)

test: servers python ## Run all tests on private PostgreSQL and Redis servers
	$(CARGO) build --locked --workspace
	$(CARGO) test --locked --workspace -- --test-threads=4 --skip timing:: # most of them wait now and then
	$(CARGO) test --locked --workspace --test main -- --test-threads=1 timing::

test-long: servers ## What takes long: thousands of random sequences of events against the model (CASES=4000 on each database; SEXTON_MODEL_SEED repeats one), an outage with 50,000 due deletions, a minute of references that come and go, lanes with a million
	$(CARGO) build --locked --workspace
	SEXTON_LOAD=60 $(CARGO) test --locked --workspace --test main -- --test-threads=1 --nocapture timing::foreign_keys
	SEXTON_OUTAGE=50000 $(CARGO) test --locked --workspace --test main -- timing::outage
	SEXTON_LANE=1000000 $(CARGO) test --locked --workspace --test main -- --test-threads=1 timing::fairness gate::breaker::lane_with
	SEXTON_MODEL_CASES=$(CASES) $(CARGO) test --locked --workspace --test main -- model::cases --nocapture

test-unit: ## Run the tests that need no server
	$(CARGO) test --locked --workspace --exclude sexton-tests

bench: servers ## Measure deletions per second, and the same for a bare loop without ledger or queue
	$(CARGO) build --locked --release --package sexton-worker
	$(CARGO) bench --locked --package sexton-tests --bench throughput

bench-sync: servers ## Measure the sweep for unreferenced rows on 5 million rows, and an application beside it
	$(CARGO) build --locked --release --package sexton-worker
	$(CARGO) bench --locked --package sexton-tests --bench sync

build: ## Build the daemon for production
	$(CARGO) build --locked --release --package sexton-worker

lint: fmt docs deny unused ## Check format, lints, docs, licences, bans and unused dependencies
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

fmt: ## Check the format
	$(CARGO) fmt --all --check

docs: ## Build the documentation without warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet

deny: ## Check licences, bans, sources and duplicate versions (installs cargo-deny if it is missing)
	@scripts/tool.sh cargo-deny 0.20.2
	$(CARGO) deny --offline check bans licenses sources

unused: ## Look for unused dependencies (installs cargo-machete if it is missing)
	@scripts/tool.sh cargo-machete 0.9.2
	$(CARGO) machete

servers: ## Find or install the PostgreSQL and Redis that the tests start
	@scripts/servers.sh

python: ## Find or install the Python in which the tests run CalDAV and S3 servers and a PostgreSQL driver
	@scripts/python.sh

clean: ## Remove what was built
	$(CARGO) clean
