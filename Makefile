# pg_zdm: online schema change inside the server
#
# make && make install      with pg_config of the server in PATH, or PG_CONFIG=...
# make installcheck         every test, on temporary servers; no other has to run.
#                           After make install, as a user who may start a server,
#                           and write where its files are: test/module is installed.
#                           REGRESS="guard check" ISOLATION= TAP_TESTS=001_load
#                           chooses; nothing after the = is none of that kind.
# test/check                the same, on a copy of the server, with a summary
#
# In another directory, nothing is written into this one:
# make -f /path/to/pg_zdm/Makefile

EXTENSION = pg_zdm
MODULE_big = pg_zdm
PGFILEDESC = "pg_zdm - online schema change inside the server"

# Where this file is: PGXS only knows it as srcdir when it has been included.
here := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
in_tree = $(patsubst $(here)/%,%,$(sort $(wildcard $(addprefix $(here)/,$(1)))))

# Every .c file under src/ belongs to the library.
OBJS = $(patsubst %.c,%.o,$(call in_tree,src/*.c src/*/*.c))

DATA = $(call in_tree,sql/install/*.sql)

PG_CPPFLAGS = -I$(srcdir)/src

# Tests.  Each script and each specification has a database of its own: the
# launcher sees to that.
list_tests = $(shell PG_CONFIG='$(PG_CONFIG)' '$(here)/test/lib/list_tests' $(1))
launcher = --launcher='$(abspath $(here))/test/lib/in_new_database $(bindir) $(1)'
expected = $(if $(filter 14 15,$(MAJORVERSION)),,--expecteddir=$(1))

REGRESS ?= $(call list_tests,sql)
REGRESS_OPTS = --temp-instance=tmp_check --temp-config=$(here)/test/zdm.conf --no-locale \
	$(call expected,$(here)) \
	$(call launcher,log/postmaster.log $(CONTRIB_TESTDB))
REGRESS_PREP = install-test-module

ISOLATION ?= $(call list_tests,specs)
ISOLATION_OPTS = --temp-instance=tmp_check_iso --temp-config=$(here)/test/zdm.conf --no-locale \
	--inputdir=$(here)/test $(call expected,$(here)/test) \
	$(call launcher,output_iso/log/postmaster.log $(ISOLATION_TESTDB) pg_zdm zdm_test)

TAP_TESTS ?= $(call list_tests,t)
PROVE_TESTS = $(patsubst %,test/t/%.pl,$(basename $(notdir $(TAP_TESTS))))
override PROVE_FLAGS += -I $(abspath $(here))/test/lib

EXTRA_CLEAN = test/module/*.o test/module/*.so

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Only what is written by hand is looked for beside this file: an object that
# lies there was built for somebody else.
srcdir := $(srcdir)
override VPATH :=
vpath %.c $(srcdir)
vpath %.h $(srcdir)
vpath %.control $(srcdir)

# An object is stale when any header changes: the tree is small, a full list of
# dependencies is not worth its machinery.
products = $(OBJS) $(OBJS:.o=.bc)
$(products): $(call in_tree,src/*.h src/*/*.h) | $(sort $(dir $(OBJS)))
$(sort $(dir $(OBJS))):
	@mkdir -p $@

# What tests need inside the server.
.PHONY: test-module install-test-module
test_module = $(if $(filter /%,$(here)),,../../)$(here)/test/module
in_test_module = $(MAKE) -C test/module -f '$(test_module)/Makefile' VPATH='$(test_module)'
test-module: $(OBJS)
	@mkdir -p test/module
	+$(in_test_module) all
install-test-module: test-module
	+$(in_test_module) install
