# SPDX-License-Identifier: GPL-3.0-or-later
#
# mi: filters over one library. `make help` lists the targets.
#
# A tool is one file cmd/mi-NAME.c, with what it has in cmd/NAME/, and is found by its name, as is every file of lib/,
# man/, share/ and tests/unit/.
# All that is generated lies under $(O); a build with other flags takes an own one (see `asan`).

O       = build
PREFIX  = /usr/local
CC      = gcc
CFLAGS  = -O2 -g

BINDIR  = $(DESTDIR)$(PREFIX)/bin
LIBDIR  = $(DESTDIR)$(PREFIX)/lib
INCDIR  = $(DESTDIR)$(PREFIX)/include
MANDIR  = $(DESTDIR)$(PREFIX)/share/man
DATADIR = $(DESTDIR)$(PREFIX)/share/mi
COMPDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions

# Libraries, all of them here; --as-needed drops from each program what it does not use. Two that take long to load, 4
# and 15 ms, are in no program: lib/num/blas.c loads OpenBLAS, where it is there, and lib/num/boost.c XGBoost when
# needed; a unit test calls the latter itself.
LIBS    = -lxgboost -lnlopt -lcsv -ljansson -lsqlite3 -lgsl -lgslcblas -lm -lpthread
VERSION := $(shell sed -n 's/^.define MI_VERSION *"\(.*\)"/\1/p' lib/mi.h)
SONAME  = libmi.so.0

WARN    = -Wall -Wextra -Wconversion -Wshadow
COMPILE = $(CC) -std=c17 -D_POSIX_C_SOURCE=200809L -Ilib -Icmd $(WARN) -fPIC -fvisibility=hidden \
	-ffunction-sections -fdata-sections $(CPPFLAGS) $(CFLAGS)
LINK    = $(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed -Wl,--gc-sections

# For a make within a make that was not told how many jobs.
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

TOOLS   := $(patsubst cmd/%.c,%,$(wildcard cmd/mi-*.c))
LIBOBJ  := $(patsubst %.c,$(O)/obj/%.o,$(wildcard lib/*/*.c))
COMMON  := $(patsubst %.c,$(O)/obj/%.o,$(wildcard cmd/common/*.c))
PARTS   := $(patsubst %.c,$(O)/obj/%.o,$(filter-out cmd/common/%,$(wildcard cmd/*/*.c)))
TOOLOBJ := $(TOOLS:%=$(O)/obj/cmd/%.o)
UNITS   := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test-*.c))
FUZZ    := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/fuzz-*.c))
PROGS   := $(TOOLS:%=$(O)/bin/%)
MANS    := $(patsubst man/%,$(O)/man/%,$(wildcard man/*.[1-9]))
SHARE   := $(shell find share -type f 2>/dev/null)
EXAMPLES := $(shell find examples -type f 2>/dev/null)

all: $(PROGS) $(O)/libmi.a $(O)/libmi.so $(MANS)  ## programs in build/bin, the library beside it (the default)

units: $(UNITS) $(FUZZ)

deps:  ## install what is missing to build and test (Debian; elsewhere it says what is)
	@.ci/deps

demo:  ## the analyst's afternoon on real data, from a clone with nothing installed
	@.ci/deps build
	@$(MAKE) --no-print-directory -s $(PARALLEL) all
	@PATH="$(abspath $(O))/bin:$$PATH" sh examples/analyst.sh "$(abspath $(O))/demo"

check:  ## all tests; T=mi-roi/ those of one tool or case, WRAP=valgrind its programs under valgrind
	@.ci/deps build test
	@$(MAKE) --no-print-directory -s -k $(PARALLEL) all units helpers || broken=1; \
		BUILD=$(O) WRAP='$(WRAP)' BROKEN=$$broken tests/check $(T)

accept:  ## T=mi-roi/open: take what the cases print now as expected; review with git diff
	@$(if $(T),,echo 'accept what? T=mi-roi/' >&2; exit 2)
	@$(MAKE) --no-print-directory -s $(PARALLEL) all
	@BUILD=$(O) tests/run-cases --accept $(T)

asan:  ## programs and unit tests with address and undefined-behaviour sanitizers, in build/asan
	@$(MAKE) --no-print-directory O=$(O)/asan CFLAGS='-O1 -g -fno-omit-frame-pointer \
		-fsanitize=address,undefined -fno-sanitize-recover=all' all units

faults:  ## every n-th malloc, read and write fails once (make check samples some n)
	@$(MAKE) --no-print-directory -s $(PARALLEL) all helpers
	@BUILD=$(O) EVERY=1 tests/checks/faults

fuzz:  ## random records and curves against libcsv and jansson, SECONDS=60
	@$(MAKE) --no-print-directory -s $(PARALLEL) asan
	@BUILD=$(O)/asan SECONDS_EACH=$(or $(SECONDS),60) tests/checks/fuzz

models: all  ## fits the models of share/models anew, from what stands there and from mi-simulate
	$(O)/bin/mi-ltv fit -q --model=auto -o share/models/online-retail.json share/models/online-retail.csv
	$(O)/bin/mi-simulate users --count=200000 --seed=1 | \
		$(O)/bin/mi-ltv fit -q --by=ad_network,geo -o share/models/mobile-users-simulated.json

bench:  ## speed, memory and accuracy against peers in the same run; T='records cpa' some topics
	@$(MAKE) --no-print-directory -s $(PARALLEL) all
	@PATH="$(abspath $(O))/bin:$$PATH" tests/bench/run $(T)

bench-loop:  ## what each way of deciding earns on the simulated market, a table and build/loop/loop.svg
	@$(MAKE) --no-print-directory -s $(PARALLEL) all
	@BUILD=$(O) tests/bench/loop

dist:  ## build/mi-VERSION.tar.gz from the last commit, built and tested
	@BUILD=$(O) tests/dist $(VERSION)

install: all  ## PREFIX=/usr/local, DESTDIR=
	install -d $(BINDIR) $(LIBDIR)/pkgconfig $(INCDIR) $(COMPDIR)
	install -m 755 $(PROGS) $(BINDIR)
	install -m 644 $(O)/libmi.a $(LIBDIR)
	install -m 755 $(O)/libmi.so $(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(LIBDIR)/libmi.so
	install -m 644 lib/mi.h $(INCDIR)
	sed 's,@PREFIX@,$(PREFIX),; s,@VERSION@,$(VERSION),' lib/mi.pc.in > $(LIBDIR)/pkgconfig/mi.pc
	for tool in $(TOOLS); do $(O)/bin/$$tool --completion=bash > $(COMPDIR)/$$tool || exit 1; done
	for page in $(MANS); do install -D -m 644 $$page $(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; done
	for file in $(SHARE:share/%=%); do install -D -m 644 share/$$file $(DATADIR)/$$file || exit 1; done
	for file in $(EXAMPLES); do install -D -m $$(stat -c %a $$file) $$file $(DATADIR)/$$file || exit 1; done

uninstall:  ## what install put there
	rm -f $(TOOLS:%=$(BINDIR)/%) $(TOOLS:%=$(COMPDIR)/%)
	rm -f $(LIBDIR)/libmi.a $(LIBDIR)/libmi.so $(LIBDIR)/$(SONAME) $(LIBDIR)/pkgconfig/mi.pc $(INCDIR)/mi.h
	for page in $(MANS); do rm -f $(MANDIR)/man$${page##*.}/$${page##*/}; done
	rm -rf $(DATADIR)

clean:  ## remove build/
	rm -rf $(O)

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' Makefile

# What the lists and flags were at the last build: a removed file or another flag makes anew what depends on it.
define remember
	@mkdir -p $(@D)
	@echo '$(1)' | cmp -s - $@ || echo '$(1)' > $@
endef
$(O)/flags: FORCE
	$(call remember,$(COMPILE) / $(LINK) $(LIBS))
$(O)/objects: FORCE
	$(call remember,$(LIBOBJ))
$(O)/common: FORCE
	$(call remember,$(COMMON) $(PARTS))

$(O)/obj/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c $< -o $@

$(O)/libmi.a: $(LIBOBJ) $(O)/objects
	@rm -f $@.new
	ar rc $@.new $(LIBOBJ)
	@mv $@.new $@

# An archive, so that a program takes from it only what it uses, and loads only the libraries of that.
$(O)/common.a: $(COMMON) $(O)/common
	@rm -f $@.new
	ar rc $@.new $(COMMON)
	@mv $@.new $@

$(O)/libmi.so: $(LIBOBJ) $(O)/objects
	$(LINK) -shared -Wl,-soname,$(SONAME) -Wl,-z,defs -o $@.new $(LIBOBJ) $(LIBS)
	@mv $@.new $@

# The parts that a tool has beside its own file: those of cmd/NAME/.
parts = $(filter $(O)/obj/cmd/$(1:mi-%=%)/%,$(PARTS))

.SECONDEXPANSION:
$(PROGS): $(O)/bin/%: $(O)/obj/cmd/%.o $$(call parts,$$*) $(O)/common.a $(O)/libmi.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $< $(call parts,$*) $(O)/common.a $(O)/libmi.a $(LIBS)

$(UNITS): $(O)/unit/%: $(O)/obj/tests/unit/%.o $(O)/libmi.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $< $(O)/libmi.a -lcmocka $(LIBS)

FUZZING = $(O)/obj/tests/fuzz/driver.o $(O)/obj/tests/fuzz/records.o
$(FUZZ): $(O)/fuzz/%: $(O)/obj/tests/fuzz/%.o $(FUZZING) $(O)/libmi.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $< $(FUZZING) $(O)/libmi.a $(LIBS)

# The options that tools share stand once: man/common/NAME takes the place of a line @NAME@.
$(O)/man/%: man/% $(wildcard man/common/*)
	@mkdir -p $(@D)
	sed $(foreach part,$(wildcard man/common/*),-e '/^@$(notdir $(part))@$$/{' -e 'r $(part)' -e 'd' -e '}') $< > $@

# What only tests need.
HELPERS = $(O)/tests/usage $(O)/tests/fail.so
helpers: $(HELPERS)
$(O)/tests/usage: tests/usage.c $(O)/flags
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $<
$(O)/tests/fail.so: tests/fail.c $(O)/flags
	@mkdir -p $(@D)
	$(COMPILE) -D_GNU_SOURCE -fvisibility=default -shared -o $@ $< -ldl

FORCE:
.PHONY: FORCE all units helpers deps demo check accept asan faults fuzz models bench bench-loop dist install uninstall clean help
.SECONDARY:
.DELETE_ON_ERROR:

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
