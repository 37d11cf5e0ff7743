#!/bin/bash
# run.sh: the inner half of test/bench/rewrite.
#
# The variants take turns in each round, on tables made anew, so that what else the
# machine does falls on all of them alike.
set -u -o pipefail

. test/lib/machine.sh
. test/lib/build.sh

ROWS=${ZDM_BENCH_ROWS:-1000000}
ROUNDS=${ZDM_BENCH_ROUNDS:-5}
RATE=${ZDM_BENCH_RATE:-500}
WRITES=20000
results=$WORK/results.txt
costs=$WORK/costs.txt

build_and_install || die "the build failed"
mkdir -p "$WORK/s"
export PGHOST=$WORK/s PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
export PGOPTIONS='-c client_min_messages=warning -c zdm.guard=off'
initdb -D "$WORK/data" -A trust -N --no-locale -E UTF8 -U postgres >"$WORK/initdb.log" &&
	cat >>"$WORK/data/postgresql.conf" <<-EOC &&
		shared_preload_libraries = 'pg_zdm'
		listen_addresses = ''
		unix_socket_directories = '$PGHOST'
		shared_buffers = 512MB
		max_wal_size = 8GB
		fsync = on
		jit = off
		autovacuum = off
	EOC
	pg_ctl start -s -w -D "$WORK/data" -l "$WORK/server.log" || die "the server does not start"

sql() {
	psql -X -q -A -t -v ON_ERROR_STOP=1 -v rows="$ROWS" <<<"$1" || die "failed: $1"
}

fresh_table() {
	sql 'DROP TABLE IF EXISTS t, copy CASCADE'
	sql "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b text, filler text);
		INSERT INTO t SELECT i, i % 1000, 'value ' || i, repeat('x', 60) FROM generate_series(1, 2 * :rows) i;
		CREATE INDEX t_a ON t (a, id);
		CREATE INDEX t_b ON t (b);
		DELETE FROM t WHERE id % 2 = 0"
	sql 'VACUUM (ANALYZE) t' && sql 'CHECKPOINT'
}

# rewrite [SETTINGS]: by ours, with these.
rewrite() {
	local id
	id=$(sql "${1:-}; SELECT zdm.rewrite('t')")
	sql "CALL zdm.wait($id, 'completed')"
}

run_zdm() { rewrite; }
run_zdm_no_rest() { rewrite 'SET zdm.batch_rest = 0'; }
run_zdm_two_workers() { rewrite 'SET zdm.batch_rest = 0; SET zdm.backfill_workers = 2'; }
run_pg_repack() {
	pg_repack --no-order --no-kill-backend -t t >"$WORK/repack.log" 2>&1 || die "pg_repack failed: $(cat "$WORK/repack.log")"
}
run_vacuum_full() { sql 'VACUUM FULL t'; }

# application NAME RATE CLIENTS SQL
application() {
	printf '\\set k 2 * random(1, %d) - 1\n%s\n' "$ROWS" "$4" >"$WORK/$1.sql"
	rm -f "$WORK/$1".log.*
	pgbench -n -M prepared -c "$3" -j 1 -R "$2" -T 36000 -l --log-prefix "$WORK/$1.log" -f "$WORK/$1.sql" \
		>"$WORK/$1.out" 2>&1 &
}

# longest NAME: the longest wait of an application, in ms; "-" without one.
longest() {
	cat "$WORK/$1".log.* 2>/dev/null | awk '$3 + 0 > max { max = $3 + 0 } END { if (NR > 0) printf "%.1f", max / 1000; else printf "-" }'
}

# What the database is at its largest, from now on until the file "stop" is there.
watch_size() {
	local size peak=0
	rm -f "$WORK/stop"
	until [ -e "$WORK/stop" ]; do
		size=$(sql 'SELECT pg_database_size(current_database()), pg_sleep(0.1)')
		size=${size%%|*}
		((size > peak)) && peak=$size
	done
	echo "$peak" >"$WORK/peak"
}

# measure VARIANT idle|load: one line of results.
measure() {
	local from lsn before seconds reader= writer= watcher
	fresh_table
	if [ "$2" = load ]; then
		application reader $((RATE / 5)) 1 'SELECT b FROM t WHERE id = :k;'
		reader=$!
		application writer "$RATE" 4 'UPDATE t SET a = a + 1 WHERE id = :k;'
		writer=$!
		until [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'")" -ge 5 ]; do :; done
	else
		rm -f "$WORK"/reader.log.* "$WORK"/writer.log.*
	fi
	before=$(sql 'SELECT pg_database_size(current_database())')
	watch_size &
	watcher=$!
	lsn=$(sql 'SELECT pg_current_wal_lsn()')
	from=$EPOCHREALTIME
	"run_$1"
	seconds=$(awk -v from="$from" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f", to - from }')
	touch "$WORK/stop"
	wait "$watcher"
	if [ "$2" = load ]; then
		kill -ALRM "$reader" "$writer"
		wait "$reader" "$writer" 2>/dev/null
		grep -h 'ERROR' "$WORK/reader.out" "$WORK/writer.out" && die "$1: a query failed"
	fi
	say "$1 $2 $seconds $(sql "SELECT round(pg_wal_lsn_diff(pg_current_wal_lsn(), '$lsn') / 1048576)") $((($(<"$WORK/peak") - before) / 1048576)) $(longest reader) $(longest writer)" |
		tee -a "$results"
}

# ---- what a write costs ----

# In the state in which a table of another shape waits to be switched: all rows and indexes
# are there.  Without indexes but the key it is what a write costs after the copy and before
# they are built.  As many writes go before those that are measured: after a checkpoint the
# first of each page writes all of it to the WAL, whoever writes, which is most of the time
# then and says nothing of the ways.
keep_none() { :; }
keep_zdm() {
	kept=$(sql "SET zdm.batch_rest = 0; SELECT zdm.rewrite('t', columns => '{b,filler,id,a}')")
	sql "CALL zdm.wait($kept, 'ready')"
}
keep_pg_repack() {
	sql "SELECT format('%s; %s; %s', create_pktype, create_log, create_trigger) FROM repack.tables WHERE relid = 't'::regclass
\gexec"
}
# Its indexes are built when the rows are there, as ours are: what was filled row by row has
# room in each page.
keep_plpgsql() {
	sql "CREATE TABLE copy (LIKE t); INSERT INTO copy TABLE t; ALTER TABLE copy ADD PRIMARY KEY (id);
		$([ "$1" = key ] || say 'CREATE INDEX ON copy (a, id); CREATE INDEX ON copy (b);')
		CREATE OR REPLACE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
			INSERT INTO copy VALUES (NEW.*) ON CONFLICT (id) DO UPDATE SET a = EXCLUDED.a, b = EXCLUDED.b, filler = EXCLUDED.filler;
			RETURN NULL; END';
		CREATE TRIGGER keep AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION keep()"
}
leave_none() { :; }
leave_zdm() { sql "SELECT zdm.revert($kept)" >/dev/null && sql "CALL zdm.wait($kept, 'reverted')"; }
leave_pg_repack() { sql "DROP EXTENSION pg_repack CASCADE; CREATE EXTENSION pg_repack"; }
leave_plpgsql() { sql 'DROP TRIGGER keep ON t; DROP TABLE copy'; }

# Statement after statement, of the same rows each time, without the way to a client and
# back, which is several times as long as what is measured and never twice the same.
write_singly() {
	sql "DO 'DECLARE k int; BEGIN
			PERFORM setseed(0.5);
			FOR i IN 1 .. $WRITES LOOP
				k := 2 * floor(random() * $ROWS)::int + 1;
				UPDATE t SET b = b WHERE id = k;
			END LOOP;
		END'"
}

# cost WAY all|key: microseconds for one UPDATE of many, in one statement after the other,
# and for a row of one that writes many; with all indexes, or the key alone.
cost() {
	local from single of_many
	fresh_table
	if [ "$2" = key ]; then
		sql 'DROP INDEX t_a, t_b'
	fi
	"keep_$1" "$2"
	sql 'VACUUM t' && sql 'CHECKPOINT'
	write_singly
	from=$EPOCHREALTIME
	write_singly
	single=$(awk -v from="$from" -v to="$EPOCHREALTIME" -v n="$WRITES" 'BEGIN { printf "%.1f", (to - from) * 1e6 / n }')
	from=$EPOCHREALTIME
	sql "UPDATE t SET b = b WHERE id <= 2 * $WRITES"
	of_many=$(awk -v from="$from" -v to="$EPOCHREALTIME" -v n="$WRITES" 'BEGIN { printf "%.1f", (to - from) * 1e6 / n }')
	"leave_$1"
	say "$1 $2 $single $of_many" | tee -a "$costs"
}

# median FILE COLUMN KEY...: of the lines that begin with KEY.
median() {
	local file=$1 column=$2
	shift 2
	awk -v key="$* " -v column="$column" 'index($0, key) == 1 { print $column }' "$file" | sort -n |
		awk '{ v[NR] = $1 } END { print (NR > 0 ? v[int((NR + 1) / 2)] : "-") }'
}

VARIANTS=(zdm zdm_no_rest zdm_two_workers vacuum_full)
WAYS=(none zdm plpgsql)
sql 'CREATE EXTENSION pg_zdm'
if command -v pg_repack >/dev/null; then
	sql 'CREATE EXTENSION pg_repack'
	VARIANTS+=(pg_repack)
	WAYS+=(pg_repack)
fi

say "$ROWS rows"
for ((round = 1; round <= ROUNDS; round++)); do
	say "round $round: seconds, MB of WAL, MB more at the peak, longest read and write in ms; microseconds of a write"
	for variant in "${VARIANTS[@]}"; do
		measure "$variant" idle
		measure "$variant" load
	done
	for way in "${WAYS[@]}"; do
		cost "$way" all
		cost "$way" key
	done
done
say
printf '%-14s %-5s %9s %8s %8s %10s %10s\n' '' '' seconds 'WAL MB' 'peak MB' 'read ms' 'write ms'
for load in idle load; do
	for variant in "${VARIANTS[@]}"; do
		printf '%-14s %-5s %9s %8s %8s %10s %10s\n' "$variant" "$load" "$(median "$results" 3 "$variant" "$load")" \
			"$(median "$results" 4 "$variant" "$load")" "$(median "$results" 5 "$variant" "$load")" \
			"$(median "$results" 6 "$variant" "$load")" "$(median "$results" 7 "$variant" "$load")"
	done
done
say
for which in all key; do
	for column in 3 4; do
		for way in "${WAYS[@]}"; do
			awk -v way="$way" -v us="$(median "$costs" $column "$way" $which)" -v none="$(median "$costs" $column none $which)" \
				-v plpgsql="$(median "$costs" $column plpgsql $which)" \
				-v what="$([ $column = 3 ] && say 'a write by itself' || say 'one of many in a statement'), $([ $which = all ] && say 'all indexes' || say 'the key alone')" \
				'BEGIN { printf "%-42s %-10s %8.1f microseconds, %5.1f more, %.2f of what PL/pgSQL adds\n", what ",", way, us, us - none, (us - none) / (plpgsql - none) }'
		done
	done
done
pg_ctl stop -s -m fast -D "$WORK/data"
