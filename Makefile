# SPDX-License-Identifier: MIT
# The ways into kexec-harness. Every target sets up what it needs; `make` alone prints what there is.
# GNU make ends with status 2 for any failure; the failed command's own status stands in its last line ("Error 1").

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

# ---- variables ------------------------------------------------------------------------------------------------
# Settings of a run. Given on the command line they reach the harness as KEXEC_<NAME> in its environment, never
# through a shell, so that a value may hold spaces, quotes and dollar signs.
# (harness/config/table.py has them all; a test compares.)
SETTINGS := DEVICE IMAGE FIRMWARE LOADER KERNEL MACHINE MODULES INITRD METHODS BLOCKS JOBS SEED STOP RESULTS ACCEL MIRROR \
            SELECT FAULT FAULT_RATE CHAIN MEMORY SMP MARGIN FAILURE_BUDGET MAX_FAILURE_RATE MAX_SLOWDOWN FIRMWARE_SECONDS \
            CYCLE_SECONDS SHARD MATRIX IMAGES_DIR CACHE_DIR QEMU SCREEN KEEP_DISK KEEP_MEMORY ARTEFACTS_MIB DEVICE_ARGS
# pytest's -k, the Python that `make setup` uses, which readers to fuzz and for how long.
OTHERS := K PYTHON FUZZ SECONDS

given = $(filter command override,$(firstword $(origin $(1))))
# MIRROR is also taken from the environment, where it is usually said once for a machine.
named = $(or $(call given,$(1)),$(and $(filter MIRROR,$(1)),$(filter environment,$(origin MIRROR))))
GIVEN := $(strip $(foreach name,$(.VARIABLES),$(if $(call given,$(name)),$(name))))
# Variables that belong to make itself.
UNKNOWN := $(filter-out $(SETTINGS) $(OTHERS) SHELL MAKEFLAGS MAKEFILES,$(GIVEN))

quoted = '$(subst ','\'',$(1))'
define SUGGEST
import difflib, sys
print(*(f"(did you mean {name}?)" for name in difflib.get_close_matches(sys.argv[1].upper(), sys.argv[2:], n=1)))
endef
define newline


endef
suggestion = $(shell printf '%b' $(call quoted,$(subst $(newline),\n,$(SUGGEST))) | python3 - $(call quoted,$(1)) $(SETTINGS) $(OTHERS) 2>/dev/null)
ifneq (,$(UNKNOWN))
$(error unknown variable: $(foreach name,$(UNKNOWN),$(name) $(call suggestion,$(name)))   known: $(SETTINGS) $(OTHERS))
endif

# $(value) keeps dollar signs as they are. A variable given without a value counts as not given.
define forward
ifneq (,$$(if $$(call named,$(1)),$$(value $(1))))
export $(2) := $$(value $(1))
endif
endef
$(foreach name,$(SETTINGS),$(eval $(call forward,$(name),KEXEC_$(name))))
$(eval $(call forward,K,HARNESS_K))
unexport $(SETTINGS) K
ifneq (,$(value PYTHON))
export PYTHON
endif

PYTEST := .venv/bin/pytest
OPTIONS := $${HARNESS_K:+-k "$$HARNESS_K"}

# ---- targets --------------------------------------------------------------------------------------------------
.PHONY: help setup doctor images soak scenarios matrix bench selftest test check fuzz report kexec-load-deb lock clean

help:
	@echo 'usage: make TARGET [NAME=value ...]'
	@echo
	@echo '  soak      reboot one machine by kexec and cold in blocks, and compare:'
	@echo '            make soak DEVICE=virtio-net IMAGE=debian-13 BLOCKS=10 METHODS=kexec,cold FIRMWARE=seabios'
	@echo '                 LOADER=grub KERNEL=default MACHINE=q35 SEED=1 STOP=auto RESULTS=results ACCEL=auto JOBS=1'
	@echo '  scenarios  every scenario but the soak, on the default cell or others: make scenarios SELECT=releases JOBS=2'
	@echo '  matrix    the soak on a selection of cells of scenarios/matrix.toml, with its cost said first:'
	@echo '            make matrix SELECT=smoke|devices|distros|full, and SHARD=2/5 SEED=1 for one of five machines'
	@echo '  bench     what late loading takes and saves (docs/late-loading.md), BLOCKS times each:'
	@echo '            make bench K=memory|time|pressure|atomic IMAGE=debian-13 BLOCKS=10'
	@echo '  selftest  inject faults into reboots, and hold the verdicts against those that they must get:'
	@echo '            make selftest IMAGE=debian-12,debian-13 JOBS=2 K=fault-name'
	@echo '  images    build every image that is not built yet: make images MIRROR=...'
	@echo '  report    the newest run once more, from its records'
	@echo '  doctor    what this host can do'
	@echo '  test      the checks, then real machines; 20 minutes or so'
	@echo '  check     tests, linters and types without any machine; under a minute'
	@echo '  fuzz      a longer search for input that breaks a reader: make fuzz FUZZ=console SECONDS=60'
	@echo '  setup     system packages and .venv; every target does it when it is needed'
	@echo '  kexec-load-deb  build/kexec-load_VERSION_all.deb, the reboot service as a Debian package'
	@echo '  lock      renew requirements.lock'
	@echo '  clean     remove .venv and tool caches (not results, not built images)'
	@echo
	@echo 'variables: $(SETTINGS) $(OTHERS)'
	@echo 'K picks tests as pytest -k does; DEVICE, IMAGE, FIRMWARE, METHODS, ... take several names (a,b).'
	@echo 'make ends with status 2 for any failure; the real one stands in its last line.'

setup:
	@sh setup.sh

doctor: setup
	@.venv/bin/kexec-harness doctor

images: setup
	@.venv/bin/kexec-harness images build

soak: setup
	@$(PYTEST) scenarios/test_soak.py $(OPTIONS)

scenarios: setup
	@$(PYTEST) scenarios --ignore=scenarios/test_soak.py $(OPTIONS)

# Says first what will run and what that costs.
matrix: export KEXEC_SELECT ?= smoke
matrix: setup
	@.venv/bin/kexec-harness matrix list
	@$(PYTEST) scenarios/test_soak.py $(OPTIONS)

# Measures and prints; judges nothing. Without BLOCKS each benchmark takes a number of its own.
bench: setup
	@$(PYTEST) benchmarks $(OPTIONS)

# K names one fault; without it, all of them and 16 clean reboots on each image.
selftest: export KEXEC_JOBS ?= 2
# Two machines of one CPU each: what a host with two CPUs emulates best.
selftest: export KEXEC_SMP ?= 1
selftest: setup
	@.venv/bin/kexec-harness selftest $${HARNESS_K:+--fault "$$HARNESS_K" --clean 0}

# One run of pytest, so that its last line counts everything. One block is one kexec and one cold reboot, of a machine
# with one CPU: its verdict is on the project, and not on a host that emulates two and has no more itself.
test: export KEXEC_BLOCKS ?= 1
test: export KEXEC_SMP ?= 1
test: setup
	@$(PYTEST) tests scenarios -m 'not provoked and not thorough' $(OPTIONS)

check: setup
	@$(PYTEST) tests --numprocesses=auto $(OPTIONS)

# Looks for input that breaks a reader of untrusted bytes; the tests' short look is part of make check.
fuzz: setup
	@.venv/bin/pip install --quiet --disable-pip-version-check 'atheris>=3.0'
	@for target in $(if $(call given,FUZZ),$(FUZZ),agent console log qmp recorded-log transcript); do \
	    echo "fuzz: $$target for $(if $(call given,SECONDS),$(SECONDS),60) s"; \
	    .venv/bin/python tests/fuzz/explore.py $$target -max_total_time=$(if $(call given,SECONDS),$(SECONDS),60) -rss_limit_mb=1024 \
	        -verbosity=0 -print_final_stats=1 || exit; \
	done

report: setup
	@.venv/bin/kexec-harness report "$${KEXEC_RESULTS:-results}/latest"

# lintian's word counts where it is installed; the tests hold what it can be held to without it.
kexec-load-deb:
	@$(MAKE) --silent -C images/kexec-load deb
	@if command -v lintian >/dev/null; then lintian --allow-root --fail-on error,warning build/kexec-load_*_all.deb; fi

lock:
	@mkdir -p build && python3 -m venv build/lock && build/lock/bin/pip install --quiet --disable-pip-version-check uv
	@printf 'setuptools>=77\n' | build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	    --generate-hashes --upgrade --extra dev --custom-compile-command 'make lock' \
	    --output-file requirements.lock pyproject.toml -

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find benchmarks harness tests scenarios -name __pycache__ -type d -prune -exec rm -rf {} +
