#!/bin/bash
# run.sh: the inner half of test/bench/guard.
#
# The two servers take turns in each round, so that what else the machine does
# falls on both alike, and the medians are compared.
set -u -o pipefail

. test/lib/machine.sh
. test/lib/build.sh

SECONDS_EACH=${ZDM_BENCH_SECONDS:-10}
ROUNDS=${ZDM_BENCH_ROUNDS:-7}

build_and_install || die "the build failed"
export PGUSER=postgres PGDATABASE=postgres

# start_server NAME PORT LIBRARIES: a server with pgbench's tables and a small schema.
start_server() {
	mkdir -p "$WORK/s"
	initdb -D "$WORK/$1" -A trust -N --no-locale -E UTF8 -U postgres >"$WORK/initdb.log" &&
		cat >>"$WORK/$1/postgresql.conf" <<-EOC &&
			shared_preload_libraries = '$3'
			listen_addresses = ''
			unix_socket_directories = '$WORK/s'
			port = $2
			shared_buffers = 256MB
			max_wal_size = 4GB
			autovacuum = off
			fsync = off
		EOC
		pg_ctl start -s -w -D "$WORK/$1" -l "$WORK/$1.log" || die "the server does not start"
	PGHOST=$WORK/s PGPORT=$2 pgbench -i -s 10 -q >/dev/null 2>&1 || die "pgbench -i failed"
	PGHOST=$WORK/s PGPORT=$2 psql -X -q -v ON_ERROR_STOP=1 -f test/bench/guard.d/setup.sql ||
		die "setup failed"
}

# measure PORT WHAT: tps of a builtin script, or the latency in ms of the DDL.
measure() {
	if [ "$2" = ddl ]; then
		PGHOST=$WORK/s PGPORT=$1 pgbench -n -t 1000 -f test/bench/guard.d/ddl.sql 2>/dev/null |
			sed -nE 's/^latency average = ([0-9.]+) ms/\1/p'
	else
		PGHOST=$WORK/s PGPORT=$1 pgbench -n -T "$SECONDS_EACH" -b "$2" 2>/dev/null |
			sed -nE 's/^tps = ([0-9.]+) .*/\1/p'
	fi
}

# median FILE
median() {
	sort -g "$1" | awk '{ a[NR] = $1 } END { print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'
}

start_server without 5432 ''
start_server with 5433 pg_zdm
PGHOST=$WORK/s PGPORT=5433 psql -X -q -c 'CREATE EXTENSION pg_zdm'
for ((round = 1; round <= ROUNDS; round++)); do
	for what in select-only simple-update ddl; do
		measure 5432 "$what" >>"$WORK/$what.without"
		measure 5433 "$what" >>"$WORK/$what.with"
	done
done

kept=0
for what in select-only simple-update; do
	awk -v what="$what" -v without="$(median "$WORK/$what.without")" -v with="$(median "$WORK/$what.with")" 'BEGIN {
		printf "%-14s %10.0f tps without, %10.0f tps with: %+.2f %%\n", what, without, with, 100 * (with / without - 1)
		exit !(with >= 0.99 * without)
	}' || kept=1
done
awk -v without="$(median "$WORK/ddl.without")" -v with="$(median "$WORK/ddl.with")" 'BEGIN {
	printf "%-14s %10.3f ms without,  %10.3f ms with:  %+.3f ms\n", "ALTER TABLE", without, with, with - without
	exit !(with <= without + 0.5)
}' || kept=1
exit $kept
