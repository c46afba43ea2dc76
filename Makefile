# Every target in a line: `make help`.
# Tests, lints and runs select the whole workspace, also where one package would do. A package alone has other features
# of most crates, so that all of them would be compiled twice.

CARGO ?= cargo
# `make run ARGS=--exit` ends by itself when the work is done.
ARGS ?=
CASES ?= 4000
# What depends on the version of PostgreSQL: these suites run on the system's and on the newest.
NEWEST = config:: guard:: ledger::migrations sql_functions:: sweep::unreferenced deletion::triggers deletion::after

.DEFAULT_GOAL := help
.PHONY: help run test test-servers test-long test-unit bench bench-sync build
.PHONY: lint fmt fmt-check docs deny unused servers python clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ## Watch rows being deleted in two phases through a misbehaving calendar
	$(CARGO) run --locked --bin sexton-example-calendar -- $(ARGS)

test: servers python ## Run all tests on private PostgreSQL and Redis servers
	$(CARGO) build --locked --workspace
	$(CARGO) test --locked --workspace -- --test-threads=4 \
		--skip timing:: --skip connector::rare:: # most of them wait now and then
	SEXTON_TEST_NEWEST=1 $(CARGO) test --locked --workspace --test main -- --test-threads=4 --skip on_sqlite \
		$(NEWEST)
	SEXTON_TEST_VALKEY=1 $(CARGO) test --locked --workspace --test main -- --test-threads=4 --skip connector:: \
		transport:: support::redis
	$(CARGO) test --locked --workspace --test main -- --test-threads=1 timing::

test-servers: servers python ## Run the connectors' tests on rarer servers, and install those
	@scripts/rare-servers.sh
	$(CARGO) build --locked --workspace
	SEXTON_TEST_VALKEY=1 $(CARGO) test --locked --workspace --test main -- --test-threads=4 transport:: failure::redis
	$(CARGO) test --locked --workspace --test main -- --test-threads=2 connector::rare::

# In this order: a minute of references that come and go; an outage with 50,000 due deletions; lanes with a million;
# CASES sequences of events against the model on each database. SEXTON_MODEL_SEED repeats one sequence.
test-long: servers ## Run the long tests: load, outage, large lanes, random sequences
	$(CARGO) build --locked --workspace
	SEXTON_LOAD=60 $(CARGO) test --locked --workspace --test main -- --test-threads=1 --nocapture timing::foreign_keys
	SEXTON_OUTAGE=50000 $(CARGO) test --locked --workspace --test main -- timing::outage
	SEXTON_LANE=1000000 $(CARGO) test --locked --workspace --test main -- \
		--test-threads=1 timing::fairness gate::breaker::lane_with
	SEXTON_MODEL_CASES=$(CASES) $(CARGO) test --locked --workspace --test main -- model::cases --nocapture

test-unit: ## Run the tests that need no server
	$(CARGO) test --locked --workspace --exclude sexton-tests

bench: servers ## Measure deletions per second, and a bare loop beside it
	$(CARGO) build --locked --release --package sexton-worker
	$(CARGO) bench --locked --package sexton-tests --bench throughput

bench-sync: servers ## Measure the sweep `unreferenced` on 5 million rows
	$(CARGO) build --locked --release --package sexton-worker
	$(CARGO) bench --locked --package sexton-tests --bench sync

build: ## Build the daemon for production
	$(CARGO) build --locked --release --package sexton-worker

lint: fmt-check docs deny unused ## Check format, lints, docs and dependencies; change nothing
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

fmt: ## Format the code
	$(CARGO) fmt --all

fmt-check: ## Check the format
	$(CARGO) fmt --all --check

docs: ## Build the documentation without warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet

deny: ## Check licences, bans, sources and advisories of dependencies
	@scripts/tool.sh cargo-deny 0.20.2
	$(CARGO) fetch --locked --quiet # those of other platforms too: their licences count
	$(CARGO) deny --offline check bans licenses sources
	@scripts/advisories.sh

unused: ## Look for unused dependencies
	@scripts/tool.sh cargo-machete 0.9.2
	$(CARGO) machete

servers: ## Find or install the PostgreSQL and Redis that tests start
	@scripts/servers.sh

python: ## Find or install the Python that tests use
	@scripts/python.sh

clean: ## Remove what was built
	$(CARGO) clean
