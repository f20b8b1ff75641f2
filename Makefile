# Nothing is needed but make, Python 3.11 or later and a package index: each target makes the environment it needs.
#
#   make audit                      audit real networks on real images, and say where the report lies
#   make audit ARGS=timm:resnet50   audit a network by name (its packages: make models)
#   make test                       install what the tests need, and run them
#   make nightly                    attack the certifier at length: thousands of random networks, every perturbed rule
#   make lint                       ruff, mypy, and the floors of docs/architecture.md
#   make proofs                     check every theorem, and print the table (ARGS=NAME: print one proof)
#   make bench                      time convolution, layers, solves and singular values beside their peers on this machine,
#                                   into benchmarks/results: about an hour on a quiet machine (ARGS=--quick: minutes)
#   make gpu-check                  on a machine with an NVIDIA GPU: test and time the fused kernel, and write benchmarks/results;
#                                   elsewhere it says that there is none (status 3)
#   make atlas                      certify one architecture of each family of timm, and write docs/atlas (ALL=1: all of them, in hours; goes on
#                                   where it stopped; CONFIRM=1: also by brute force; RETRY=1: again what failed)
#
# PYTHON=python3.12         the interpreter to make .venv with
# TORCH='torch==2.13.0'     the torch requirement (default: the one in pyproject.toml)
# TEST_EXTRAS=test,models   what `make test` installs; without `models`, tests of timm and torchvision are skipped
# THREADS=1                 of every contender in `make bench`
# BENCHMARKS='layers solve' some of the benchmarks of `make bench` (default: all)
# CUDA=cuda13               the extra that `make gpu-check` installs CuPy with: cuda12 or cuda13, as the driver supports
# PYTHON_ENV=system         `make gpu-check` installs nothing and runs the machine's own Python and packages ($PYTHON, or python3)
# WORKERS=2                 test processes; one thread each

PYTHON ?=
TORCH ?=
TEST_EXTRAS ?= test,models
WORKERS ?= 2
THREADS ?= 1
BENCHMARKS ?= convolution growth one_shot gradients solve conv_operator layers
CUDA ?= cuda13
PYTHON_ENV ?=
ARGS ?=
ALL ?=
CONFIRM ?=
RETRY ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
STAMPS := $(VENV)/stamps

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help audit test nightly lint proofs atlas bench gpu-check models clean FORCE

help:  ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile
	@echo; sed -n 's/^# \([A-Z_]*=.*\)/  \1/p' Makefile

audit: $(STAMPS)/demo  ## audit real networks on real images (ARGS=MODEL for another network)
	$(BIN)/equiconv audit $(ARGS)

test: $(STAMPS)/test  ## run every test and every docstring's example
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

nightly: $(STAMPS)/test  ## attack the certifier with thousands of random networks and every perturbed rule
	OMP_NUM_THREADS=1 EQUICONV_RULE_NETWORKS=100 EQUICONV_RANDOM_NETWORKS=2000 $(BIN)/python -m pytest -n $(WORKERS) \
	  -m "nightly or not nightly" tests/certification $(ARGS)

lint: $(STAMPS)/lint  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

proofs: $(STAMPS)/proofs  ## check every theorem for all n, or print one (ARGS=NAME)
	$(BIN)/python -m proofs $(ARGS)

atlas: $(STAMPS)/models  ## which shifts the architectures of timm respect, as a table and a page in docs/atlas
	$(BIN)/python -m benchmarks.atlas $(if $(ALL),--all) $(if $(CONFIRM),--confirm) $(if $(RETRY),--retry) $(ARGS)

# The libraries read their number of threads when they are loaded, from these variables. Idle threads of one contender must rest,
# and not spin on the cores of the next.
bench: $(STAMPS)/bench  ## time what equiconv computes beside its peers, into benchmarks/results (ARGS='--quick --out FOLDER' to try)
	for benchmark in $(BENCHMARKS); do \
	  echo "benchmarks.$$benchmark"; \
	  OMP_NUM_THREADS=$(THREADS) MKL_NUM_THREADS=$(THREADS) OPENBLAS_NUM_THREADS=$(THREADS) OMP_WAIT_POLICY=PASSIVE \
	    $(BIN)/python -m benchmarks.$$benchmark --threads $(THREADS) $(ARGS) || exit 1; \
	done

# CuPy is large: it is installed where there is a GPU only.
GPU_ENV = $(if $(filter gpu-check,$(MAKECMDGOALS)),$(if $(shell nvidia-smi -L 2> /dev/null),$(STAMPS)/gpu,$(STAMPS)/test))

gpu-check: $(if $(filter system,$(PYTHON_ENV)),,$(GPU_ENV))  ## test and time the fused kernel on an NVIDIA GPU, and write benchmarks/results
	$(if $(filter system,$(PYTHON_ENV)),PYTHONPATH="$(CURDIR):$$PYTHONPATH" $(or $(PYTHON),python3),$(BIN)/python) -m benchmarks.gpu_check $(ARGS)

models: $(STAMPS)/models  ## install timm, torchvision and transformers beside equiconv

clean:  ## remove the environment, caches and built files
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis equiconv-report
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments -----------------------------------------------------------------------------------------------------
# One .venv for all targets. A stamp a target records what was installed; it is older than pyproject.toml or than the choice of
# TORCH when either changes, and then pip is asked again. One pip call a target, so that torch is resolved and fetched once.

$(STAMPS)/demo: EXTRAS = demo
$(STAMPS)/test: EXTRAS = $(TEST_EXTRAS)
$(STAMPS)/gpu: EXTRAS = test,$(CUDA)
$(STAMPS)/lint: EXTRAS = lint
$(STAMPS)/proofs: EXTRAS = proofs
$(STAMPS)/models: EXTRAS = demo,models
$(STAMPS)/bench: EXTRAS = bench

$(STAMPS)/bench $(STAMPS)/demo $(STAMPS)/gpu $(STAMPS)/lint $(STAMPS)/proofs $(STAMPS)/models: pyproject.toml $(STAMPS)/torch
$(STAMPS)/test: pyproject.toml $(STAMPS)/torch $(STAMPS)/test-extras

$(STAMPS)/bench $(STAMPS)/demo $(STAMPS)/test $(STAMPS)/gpu $(STAMPS)/lint $(STAMPS)/proofs $(STAMPS)/models:
	$(PIP) install --editable '.[$(EXTRAS)]' $(if $(TORCH),'$(TORCH)')
	@touch $@

# What was chosen on the command line, rewritten only when it differs.
$(STAMPS)/torch: FORCE | $(STAMPS)
	@echo '$(TORCH)' | cmp -s - $@ || echo '$(TORCH)' > $@

$(STAMPS)/test-extras: FORCE | $(STAMPS)
	@echo '$(TEST_EXTRAS)' | cmp -s - $@ || echo '$(TEST_EXTRAS)' > $@

# Versioned names are tried when python3 is too old; each is run, not only looked up, because a version manager leaves names
# that do not run. An environment that another tool made, or an interrupted one, is completed with pip and never thrown away.
$(STAMPS):
	@if [ ! -e $(VENV) ]; then \
	  for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python); do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1; then found="$$python"; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "equiconv needs Python 3.11 or later, and found: $$($(or $(PYTHON),python3) --version 2>&1)" >&2; \
	    echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; \
	    exit 1; \
	  fi; \
	  echo "making $(VENV) with $$found ($$("$$found" --version))"; \
	  "$$found" -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "$$found could not make an environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
	fi
	@$(PIP) --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip || { \
	  echo "$(VENV) holds no working Python: remove it with 'make clean' and run again" >&2; exit 1; }
	@mkdir -p $@

FORCE:
