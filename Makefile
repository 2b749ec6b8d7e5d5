# SPDX-License-Identifier: GPL-2.0-or-later
# What the targets do is said in CONTRIBUTING.md.

PYTHON ?= /usr/bin/python3
DESTDIR ?=
MANIFEST ?=

VERSION := $(shell sed -n 's/^VERSION = "\(.*\)"$$/\1/p' pmkvm/version.py)
SHIPPED := Makefile LICENSE $(wildcard README.md CHANGELOG.md) setup.cfg rpm pmkvm agents stonith daemons vmctl
# All times in a package come from the last commit, so that two builds of it are alike.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
export SOURCE_DATE_EPOCH
# On Debian rpm knows of no installed package, so the build requirements can't be looked up.
NO_RPM_DATABASE := $(if $(wildcard /etc/debian_version),--nodeps)
RPM_TREE := $(CURDIR)/build/rpmbuild

.PHONY: install rpm clean

# The order of a frozenset in bytecode follows the hash seed before Python 3.11.
install:
	PYTHONHASHSEED=0 $(PYTHON) -B rpm/install.py --destdir='$(DESTDIR)' --python='$(PYTHON)' \
	    $(if $(MANIFEST),--manifest='$(MANIFEST)')

# build/rpm holds the packages of this build and nothing else.
rpm:
	rm -rf build/rpm $(RPM_TREE)
	mkdir -p build/rpm $(RPM_TREE)/SOURCES $(RPM_TREE)/SPECS
	tar -czf $(RPM_TREE)/SOURCES/pm_kvm_tools-$(VERSION).tar.gz --exclude=__pycache__ --sort=name \
	    --owner=0 --group=0 --numeric-owner --mtime=@$(SOURCE_DATE_EPOCH) \
	    --transform='s,^,pm_kvm_tools-$(VERSION)/,' $(SHIPPED)
	sed 's/@VERSION@/$(VERSION)/' rpm/pm_kvm_tools.spec > $(RPM_TREE)/SPECS/pm_kvm_tools.spec
	rpmbuild --quiet -bb $(NO_RPM_DATABASE) $(RPM_TREE)/SPECS/pm_kvm_tools.spec \
	    --define '_topdir $(RPM_TREE)' --define '_rpmdir $(CURDIR)/build/rpm' \
	    --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
	    --define '_buildhost reproducible' --define 'use_source_date_epoch_as_buildtime 1' \
	    --define 'clamp_mtime_to_source_date_epoch 1'
	@ls build/rpm/*.noarch.rpm

clean:
	rm -rf build
