#!/bin/bash
# run.sh: the inner half of test/bench/foreground.
#
# The variants take turns in each round, on tables made anew, so that what else
# the machine does falls on all of them alike.  Only transactions that were due
# before the backfill ended, and ended after it began, count: one that it kept waiting to
# its end is among them.  The application is ended by SIGTERM: what bash
# starts in the background does not hear SIGINT.
set -u -o pipefail

. test/lib/machine.sh
. test/lib/build.sh

ROWS=${ZDM_BENCH_ROWS:-1000000}
ROUNDS=${ZDM_BENCH_ROUNDS:-5}
RATE=${ZDM_BENCH_RATE:-200}
IDLE_SECONDS=10
LONGEST=120
results=$WORK/results.txt

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
		fsync = on
		jit = off
		zdm.guard = off
	EOC
	pg_ctl start -s -w -D "$WORK/data" -l "$WORK/server.log" || die "the server does not start"

sql() {
	psql -X -q -A -t -v ON_ERROR_STOP=1 -v rows="$ROWS" <<<"$1" || die "failed: $1"
}

cat >"$WORK/application.sql" <<'EOS'
\set a random(1, :rows)
\set b random(1, :rows)
SELECT filler FROM t WHERE id = :a;
UPDATE t SET filler = filler WHERE id = :b;
EOS

fresh_table() {
	sql 'DROP TABLE IF EXISTS t' && sql "CREATE TABLE t (id int PRIMARY KEY, old text, filler text);
		INSERT INTO t SELECT i, 'value ' || i, repeat('x', 60) FROM generate_series(1, :rows) i" &&
		sql 'VACUUM (ANALYZE) t' && sql 'CHECKPOINT'
}

# What others do by hand: a trigger for what is written from now on.
by_hand() {
	sql "ALTER TABLE t ADD COLUMN new text;
		CREATE OR REPLACE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.new := NEW.old; RETURN NEW; END';
		CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION keep();"
}

prepare_idle() { :; }
prepare_ours() { :; }
prepare_update() { sql 'ALTER TABLE t ADD COLUMN new text'; }
prepare_by_key() {
	by_hand
	sql "CREATE OR REPLACE PROCEDURE fill(last int) LANGUAGE plpgsql AS 'BEGIN
			FOR i IN 0 .. last / 1000 LOOP
				UPDATE t SET new = old WHERE id > i * 1000 AND id <= (i + 1) * 1000;
				COMMIT;
			END LOOP; END'"
}
prepare_locked_first() {
	by_hand
	sql "CREATE OR REPLACE PROCEDURE fill(last int) LANGUAGE plpgsql AS 'DECLARE at int := 0; BEGIN
			LOOP
				WITH batch AS (SELECT id FROM t WHERE id > at ORDER BY id LIMIT 1000 FOR NO KEY UPDATE),
					done AS (UPDATE t SET new = old FROM batch WHERE t.id = batch.id RETURNING t.id)
					SELECT max(id) INTO at FROM done;
				COMMIT;
				EXIT WHEN at IS NULL;
			END LOOP; END'"
}

work_idle() { sql "SELECT pg_sleep($IDLE_SECONDS)" >/dev/null; }
work_ours() {
	local setting settings=
	for setting in ${ZDM_BENCH_SETTINGS:-}; do
		settings+="SET ${setting%%=*} = '${setting#*=}'; "
	done
	sql "${settings}SELECT zdm.rename_column('t', 'old', 'new', 'ours')" >/dev/null
	sql "CALL zdm.wait('ours', 'ready')" >/dev/null
}
work_update() { sql 'UPDATE t SET new = old'; }
work_by_key() { sql "CALL fill($ROWS)"; }
work_locked_first() { sql "CALL fill($ROWS)"; }

# percentiles FROM TO: median, 99 % and longest, in ms, of what was under way in between.
percentiles() {
	cat "$WORK"/log.* | awk -v from="$1" -v to="$2" \
		'{ at = $5 + $6 / 1e6 } at >= from && at - $3 / 1e6 <= to { print $3 / 1000 }' | sort -n | awk '
		{ v[NR] = $1 } END { if (NR > 0) printf "%.2f %.2f %.2f\n", v[int((NR + 1) / 2)], v[int(NR * 0.99) + (NR * 0.99 > int(NR * 0.99))], v[NR] }'
}

# measure VARIANT: one line of results.
measure() {
	local load from to
	fresh_table
	"prepare_$1"
	rm -f "$WORK"/log.*
	pgbench -n -M prepared -c 4 -j 1 -R "$RATE" -T "$LONGEST" -l --log-prefix="$WORK/log" \
		-D rows="$ROWS" -f "$WORK/application.sql" >"$WORK/pgbench.log" 2>&1 &
	load=$!
	until [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'")" -ge 4 ]; do :; done
	from=$EPOCHREALTIME
	"work_$1"
	to=$EPOCHREALTIME
	# what it has not written to its log yet is from later by then
	sleep "$(awk -v rate="$RATE" 'BEGIN { print 0.5 + 200 / rate }')"
	kill "$load"
	wait "$load" 2>/dev/null
	say "$1 $(percentiles "$from" "$to") $(awk -v from="$from" -v to="$to" 'BEGIN { printf "%.1f", to - from }')" | tee -a "$results"
	if [ "$1" = ours ]; then
		sql "SELECT zdm.revert('ours')" >/dev/null
		sql "CALL zdm.wait('ours')" >/dev/null
	fi
}

# median VARIANT COLUMN
median() {
	awk -v variant="$1" -v column="$2" '$1 == variant { print $column }' "$results" | sort -n |
		awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

sql 'CREATE EXTENSION pg_zdm'
for ((round = 1; round <= ROUNDS; round++)); do
	say "round $round: median, 99 % and longest in ms, seconds"
	for variant in idle ours update by_key locked_first; do
		measure "$variant"
	done
done
say
printf '%-14s %8s %8s %9s %8s %12s %12s\n' 'ms' median '99 %' longest seconds '99 %/idle' 'longest/idle'
for variant in idle ours update by_key locked_first; do
	awk -v name="$variant" -v m="$(median $variant 2)" -v p="$(median $variant 3)" -v l="$(median $variant 4)" \
		-v s="$(median $variant 5)" -v ip="$(median idle 3)" -v il="$(median idle 4)" \
		'BEGIN { printf "%-14s %8.2f %8.2f %9.2f %8.1f %12.2f %12.2f\n", name, m, p, l, s, p / ip, l / il }'
done
awk -v p="$(median ours 3)" -v l="$(median ours 4)" -v ip="$(median idle 3)" -v il="$(median idle 4)" 'BEGIN {
	kept = p <= 1.5 * ip && (l <= 2 * il || l <= 20)
	print "promised: 99 % at most 1.5 times idle, the longest at most 2 times idle or 20 ms: " (kept ? "kept" : "not kept")
	exit !kept }'
