#!/bin/bash
# run.sh: the inner half of test/bench/stalls.
#
# Waits are read from the server's log rather than from latencies: a machine that
# others use too makes the latter long by itself, which the part "idle" shows.
set -u -o pipefail

. test/lib/machine.sh
. test/lib/build.sh

ROWS=${ZDM_BENCH_ROWS:-1000000}
RATE=${ZDM_BENCH_RATE:-100}
BOUND=200
parts=$WORK/parts.txt

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
		log_lock_waits = on
		deadlock_timeout = 20ms
		log_line_prefix = '%n %a '
	EOC
	pg_ctl start -s -w -D "$WORK/data" -l "$WORK/server.log" || die "the server does not start"

sql() {
	psql -X -q -A -t -v ON_ERROR_STOP=1 -v rows="$ROWS" <<<"$1" || die "failed: $1"
}

sql 'CREATE EXTENSION pg_zdm'
sql "CREATE TABLE account (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, v text, filler text);
	INSERT INTO account SELECT i, 0, 'value ' || i, repeat('x', 90) FROM generate_series(1, :rows) i;
	CREATE INDEX account_n ON account (n);
	CREATE TABLE log (account int, n int);
	CREATE INDEX ON log (account, n);
	CREATE VIEW busy AS SELECT n, v FROM account WHERE n > 1"
sql 'VACUUM (ANALYZE) account' && sql 'CHECKPOINT'

# application NAME CLIENTS [ARGUMENT...]: what it does comes from standard input.
application() {
	cat >"$WORK/$1.sql"
	PGAPPNAME=$1 pgbench -n -M prepared -c "$2" -j 1 -T 36000 -D rows="$ROWS" -l --log-prefix "$WORK/$1.log" \
		"${@:3}" -f "$WORK/$1.sql" >"$WORK/$1.out" 2>&1 &
}

start_applications() {
	application reader 2 -R "$RATE" <<-'EOS'
		\set id random(1, :rows)
		SELECT n, v FROM account WHERE id = :id;
		SELECT count(*) FROM busy WHERE n = 3;
	EOS
	application writer 2 -R "$RATE" <<-'EOS'
		\set id random(1, :rows)
		\set other :rows + 1 + :client_id
		BEGIN;
		UPDATE account SET n = n + 1, v = md5(:id::text) WHERE id = :id;
		INSERT INTO log SELECT id, n FROM account WHERE id = :id;
		DELETE FROM account WHERE id = :other;
		INSERT INTO account (id, n) VALUES (:other, -1);
		END;
	EOS
	application patient 1 <<-'EOS'
		\set id random(1, :rows)
		BEGIN;
		SELECT count(*) FROM account WHERE n > 3;
		\sleep 500 ms
		UPDATE account SET n = n + 1 WHERE id = :id;
		INSERT INTO log SELECT id, n FROM account WHERE id = :id;
		END;
		\sleep 300 ms
	EOS
	until [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('reader', 'writer', 'patient')")" -ge 5 ]; do :; done
}

# part NAME COMMAND...: what the applications met while that was done.  What they have not
# written to their logs yet is from later by then.
part() {
	local name=$1 from to
	shift
	from=$EPOCHREALTIME
	"$@" || die "$name failed"
	to=$EPOCHREALTIME
	say "$name|$from|$to" >>"$parts"
	say "$name: $(awk -v from="$from" -v to="$to" 'BEGIN { printf "%.1f", to - from }') s"
}

call() { migration=$(sql "SELECT $1") && sql "CALL zdm.wait($migration, '$2')"; }
steer() { sql "SELECT zdm.$1($migration)" >/dev/null && sql "CALL zdm.wait($migration, '$2')"; }

# there_and_back NAME CALL: and there again, to its end.
there_and_back() {
	part "$1: copy" call "$2" ready
	part "$1: cutover" steer cutover switched
	part "$1: back" steer revert reverted
	part "$1: copy again" call "$2" ready
	part "$1: cutover again" steer cutover switched
	part "$1: contract" steer contract completed
}

# waits FROM TO: the longest that an application waited for a table, in ms.
waits() {
	awk -v from="$1" -v to="$2" '
		$1 >= from && $1 <= to && $2 ~ /^(reader|writer|patient)$/ && / acquired .* on relation .* after / {
			sub(/.* after /, ""); if ($1 + 0 > max) max = $1 + 0 }
		END { printf "%.1f", max }' "$WORK/server.log"
}

# latencies FROM TO NAME: 99 % and longest of what was under way in between, in ms.
latencies() {
	cat "$WORK/$3".log.* | awk -v from="$1" -v to="$2" \
		'{ at = $5 + $6 / 1e6 } at >= from && at - $3 / 1e6 <= to { print $3 / 1000 }' | sort -n |
		awk '{ v[NR] = $1 } END { if (NR > 0) printf "%.1f %.1f", v[int(NR * 0.99) + (NR * 0.99 > int(NR * 0.99))], v[NR]; else printf "- -" }'
}

start_applications
part idle sql 'DO $$ BEGIN PERFORM pg_sleep(20); END $$'
part 'an index, by hand' sql 'CREATE INDEX CONCURRENTLY account_v ON account (v)'
sql 'DROP INDEX CONCURRENTLY account_v'
part 'rewrite' call "zdm.rewrite('account')" completed
part 'rewrite in order' call "zdm.rewrite('account', order_by => 'n, id')" completed
there_and_back 'partitions' "zdm.partition_table('account', 'RANGE (id)', ARRAY['account_low FOR VALUES FROM (MINVALUE) TO ($((ROWS / 2)))', 'account_high FOR VALUES FROM ($((ROWS / 2))) TO (MAXVALUE)'])"
there_and_back 'key type' "zdm.change_column_type('account', 'id', 'bigint')"
there_and_back 'whole' "zdm.unpartition_table('account')"

sleep 3
pkill -TERM -g 0 -x pgbench
wait

failed=$(cat "$WORK"/{reader,writer,patient}.out | grep -cE 'ERROR|FATAL|aborted')
lost=$(sql 'SELECT count(*) FROM account a WHERE n >= 0 AND n <> coalesce((SELECT max(n) FROM log WHERE account = a.id), 0)')
rows=$(sql "SELECT count(*) FROM account WHERE id <= $ROWS")
say
printf '%-26s %8s %14s %16s %16s\n' "$ROWS rows" seconds 'table wait ms' 'read ms 99 %/max' 'write ms 99 %/max'
longest=0
while IFS='|' read -r name from to; do
	wait_ms=$(waits "$from" "$to")
	awk -v wait="$wait_ms" -v longest="$longest" 'BEGIN { exit !(wait > longest) }' && longest=$wait_ms
	printf '%-26s %8s %14s %9s/%6s %9s/%6s\n' "$name" "$(awk -v from="$from" -v to="$to" 'BEGIN { printf "%.1f", to - from }')" \
		"$wait_ms" $(latencies "$from" "$to" reader) $(latencies "$from" "$to" writer)
done <"$parts"
say
say "$failed queries failed; the longest wait for a table: $longest ms; $lost rows lost their last write, $((ROWS - rows)) are missing"
cat "$WORK"/{reader,writer,patient}.out | grep -E 'ERROR|FATAL|aborted' | sort | uniq -c | head
pg_ctl stop -s -m fast -D "$WORK/data"
awk -v longest="$longest" -v bound="$BOUND" 'BEGIN { exit !(longest <= bound) }' && [ "$failed$lost$((ROWS - rows))" = 000 ]
