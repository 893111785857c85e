# Two commands are all: `make lab` shows a class through blind relays, `make test` runs every test.
# Each sets up what it needs: an environment in .venv, the Rust core, Debian packages when root.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
CRATE := rust/carry
RUST := $(shell find $(CRATE)/src -name '*.rs' 2>/dev/null) $(CRATE)/Cargo.toml $(CRATE)/Cargo.lock
PACKAGES := iproute2 nftables wireguard-tools wireguard-go openvpn strace faketime

export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/$(VENV)

# Downloads trust what the machine trusts, where it says so in the usual place.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export SSL_CERT_FILE ?= /etc/ssl/certs/ca-certificates.crt
endif

.PHONY: help env packages lab test check bench fuzz format clean

help:
	@echo "make lab     a real class over an emulated evening: direct, WireGuard, carnet; report in out/lab.html"
	@echo "make test    every test, and everything static"
	@echo "make check   everything static: ruff, mypy, clippy, layers, size caps, stub"
	@echo "make bench   the figures of the README, peers in the same run; out/bench.json"
	@echo "make fuzz    ten minutes for each parser of foreign bytes (FUZZ_SECONDS=600)"
	@echo "make env     the environment only; the command is $(BIN)/carnet"

env: .core.stamp

# Without python3-venv (Debian splits it off) there is no pip in a new environment.
$(BIN)/uv:
	@command -v cargo >/dev/null || { echo "carnet needs Rust 1.95 or later: no cargo on the PATH" >&2; exit 4; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); \
	  else echo "carnet needs the venv module: install python3-venv" >&2; exit 4; fi; }
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.env.stamp: $(BIN)/uv pyproject.toml uv.lock
	$(BIN)/uv sync --quiet --frozen --all-extras --no-install-project
	@touch $@

.core.stamp: .env.stamp $(RUST)
	$(BIN)/maturin develop --release --locked --uv --quiet
	@touch $@

packages:
	@missing=""; for p in $(PACKAGES); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing$$missing"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; \
	else echo "not root, or no apt-get: what needs$$missing is skipped, and says so"; fi

lab: env packages
	@mkdir -p out
	$(BIN)/carnet lab --report out/lab.html --json out/lab.json --picture out/lab.svg
	@echo "report: out/lab.html"

test: check packages
	cd $(CRATE) && cargo test --quiet --locked
	cd $(CRATE) && cargo test --quiet --locked --release --features virtual-time --test idle_day
	$(BIN)/pytest

check: env
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/stubtest carnet._carry --mypy-config-file pyproject.toml
	cd $(CRATE) && cargo fmt --check
	cd $(CRATE) && cargo clippy --quiet --locked --all-targets --features python -- -D warnings
	$(BIN)/pytest tests/architecture

bench: env packages
	@mkdir -p out
	$(BIN)/python -m bench --json out/bench.json

FUZZ_SECONDS ?= 600
fuzz: env
	fuzz/run $(FUZZ_SECONDS)

format: env
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	cd $(CRATE) && cargo fmt

clean:
	rm -rf $(VENV) $(CRATE)/target fuzz/target out .env.stamp .core.stamp
