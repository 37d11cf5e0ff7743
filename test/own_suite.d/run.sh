#!/bin/bash
# run.sh: the inner half of test/own_suite.
set -u -o pipefail

. test/lib/machine.sh
. test/lib/build.sh

suite=$1
export PGPORT=5432 PGUSER=postgres

# run NAME OPTION...: the suite on a fresh server; the options are pg_regress'.
run() {
	local name=$1 what=(--schedule="$suite/parallel_schedule" --max-concurrent-tests=20)
	shift
	if [ -n "${ZDM_SUITE:-}" ]; then
		read -r -a what <<<"test_setup create_index $ZDM_SUITE"
	fi
	mkdir -p "$WORK/$name" "$WORK/s"
	export PGHOST=$WORK/s
	initdb -D "$WORK/data-$name" -A trust -N --no-locale -E UTF8 -U postgres >"$WORK/$name/initdb.log" || die "initdb failed"
	cat >>"$WORK/data-$name/postgresql.conf" <<-EOC
		listen_addresses = ''
		unix_socket_directories = '$PGHOST'
		max_prepared_transactions = 2
		fsync = off
		$(cat "$WORK/$name.conf")
	EOC
	pg_ctl start -s -w -D "$WORK/data-$name" -l "$WORK/$name/server.log" || die "the server does not start"
	if "$suite/pg_regress" --help | grep -q expecteddir; then
		what+=(--expecteddir="$suite")
	fi
	"$suite/pg_regress" --inputdir="$suite" --dlpath="$suite" --bindir="$(dirname "$PG_CONFIG")" \
		--outputdir="$WORK/$name" "$@" "${what[@]}" >"$WORK/$name/log" 2>&1
	tail -n 4 "$WORK/$name/log"
	pg_ctl stop -s -w -m fast -D "$WORK/data-$name"
}

build_and_install || die "the build failed"
: >"$WORK/plain.conf"
cat >"$WORK/ours.conf" <<-EOC
	shared_preload_libraries = 'pg_zdm'
	zdm.guard = warn
	zdm.guard_min_size = 0
	# on a slow server its statements take their time
	zdm.ddl_hold_timeout = '120s'
EOC
say "--- as it is"
run plain
say "--- with the extension"
run ours --load-extension=pg_zdm
perl test/own_suite.d/compare.pl "$WORK/plain/results" "$WORK/ours/results"
status=$?
if grep -E 'PANIC|TRAP: |terminated by signal|leak: ' "$WORK/ours/server.log"; then
	status=1
fi
exit $status
