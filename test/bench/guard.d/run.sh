#!/bin/bash
# run.sh: the inner half of test/bench/guard.
#
# One data directory, started with and without the library in turn, so that
# both find the same pages, and what else the machine does falls on both alike.
# Each round runs the server without it a second time: how far the two medians
# without it lie apart is what the clock cannot tell here.  Instructions can be
# told on any machine: of two runs that differ in length only, the difference
# is what the transactions took.
set -u -o pipefail

. test/lib/machine.sh
. test/lib/build.sh

SECONDS_EACH=${ZDM_BENCH_SECONDS:-10}
ROUNDS=${ZDM_BENCH_ROUNDS:-7}
SHORT=500	# transactions of the runs whose instructions are counted
LONG=2000

build_and_install || die "the build failed"
export PGUSER=postgres PGDATABASE=postgres PGHOST=$WORK/s

create_data() {
	mkdir -p "$PGHOST"
	initdb -D "$WORK/data" -A trust -N --no-locale -E UTF8 -U postgres >"$WORK/initdb.log" &&
		cat >>"$WORK/data/postgresql.conf" <<-EOC || die "initdb failed"
			listen_addresses = ''
			unix_socket_directories = '$PGHOST'
			shared_buffers = 256MB
			max_wal_size = 4GB
			autovacuum = off
			fsync = off
		EOC
	start_server pg_zdm
	pgbench -i -s 5 -q >/dev/null 2>&1 || die "pgbench -i failed"
	psql -X -q -v ON_ERROR_STOP=1 -f test/bench/guard.d/setup.sql -c 'CREATE EXTENSION pg_zdm' ||
		die "setup failed"
	stop_server
}

# start_server LIBRARIES
start_server() {
	pg_ctl start -s -w -D "$WORK/data" -l "$WORK/server.log" -o "-c shared_preload_libraries='$1'" ||
		die "the server does not start"
}

# stop_server [DATA]
stop_server() {
	pg_ctl stop -s -w -m fast -D "${1:-$WORK/data}"
}

# measure VARIANT LIBRARIES: tps of the builtin scripts, and the latency of the DDL in ms.
measure() {
	local what
	start_server "$2"
	for what in select-only simple-update; do
		pgbench -n -t 1000 -b "$what" >/dev/null 2>&1
		pgbench -n -T "$SECONDS_EACH" -b "$what" 2>/dev/null |
			sed -nE 's/^tps = ([0-9.]+) .*/\1/p' >>"$WORK/$what.$1"
	done
	pgbench -n -t 1000 -f test/bench/guard.d/ddl.sql 2>/dev/null |
		sed -nE 's/^latency average = ([0-9.]+) ms/\1/p' >>"$WORK/ddl.$1"
	stop_server
}

# median WHAT VARIANT
median() {
	sort -g "$WORK/$1.$2" |
		awk '{ a[NR] = $1 } END { print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'
}

# count_run LIBRARIES SCRIPT TRANSACTIONS: instructions of the busiest process, which is
# pgbench's, on a copy of the data: what an update finds on a page is part of its work.
count_run() {
	local counts=$WORK/counts data=$WORK/counted try
	rm -rf "$counts" "$data"
	mkdir "$counts"
	cp -a "$WORK/data" "$data"
	valgrind --tool=cachegrind --cache-sim=no --trace-children=yes \
		--cachegrind-out-file=/dev/null --log-file="$counts/%p" \
		"$("$PG_CONFIG" --bindir)/postgres" -D "$data" -c "shared_preload_libraries=$1" \
		>>"$WORK/server.log" 2>&1 &
	for ((try = 0; try < 300; try++)); do
		pg_isready -q && break
		perl -e 'select undef, undef, undef, 0.2'
	done
	pgbench -n -t "$3" --random-seed=1 -b "$2" >/dev/null 2>&1 || die "pgbench failed under valgrind"
	stop_server "$data"
	wait
	sed -nE 's/.*I +refs: +([0-9,]+)$/\1/p' "$counts"/* | tr -d , | sort -g | tail -n 1
}

# instructions LIBRARIES SCRIPT: of one transaction.
instructions() {
	local short long
	short=$(count_run "$1" "$2" "$SHORT") && long=$(count_run "$1" "$2" "$LONG") || exit 1
	printf '%d\n' $(((long - short) / (LONG - SHORT)))
}

create_data
kept=0
for what in select-only simple-update; do
	without=$(instructions '' "$what") && with=$(instructions pg_zdm "$what") || exit 1
	awk -v what="$what" -v without="$without" -v with="$with" 'BEGIN {
		printf "%-14s %10.0f instructions without, %10.0f with: %+.2f %%\n", what, without, with, 100 * (with / without - 1)
		exit !(with <= 1.01 * without)
	}' || kept=1
done
for ((round = 1; round <= ROUNDS; round++)); do
	measure without ''
	measure with pg_zdm
	measure again ''
done
for what in select-only simple-update; do
	awk -v what="$what" -v without="$(median "$what" without)" -v with="$(median "$what" with)" \
		-v again="$(median "$what" again)" 'BEGIN {
		noise = again > without ? again / without - 1 : without / again - 1
		printf "%-14s %10.0f tps without, %10.0f tps with: %+.2f %%; twice without: %.2f %% apart\n",
			what, without, with, 100 * (with / without - 1), 100 * noise
		exit !(with >= (0.99 - noise) * (without < again ? without : again))
	}' || kept=1
done
awk -v without="$(median ddl without)" -v with="$(median ddl with)" 'BEGIN {
	printf "%-14s %10.3f ms without,  %10.3f ms with:  %+.3f ms\n", "ALTER TABLE", without, with, with - without
	exit !(with <= without + 0.5)
}' || kept=1
exit $kept
