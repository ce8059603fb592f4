# oauth1: signed API calls (OAuth 1.0, RFC 5849) from PostgreSQL.
#
#   make demo    install what is missing, build, run the main job end to end
#   make test    install what is missing, build, run every test
#   make bench   the speed table, as ratios against named limits
#   make torture kill whatever sends queued calls, at every point, and count
#
#   make && make install    build and install into the PostgreSQL of PG_CONFIG

EXTENSION = oauth1
DATA      = oauth1--1.0.sql
MODULE_big = oauth1

OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*/*.c src/*/*/*.c)))

PG_CPPFLAGS = -Isrc
PG_CFLAGS   = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
SHLIB_LINK  = -lcurl -lssl -lcrypto -lz

REGRESS           = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
ISOLATION         = $(sort $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS    = --inputdir=test/isolation
TAP_TESTS         = 1
PROVE_TESTS       = test/tap/*.pl

EXTRA_CLEAN = $(OBJS:.o=.d)

PG_CONFIG ?= pg_config
ifeq ($(wildcard $(shell command -v $(PG_CONFIG))),)
# Before the packages are there only the commands that install them can run.
.PHONY: demo test bench torture
demo test bench torture:
	@test/setup/run-$@
else

# No bitcode: nothing here gains from the server's JIT, and it needs a second compiler.
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# PGXS tracks no headers on Debian: let the compiler write the dependencies.
override CPPFLAGS := -MMD -MP $(CPPFLAGS)
-include $(OBJS:.o=.d)

.PHONY: demo test bench torture
demo test bench torture:
	@test/setup/run-$@

endif
