# SPDX-License-Identifier: GPL-2.0-or-later
# What each target is for is said in CONTRIBUTING.md.

# The distribution's Python: libvirt and lxml are built for it, and the stubs name it.
PYTHON ?= /usr/bin/python3
DESTDIR ?=
MANIFESTS ?=
# The files of one package alone; else those of all.
PACKAGE ?=
# Not empty: its package manager keeps a copy of the modules for programs that it has yet to replace.
KEPT ?=
# The package's, behind the version; else a digest of the modules tells builds apart.
RELEASE ?=
# Where cluster-glue has its plugins.
LIBDIR ?= $(if $(or $(wildcard /etc/debian_version),$(if $(wildcard /usr/lib64),,none)),/usr/lib,/usr/lib64)
PYTEST_ARGS ?=
FUZZ_S ?= 60
N ?= 20
MINUTES ?= 60
ROOT ?= /
FLAVOUR ?= everything
SEED ?=
ROUND ?=
FROM ?=
NOTE ?=
FUZZ_TARGETS := frames router tokens cluster

VERSION := $(shell sed -n 's/^VERSION = "\(.*\)"$$/\1/p' pmkvm/version.py)
SHIPPED := Makefile LICENSE README.md CHANGELOG.md CONTRIBUTING.md setup.cfg ruff.toml bootstrap .ci rpm \
    debian pmkvm agents stonith daemons vmctl check doc stubs tests
# All times in a package come from the last commit, so that two builds of it are alike.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
# On Debian rpm knows of no installed package, so build requirements can't be looked up.
NO_RPM_DATABASE := $(if $(wildcard /etc/debian_version),--nodeps)
# Nor does Debian's rpm know Debian's library directory.
DEBIAN_LIBDIR := $(if $(wildcard /etc/debian_version),--define '_libdir /usr/lib')
# rpm 4.20 has another word for "no time later than the commit's".
RPM_TIMES = $(shell rpm --version | awk '{ split($$3, v, "."); \
    print (v[1] > 4 || v[2] >= 20) ? "build_mtime_policy clamp_to_source_date_epoch" \
        : "clamp_mtime_to_source_date_epoch 1" }')
RPM_TREE := $(CURDIR)/build/rpmbuild
REPO := pm_kvm_tools-$(VERSION).repo
# Whose key signs the packages of the repository: what gpg calls it. Empty: nobody's.
SIGN_KEY ?=

UNIT_PYTHONS := 3.9 3.10 3.11 3.12 3.13
UNIT_STAGES := $(UNIT_PYTHONS:%=unit-%)
FUZZ_STAGES := $(FUZZ_TARGETS:%=fuzz-%)
CHECK := $(PYTHON) -B -m tests.check

# The packages that the hosts of a flavour install.
BUILT = $(if $(filter debian-like,$(FLAVOUR)),deb,rpm)
# The root of the hosts, built where it is a suite of Debian's that has not been built yet.
LAB_ROOT = $(if $(filter-out /,$(ROOT)),$(PYTHON) -B -m tests.lab root $(ROOT) >/dev/null)

.PHONY: help check demo lint types unit $(UNIT_STAGES) unit-3.14 tools lab lab-full fence-matrix fence-faults \
    scarcity split-brain soak search bench measurements fuzz $(FUZZ_STAGES) tarball rpm srpm repo deb install uninstall packages format clean
.DELETE_ON_ERROR:

help:
	@echo "make check | demo ROOT= FLAVOUR= | lint | types | unit | unit-3.N | tools | lab ROOT= FLAVOUR= | lab-full | fence-matrix | fence-faults |"
	@echo "     scarcity | split-brain N= | soak MINUTES= ROOT= SEED= ROUND= | search MINUTES= SEED= | bench | measurements FROM= NOTE= | fuzz | rpm | srpm |"
	@echo "     repo SIGN_KEY= | deb | install DESTDIR= | uninstall DESTDIR= | packages | format | clean: see CONTRIBUTING.md"

# --- two commands that set the machine up by themselves

check: packages
	@$(CHECK)

# ROOT=trixie or ROOT=sid: on hosts of a newer Debian; their root takes minutes to build.
# FLAVOUR=rhel-like or FLAVOUR=debian-like: see tests/lab/hosts/install.py.
demo: packages
	@$(MAKE) --no-print-directory $(BUILT) >/dev/null
	@$(LAB_ROOT)
	@$(PYTHON) -B -m tests.lab.demo --root $(ROOT) --flavour $(FLAVOUR)

packages:
	@./bootstrap --only-packages

# --- the stages of the check

lint: .venv/tools/ready
	.venv/tools/bin/ruff format --check .
	.venv/tools/bin/ruff check .

types: .venv/tools/ready
	.venv/tools/bin/mypy

unit:
	@$(CHECK) $(UNIT_STAGES)

$(UNIT_STAGES): unit-%: .venv/%/ready
	.venv/$*/bin/python -m pytest -q -o cache_dir=.cache/pytest-$* $(PYTEST_ARGS)

# With the Python of Debian's newest, which is no part of the check: its root takes minutes to build.
unit-3.14: packages
	root=$$($(PYTHON) -B -m tests.lab root sid) && \
	    unshare --mount .ci/in-root $$root python3.14 -m pytest -q -p no:cacheprovider $(PYTEST_ARGS)

tools: .venv/lab/ready
	.venv/lab/bin/python -m pytest -q -o cache_dir=.cache/pytest-tools tests/tools $(PYTEST_ARGS)

lab: .venv/lab/ready $(BUILT)
	@$(LAB_ROOT)
	.venv/lab/bin/python -m pytest -o cache_dir=.cache/pytest-lab tests/lab --lab-root $(ROOT) --lab-flavour $(FLAVOUR) \
	    --durations=25 --durations-min=10 $(PYTEST_ARGS)

# As often and as long as each test is meant to be; the check takes a sample. Hours, most of them
# the tables of faults and of scarcity: see fence-faults and scarcity.
lab-full: PYTEST_ARGS += --lab-full
lab-full: lab

# Every situation of a target by every way to fence it, on two hosts and on three. 15 minutes.
fence-matrix: .venv/lab/ready rpm
	.venv/lab/bin/python -m pytest -o cache_dir=.cache/pytest-lab tests/lab/cases/test_fence_matrix.py \
	    --lab-full $(PYTEST_ARGS)
	.venv/lab/bin/python -m pytest -o cache_dir=.cache/pytest-lab tests/lab/cases/test_fence_matrix.py \
	    --lab-full --lab-hosts 3 $(PYTEST_ARGS)

# Every daemon, host and administrator that fails at every state of a fence; a row for each cell in
# build/fence-faults.jsonl. Some 7 hours, 27 s a cell; PYTEST_ARGS=--lab-resume goes on where a run was ended.
fence-faults: .venv/lab/ready rpm
	.venv/lab/bin/python -m pytest -o cache_dir=.cache/pytest-lab tests/lab/cases/test_fence_faults.py \
	    --lab-full $(PYTEST_ARGS)

# A host, or what of ours runs on it, lacks memory, room, descriptors, processes or our files for 15 s, at
# each state of a fence and at each action of the agents; a row for each cell in build/scarcity.jsonl.
# Hours, a minute a cell; PYTEST_ARGS=--lab-resume goes on where a run was ended.
scarcity: .venv/lab/ready rpm
	.venv/lab/bin/python -m pytest -o cache_dir=.cache/pytest-lab tests/lab/cases/test_scarcity.py \
	    --lab-full $(PYTEST_ARGS)

# A cluster of guests that splits and comes together N times with each of its configurations; a line
# of build/split-brain.jsonl for each. The check does it once.
split-brain: .venv/lab/ready rpm
	rm -f build/split-brain.jsonl
	.venv/lab/bin/python -m pytest -s -o cache_dir=.cache/pytest-lab tests/lab/cases/test_split_brain.py \
	    --lab-cycles $(N) $(PYTEST_ARGS)

# Random fences on three hosts, each disturbed by up to three faults, for so many minutes; a row for
# each round in build/soak-ROOT.jsonl, ROOT by the hosts' distribution. Two may run side by side in
# labs of their own, so packages are built and taken by one at a time.
soak:
	@mkdir -p build
	@flock build/soak.lock $(MAKE) --no-print-directory rpm >/dev/null
	@$(LAB_ROOT)
	@$(PYTHON) -B -m tests.lab.soak --minutes $(MINUTES) --root $(ROOT) $(if $(SEED),--seed $(SEED)) \
	    $(if $(ROUND),--round $(ROUND))

# Simulated hosts and guests, one of which has valid tokens and knows the rules, for so many minutes:
# a line for each seed that breaks a promise.
search: .venv/3.11/ready
	.venv/3.11/bin/python -B -m tests.unit.vm_stonithd.simulation.search $(MINUTES) $(SEED)

# Not part of the check: figures need a quiet machine.
bench: .venv/lab/ready rpm
	.venv/lab/bin/python -m pytest -s -o cache_dir=.cache/pytest-bench tests/bench $(PYTEST_ARGS)

# The tables and pictures of doc/measurements, from the records there; FROM=build takes those of runs
# into them first. NOTE= is what is to be known of those runs.
measurements: .venv/figures/ready
	.venv/figures/bin/python -B -m tests.measurements $(if $(FROM),--from '$(FROM)') $(if $(NOTE),--note '$(NOTE)')

# Hostile bytes, FUZZ_S seconds for each target; the check takes fewer. What breaks one is left as
# .cache/fuzz/crash-*; the unit tests try the same targets on bytes drawn without a look at coverage.
fuzz: $(FUZZ_STAGES)

$(FUZZ_STAGES): fuzz-%: .venv/fuzz/ready
	.venv/fuzz/bin/python -m tests.fuzz $* .cache/fuzz/$* -max_total_time=$(FUZZ_S) \
	    -max_len=4096 -artifact_prefix=.cache/fuzz/

format: .venv/tools/ready
	.venv/tools/bin/ruff format .
	.venv/tools/bin/ruff check --fix .

# --- virtual environments

.venv/tools/ready: .ci/pins.txt
	.ci/venv .venv/tools "$(PYTHON)" ruff mypy pytest hypothesis lxml-stubs

# The lab needs what only the distribution has: the libvirt binding.
.venv/lab/ready: .ci/pins.txt
	.ci/venv .venv/lab "$(PYTHON) --system-site-packages" pytest hypothesis

.venv/fuzz/ready: .ci/pins.txt
	.ci/venv .venv/fuzz "$$(.ci/python 3.11)" atheris cryptography

# What draws the figures of doc/measurements, and nothing else.
.venv/figures/ready: .ci/pins.txt
	.ci/venv .venv/figures "$(PYTHON)" matplotlib

.venv/%/ready: .ci/pins.txt
	.ci/venv .venv/$* "$$(.ci/python $*)" pytest hypothesis lxml cryptography

# --- what users get

# The order of a frozenset in bytecode follows the hash seed before Python 3.11.
install: export SOURCE_DATE_EPOCH := $(SOURCE_DATE_EPOCH)
install:
	PYTHONHASHSEED=0 $(PYTHON) -B rpm/install.py --destdir='$(DESTDIR)' --python='$(PYTHON)' \
	    --libdir='$(LIBDIR)' --release='$(RELEASE)' $(if $(MANIFESTS),--manifests='$(MANIFESTS)') \
	    $(if $(PACKAGE),--package='$(PACKAGE)') $(if $(KEPT),--kept)

# But for an edited configuration, and keys. Refused while a cluster on this host names an agent of ours.
uninstall:
	$(PYTHON) -B rpm/install.py --uninstall --destdir='$(DESTDIR)' --libdir='$(LIBDIR)'

RPMBUILD = SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) rpmbuild --quiet $(NO_RPM_DATABASE) \
    --define '_topdir $(RPM_TREE)' --define '_rpmdir $(CURDIR)/build/rpm' --define '_srcrpmdir $(CURDIR)/build/srpm' \
    --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
    --define '_buildhost reproducible' --define 'use_source_date_epoch_as_buildtime 1' \
    --define '$(RPM_TIMES)' $(DEBIAN_LIBDIR)

tarball:
	rm -rf $(RPM_TREE)
	mkdir -p $(RPM_TREE)/SOURCES
	tar -czf $(RPM_TREE)/SOURCES/pm_kvm_tools-$(VERSION).tar.gz --exclude=__pycache__ --sort=name \
	    --owner=0 --group=0 --numeric-owner --mtime=@$(SOURCE_DATE_EPOCH) \
	    --transform='s,^,pm_kvm_tools-$(VERSION)/,' $(SHIPPED)

# build/rpm holds the packages of this build and nothing else.
rpm: tarball
	rm -rf build/rpm
	$(RPMBUILD) -bb --without tests rpm/pm_kvm_tools.spec
	@ls build/rpm/*.rpm

# What it builds runs the unit tests.
srpm: tarball
	rm -rf build/srpm
	$(RPMBUILD) -bs rpm/pm_kvm_tools.spec
	@ls build/srpm/*.src.rpm

# As on the slides: unpacked in /tmp, `dnf -c pacemaker.repo install pm_kvm_tools vm-ctl` installs from it.
repo: rpm
	rpm/repository '$(REPO)' '$(SIGN_KEY)' build/rpm/*.rpm
	tar -czf build/$(REPO).tar.gz --sort=name --owner=0 --group=0 --numeric-owner \
	    --mtime=@$(SOURCE_DATE_EPOCH) -C build $(REPO)
	@ls build/$(REPO).tar.gz

# The same packages for Debian, in build/deb. No compiler is needed, so build-essential isn't either.
deb: tarball
	rm -rf build/deb build/debuild
	mkdir -p build/deb build/debuild
	tar -xzf $(RPM_TREE)/SOURCES/pm_kvm_tools-$(VERSION).tar.gz -C build/debuild
	cd build/debuild/pm_kvm_tools-$(VERSION) && SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) DEB_BUILD_OPTIONS=nocheck \
	    dpkg-buildpackage --build=all --no-sign --no-check-builddeps >build.log 2>&1 || { tail -n 30 build.log >&2; exit 1; }
	mv build/debuild/*.deb build/deb
	@ls build/deb/*.deb

clean:
	rm -rf build .cache .venv
