#!/bin/bash
# run.sh: the inner half of test/bench/many.
set -u -o pipefail

. test/lib/machine.sh
. test/lib/build.sh

MANY=${ZDM_BENCH_MANY:-1500}

build_and_install || die "the build failed"
mkdir -p "$WORK/s"
export PGHOST=$WORK/s PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
export PGOPTIONS='-c client_min_messages=error'
initdb -D "$WORK/data" -A trust -N --no-locale -E UTF8 -U postgres >"$WORK/initdb.log" &&
	cat >>"$WORK/data/postgresql.conf" <<-EOC &&
		shared_preload_libraries = 'pg_zdm'
		listen_addresses = ''
		unix_socket_directories = '$PGHOST'
		shared_buffers = 256MB
		max_worker_processes = 32
		max_locks_per_transaction = 128
		zdm.guard = off
	EOC
	pg_ctl start -s -w -D "$WORK/data" -l "$WORK/server.log" || die "the server does not start"

sql() {
	psql -X -q -A -t -v ON_ERROR_STOP=1 -v many="$MANY" <<<"$1" || die "failed: $1"
}

# since FROM: the seconds.
since() {
	awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'
}

# until_none CONDITION: no migration is as it says, or one has failed.
until_none() {
	while [ "$(sql "SELECT count(*) FROM zdm.migration WHERE $1")" -gt 0 ]; do
		[ "$(sql "SELECT count(*) FROM zdm.migration WHERE state = 'failed'")" = 0 ] || die "a migration has failed"
		locks=$(sql "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM pg_locks JOIN pg_stat_activity USING (pid)
			WHERE backend_type LIKE 'pg_zdm%' GROUP BY pid) x")
		if [ "$locks" -gt "$most" ]; then
			most=$locks
		fi
		sleep 0.1
	done
}

sql 'CREATE EXTENSION pg_zdm'
sql "SELECT format('CREATE TABLE t%s (id int PRIMARY KEY, old text)', i), format('INSERT INTO t%s SELECT i, i FROM generate_series(1, 100) i', i)
	FROM generate_series(1, :many) i \\gexec"
most=0
from=$EPOCHREALTIME
sql "SELECT format('SELECT zdm.rename_column(''t%s'', ''old'', ''new'')', i) FROM generate_series(1, :many) i \\gexec" >/dev/null
stated=$(since "$from")
until_none "state <> 'ready'"
say "$MANY migrations: stated in $stated s, all ready after $(since "$from") s"
sql "DELETE FROM zdm.migration"

sql "CREATE TABLE p (id int PRIMARY KEY, old text) PARTITION BY RANGE (id)"
sql "SELECT format('CREATE TABLE p%s PARTITION OF p FOR VALUES FROM (%s) TO (%s)', i, i * 100, (i + 1) * 100) FROM generate_series(0, :many - 1) i \\gexec"
sql "INSERT INTO p SELECT i, i FROM generate_series(0, :many * 100 - 1) i"
most=0
from=$EPOCHREALTIME
sql "SELECT zdm.rename_column('p', 'old', 'new', 'p')" >/dev/null
stated=$(since "$from")
until_none "state <> 'ready'"
ready=$(since "$from")
from=$EPOCHREALTIME
sql "SELECT zdm.cutover('p')" >/dev/null
until_none "state <> 'switched'"
say "$MANY partitions: stated in $stated s, ready after $ready s, cut over in $(since "$from") s"
say "the most locks at once: $most of $(sql "SELECT current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)")"
