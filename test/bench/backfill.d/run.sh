#!/bin/bash
# run.sh: the inner half of test/bench/backfill.
#
# The variants take turns in each round, on tables made anew, so that what else
# the machine does falls on all of them alike.
set -u -o pipefail

. test/lib/machine.sh
. test/lib/build.sh

ROWS=${ZDM_BENCH_ROWS:-3000000}
ROUNDS=${ZDM_BENCH_ROUNDS:-5}
results=$WORK/results.txt
sizes=$WORK/sizes.txt

build_and_install || die "the build failed"
mkdir -p "$WORK/s"
export PGHOST=$WORK/s PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
export PGOPTIONS='-c client_min_messages=warning'
initdb -D "$WORK/data" -A trust -N --no-locale -E UTF8 -U postgres >"$WORK/initdb.log" &&
	cat >>"$WORK/data/postgresql.conf" <<-EOC &&
		shared_preload_libraries = 'pg_zdm'
		listen_addresses = ''
		unix_socket_directories = '$PGHOST'
		shared_buffers = 512MB
		max_wal_size = 8GB
		autovacuum = off
		fsync = on
		jit = off
		zdm.guard = off
	EOC
	pg_ctl start -s -w -D "$WORK/data" -l "$WORK/server.log" || die "the server does not start"

sql() {
	psql -X -q -A -t -v ON_ERROR_STOP=1 -v rows="${2:-$ROWS}" <<<"$1" || die "failed: $1"
}

# fresh_table [ROWS]: rows of about 110 bytes, and nothing left to write for it.
fresh_table() {
	sql 'DROP TABLE IF EXISTS t' && sql "CREATE TABLE t (id int PRIMARY KEY, old text, filler text);
		INSERT INTO t SELECT i, 'value ' || i, repeat('x', 60) FROM generate_series(1, :rows) i" "${1:-$ROWS}" &&
		sql 'VACUUM (ANALYZE) t' && sql 'CHECKPOINT'
	heap=$(sql "SELECT pg_relation_size('t')")
	wal=$(sql 'SELECT pg_current_wal_insert_lsn()')
	indexes=$(sql "SELECT pg_indexes_size('t')")
}

# note VARIANT SECONDS: rows a second into the results.
note() {
	awk -v variant="$1" -v rows="$ROWS" -v seconds="$2" \
		'BEGIN { printf "%s %d\n", variant, rows / seconds }' >>"$results"
}

# note_size VARIANT: what the table and its index have grown by, in percent, and the
# WAL for a row.
note_size() {
	sql "SELECT '$1', round(100.0 * pg_relation_size('t') / $heap - 100), round(100.0 * pg_indexes_size('t') / $indexes - 100),
		round(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$wal') / $ROWS)" |
		tr '|' ' ' >>"$sizes"
}

# timed SQL: the seconds it takes.
timed() {
	local from=$EPOCHREALTIME
	sql "$1" >/dev/null
	awk -v from="$from" -v to="$EPOCHREALTIME" 'BEGIN { print to - from }'
}

one_update() {
	fresh_table
	sql 'ALTER TABLE t ADD COLUMN new text'
	note update "$(timed 'UPDATE t SET new = old')"
	note_size update
}

# The usual hand-written way: a PL/pgSQL trigger that keeps both columns in step
# as test/bench/trigger has it, and batches by primary key.
by_key() {
	fresh_table
	sql "ALTER TABLE t ADD COLUMN new text;
		CREATE OR REPLACE FUNCTION on_insert() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
			IF NEW.new IS NULL THEN NEW.new := NEW.old; ELSE NEW.old := NEW.new; END IF;
			RETURN NEW; END';
		CREATE OR REPLACE FUNCTION on_update() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
			IF NEW.old IS DISTINCT FROM OLD.old THEN NEW.new := NEW.old;
			ELSIF NEW.new IS DISTINCT FROM OLD.new THEN NEW.old := NEW.new;
			END IF;
			RETURN NEW; END';
		CREATE TRIGGER on_insert BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION on_insert();
		CREATE TRIGGER on_update BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION on_update();
		CREATE OR REPLACE PROCEDURE by_key(last int) LANGUAGE plpgsql AS 'BEGIN
			FOR i IN 0 .. last / 1000 LOOP
				UPDATE t SET new = old WHERE id > i * 1000 AND id <= (i + 1) * 1000;
				COMMIT;
			END LOOP; END'"
	note by_key "$(timed "CALL by_key($ROWS)")"
	note_size by_key
}

# ours VARIANT WORKERS
ours() {
	fresh_table
	sql "SET zdm.batch_rest = 0; SET zdm.backfill_workers = $2; SELECT zdm.rename_column('t', 'old', 'new', 'ours')" >/dev/null
	sql "CALL zdm.wait('ours', 'ready')"
	note "$1" "$(sql "SELECT extract(epoch FROM finished - started) FROM zdm.steps
		WHERE label = 'ours' AND action = 'backfill' AND state = 'done'")"
	note_size "$1"
	sql "DELETE FROM zdm.migration"
}

# worker_memory ROWS: the most private memory that the worker had, in kB, and the seconds.
worker_memory() {
	local pid now most=0
	fresh_table "$1"
	sql "SET zdm.batch_rest = 0; SELECT zdm.rename_column('t', 'old', 'new', 'memory')" >/dev/null
	while [ "$(sql "SELECT state FROM zdm.migrations WHERE label = 'memory'")" != ready ]; do
		pid=$(sql "SELECT worker FROM zdm.progress WHERE label = 'memory' AND action = 'backfill'")
		now=$(awk '/^RssAnon/ { print $2 }' "/proc/${pid:-none}/status" 2>/dev/null)
		if [ "${now:-0}" -gt "$most" ]; then
			most=$now
		fi
	done
	say "$1 rows: $(sql "SELECT round(extract(epoch FROM finished - started), 1) FROM zdm.steps
		WHERE label = 'memory' AND action = 'backfill' AND state = 'done'") s, private memory of the worker $most kB"
	sql "DELETE FROM zdm.migration"
}

sql 'CREATE EXTENSION pg_zdm'
for ((round = 1; round <= ROUNDS; round++)); do
	one_update
	by_key
	ours one_worker 1
	ours two_workers 2
	say "round $round: $(tail -n 4 "$results" | paste -s -d ' ')"
done
worker_memory "$((ROWS / 3))"
worker_memory "$((ROWS * 10 / 3))"

# median VARIANT FILE COLUMN
median() {
	awk -v variant="$1" -v column="$3" '$1 == variant { print $column }' "$2" | sort -n |
		awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# line VARIANT NAME: for the reader.
line() {
	printf '%-36s %8d rows/s   table +%d %%, index +%d %%, WAL %d bytes a row\n' "$2" "$(median "$1" "$results" 2)" \
		"$(median "$1" "$sizes" 2)" "$(median "$1" "$sizes" 3)" "$(median "$1" "$sizes" 4)"
}

# The new column takes its room, whatever one does.
width=$(sql "CREATE TABLE narrow AS SELECT id, old, filler FROM t LIMIT 100000;
	CREATE TABLE wide AS SELECT id, old, filler, old AS new FROM narrow;
	SELECT round(100.0 * pg_relation_size('wide') / pg_relation_size('narrow') - 100)")
say ""
say "medians of $ROUNDS rounds of $ROWS rows; written anew with the column, the table is $width % larger"
line update 'one plain UPDATE'
line by_key 'batches by key, PL/pgSQL trigger'
line one_worker 'zdm.rename_column, one worker'
line two_workers 'zdm.rename_column, two workers'
awk -v update="$(median update "$results" 2)" -v by_key="$(median by_key "$results" 2)" \
	-v one="$(median one_worker "$results" 2)" -v two="$(median two_workers "$results" 2)" \
	-v grown="$(median one_worker "$sizes" 3)" -v wal="$(median one_worker "$sizes" 4)" -v their_wal="$(median by_key "$sizes" 4)" '
	function aim(name, value, reached) { printf "%s: %.2f (%s)\n", name, value, reached ? "reached" : "not reached"; if (!reached) missed = 1 }
	BEGIN {
		aim("beside one UPDATE, at least 1.5", one / update, one >= 1.5 * update)
		aim("beside batches by key, at least 2.5", one / by_key, one >= 2.5 * by_key)
		aim("two workers beside one, at least 1.6", two / one, two >= 1.6 * one)
		aim("WAL beside batches by key, at most 0.5", wal / their_wal, wal <= 0.5 * their_wal)
		aim("index, per cent more, at most 2", grown, grown <= 2)
		exit missed }'
