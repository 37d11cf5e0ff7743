#!/bin/bash
# run.sh: the inner half of test/bench/change_type.
#
# Every variant starts from the same tables, made anew, and has the same reader
# and writer beside it.
set -u -o pipefail

. test/lib/machine.sh
. test/lib/build.sh

ROWS=${ZDM_BENCH_ROWS:-3000000}

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
	EOC
	pg_ctl start -s -w -D "$WORK/data" -l "$WORK/server.log" || die "the server does not start"

sql() {
	psql -X -q -A -t -v ON_ERROR_STOP=1 -v rows="$ROWS" <<<"$1" || die "failed: $1"
}

fresh_tables() {
	sql 'DROP TABLE IF EXISTS child, t; DROP EXTENSION IF EXISTS pg_zdm CASCADE; CREATE EXTENSION pg_zdm'
	sql "CREATE TABLE t (id serial PRIMARY KEY, a int NOT NULL, b text, filler text);
		CREATE TABLE child (id int PRIMARY KEY, t int NOT NULL REFERENCES t);
		INSERT INTO t (a, b, filler) SELECT i % 1000, 'value ' || i, repeat('x', 60) FROM generate_series(1, :rows) i;
		INSERT INTO child SELECT i, i FROM generate_series(1, :rows) i;
		CREATE INDEX t_a ON t (a, id);
		CREATE INDEX t_b ON t (b)"
	sql 'VACUUM (ANALYZE) t' && sql 'VACUUM (ANALYZE) child' && sql 'CHECKPOINT'
}

# runbook BATCH: the usual hand-written way.
runbook() {
	sql "ALTER TABLE t ADD COLUMN id_new bigint;
		CREATE OR REPLACE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN NEW.id_new := NEW.id; RETURN NEW; END';
		CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION keep();
		CREATE OR REPLACE PROCEDURE fill(last int, batch int) LANGUAGE plpgsql AS 'BEGIN
			FOR i IN 0 .. last / batch LOOP
				UPDATE t SET id_new = id WHERE id > i * batch AND id <= (i + 1) * batch;
				COMMIT;
			END LOOP; END'"
	sql "CALL fill($ROWS, $1)"
	sql 'CREATE UNIQUE INDEX CONCURRENTLY t_new_pkey ON t (id_new)'
	sql 'CREATE INDEX CONCURRENTLY t_new_a ON t (a, id_new)'
	sql 'ALTER TABLE t ADD CONSTRAINT filled CHECK (id_new IS NOT NULL) NOT VALID'
	sql 'ALTER TABLE t VALIDATE CONSTRAINT filled'
	sql 'ALTER TABLE t ALTER id_new SET NOT NULL'
	sql 'ALTER TABLE t DROP CONSTRAINT filled'
	sql 'ALTER TABLE child ADD CONSTRAINT child_new_fkey FOREIGN KEY (t) REFERENCES t (id_new) NOT VALID'
	sql 'ALTER TABLE child VALIDATE CONSTRAINT child_new_fkey'
	sql 'ANALYZE t'
	sql "BEGIN;
		LOCK TABLE t, child;
		DROP TRIGGER keep ON t;
		ALTER TABLE child DROP CONSTRAINT child_t_fkey;
		ALTER TABLE child RENAME CONSTRAINT child_new_fkey TO child_t_fkey;
		ALTER TABLE t DROP CONSTRAINT t_pkey;
		ALTER TABLE t ADD CONSTRAINT t_pkey PRIMARY KEY USING INDEX t_new_pkey;
		ALTER SEQUENCE t_id_seq AS bigint;
		ALTER SEQUENCE t_id_seq OWNED BY t.id_new;
		ALTER TABLE t ALTER id_new SET DEFAULT nextval('t_id_seq');
		ALTER TABLE t DROP COLUMN id;
		ALTER TABLE t RENAME COLUMN id_new TO id;
		ALTER INDEX t_new_a RENAME TO t_a;
		COMMIT"
}

# ours REST: the whole way, with rests of that many times a batch's time.
ours() {
	sql "SET zdm.batch_rest = $1; SELECT zdm.change_column_type('t', 'id', 'bigint', label => 'ours')" >/dev/null
	sql "CALL zdm.wait('ours', 'ready')"
	sql "SELECT zdm.cutover('ours')" >/dev/null
	sql "CALL zdm.wait('ours', 'switched')"
	sql "SELECT zdm.contract('ours')" >/dev/null
	sql "CALL zdm.wait('ours', 'completed')"
}

plain_alter() {
	sql 'ALTER TABLE t ALTER COLUMN id TYPE bigint'
}

# application NAME SQL: one session that does it 20 times a second.
application() {
	printf '\\set k random(1, %d)\n%s\n' "$ROWS" "$2" >"$WORK/$1.sql"
	rm -f "$WORK/$1".log.*
	pgbench -n -M prepared -R 20 -T 36000 -l --log-prefix "$WORK/$1.log" -f "$WORK/$1.sql" \
		>"$WORK/$1.out" 2>&1 &
}

# longest NAME: the longest wait of an application, in ms.
longest() {
	awk '$3 + 0 > max { max = $3 + 0 } END { printf "%.0f", max / 1000 }' "$WORK/$1".log.*
}

# variant NAME COMMAND...: run it and print its line.
variant() {
	local name=$1 from lsn seconds wal sizes reader writer
	shift
	fresh_tables
	application reader 'SELECT b FROM t WHERE id = :k;'
	reader=$!
	application writer 'UPDATE t SET a = a WHERE id = :k;'
	writer=$!
	lsn=$(sql 'SELECT pg_current_wal_lsn()')
	from=$EPOCHREALTIME
	"$@"
	seconds=$(awk -v from="$from" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }')
	wal=$(sql "SELECT pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), '$lsn'))")
	sizes=$(sql "SELECT pg_size_pretty(pg_table_size('t')) || '|' || pg_size_pretty(pg_indexes_size('t'))")
	kill -ALRM "$reader" "$writer"
	wait "$reader" "$writer" 2>/dev/null
	grep -h 'ERROR' "$WORK/reader.out" "$WORK/writer.out" && die "$name: a query failed"
	printf '%-16s %8s s  WAL %8s  table %8s  indexes %8s  longest read %6s ms  write %6s ms\n' "$name" \
		"$seconds" "$wal" "${sizes%|*}" "${sizes#*|}" "$(longest reader)" "$(longest writer)"
}

say "$ROWS rows"
variant 'pg_zdm' ours 1
variant 'pg_zdm, no rest' ours 0
variant 'plain ALTER' plain_alter
variant 'runbook, 1000' runbook 1000
variant 'runbook, 10000' runbook 10000
pg_ctl stop -s -m fast -D "$WORK/data"
