# pg_zdm: online schema change inside the server
#
# make && make install      with pg_config of the server in PATH, or PG_CONFIG=...
# make ZDM_DEBUG=1          adds the debug points that the tests hold workers at
# test/check                builds, installs and runs every test

EXTENSION = pg_zdm
MODULE_big = pg_zdm
PGFILEDESC = "pg_zdm - online schema change inside the server"

# Every .c file under src/ belongs to the library; the rooms are in DESIGN order.
ROOMS = src src/core src/catalog src/ddl src/verbs src/plan src/script src/sync src/backfill src/run src/api
OBJS = $(patsubst %.c,%.o,$(sort $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))))

DATA = $(wildcard sql/install/*.sql)

PG_CPPFLAGS = -I$(srcdir)/src
ifdef ZDM_DEBUG
PG_CPPFLAGS += -DZDM_DEBUG
endif

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# An object is stale when any header changes: the tree is small, a full list of
# dependencies is not worth its machinery.
HEADERS = $(sort $(foreach room,$(ROOMS),$(wildcard $(room)/*.h)))
$(OBJS): $(HEADERS)
