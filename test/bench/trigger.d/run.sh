#!/bin/bash
# run.sh: the inner half of test/bench/trigger.
#
# The variants take turns in each round, so that what else the machine does
# falls on all of them alike.
set -u -o pipefail

. test/lib/machine.sh
. test/lib/build.sh

ROWS=${ZDM_BENCH_ROWS:-100000}
ROUNDS=${ZDM_BENCH_ROUNDS:-7}

build_and_install || die "the build failed"
cc -O2 -fPIC -shared -I"$("$PG_CONFIG" --includedir-server)" \
	-o "$WORK/bench.so" test/bench/trigger.d/bench.c || die "bench.c does not compile"

mkdir -p "$WORK/s"
export PGHOST=$WORK/s PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
initdb -D "$WORK/data" -A trust -N --no-locale -E UTF8 -U postgres >"$WORK/initdb.log" &&
	cat >>"$WORK/data/postgresql.conf" <<-EOC &&
		shared_preload_libraries = 'pg_zdm'
		listen_addresses = ''
		unix_socket_directories = '$PGHOST'
		shared_buffers = 256MB
		max_wal_size = 4GB
		autovacuum = off
		fsync = off
		jit = off
		zdm.guard = off
	EOC
	pg_ctl start -s -w -D "$WORK/data" -l "$WORK/server.log" || die "the server does not start"

psql -X -q -v ON_ERROR_STOP=1 -v library="$WORK/bench.so" -f test/bench/trigger.d/setup.sql >"$WORK/setup.log" ||
	die "setup failed"
for ((round = 0; round <= ROUNDS; round++)); do
	psql -X -q -v ON_ERROR_STOP=1 -c "CALL bench.round($round, $ROWS)" || die "round $round failed"
done
psql -X -q -v ON_ERROR_STOP=1 -f test/bench/trigger.d/report.sql || die "report failed"
[ "$(psql -X -q -A -t -c 'SELECT bool_and(ratio <= at_most) FROM bench.promise')" = t ]
