# pg_zdm: online schema change inside the server
#
# make && make install      with pg_config of the server in PATH, or PG_CONFIG=...
# test/check                builds, installs and runs every test
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
ifdef ZDM_DEBUG
PG_CPPFLAGS += -DZDM_DEBUG
endif

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
