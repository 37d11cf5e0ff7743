#!/bin/bash
# run.sh: the inner half of test/bench/guard_table.
set -u -o pipefail

. test/lib/machine.sh
. test/lib/build.sh

build_and_install || die "the build failed"
mkdir -p "$WORK/s"
export PGHOST=$WORK/s PGPORT=5432 PGUSER=postgres
initdb -D "$WORK/data" -A trust -N --no-locale -E UTF8 -U postgres >"$WORK/initdb.log" &&
	cat >>"$WORK/data/postgresql.conf" <<-EOC &&
		shared_preload_libraries = 'pg_zdm'
		listen_addresses = ''
		unix_socket_directories = '$PGHOST'
		wal_level = logical
		timezone = 'UTC'
		autovacuum = off
		fsync = off
	EOC
	pg_ctl start -s -w -D "$WORK/data" -l "$WORK/server.log" || die "the server does not start"
perl test/corpus ../shared/ddl/corpus.jsonl >"$WORK/corpus.out" || die "the runner failed: $(tail -n 1 "$WORK/corpus.out")"

# row NAME TALLY: "# check: 82 of 82 unsafe caught, 0 of 124 safe refused" as a row.
row() {
	sed -nE "s/^# $2: ([0-9]+) of ([0-9]+) unsafe caught, ([0-9]+) of ([0-9]+) safe refused$/\1 \2 \3 \4/p" "$WORK/corpus.out" |
		awk -v name="$1" '{
			printf "| %s | %d of %d (%d%%) | %d of %d (%d%%) | %d%% |\n", name, $1, $2, 100 * $1 / $2,
				$3, $4, 100 * $3 / $4, 100 * ($1 + $4 - $3) / ($2 + $4)
		}'
}

cat <<-EOT
	| tool | unsafe caught | safe refused | right |
	|---|---|---|---|
EOT
row 'pg_zdm, the guard' guard
row 'pg_zdm, `zdm.check()`' check
cat <<-EOT
	| squawk 2.66 | 166 of 270 (61%) | 136 of 378 (36%) | 63% |
	| Postgres Language Server 0.25.5 | 185 of 270 (69%) | 187 of 378 (49%) | 58% |
	| pgfence 0.1.5, MEDIUM and above | 151 of 270 (56%) | 118 of 378 (31%) | 63% |
	| pgfence 0.1.5, HIGH and above | 93 of 270 (34%) | 63 of 378 (17%) | 63% |
	| strong_migrations | cannot read SQL | | |
EOT
