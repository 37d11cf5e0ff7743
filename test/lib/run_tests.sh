#!/bin/bash
# run_tests.sh: build, install, run the tests and count them.
#
# The inner half of test/check: runs in the copy of the tree that workplace.sh
# made, as a user who may start servers.  A test is a file: a script below
# sql/, a specification below test/specs/, a TAP script below test/t/, or one
# of the checks of the source itself; all of test/random counts as one.  Each
# regression script and each specification has a database of its own, fresh, so
# that no test leans on another, and its result is one exit code on every
# server version.
set -u -o pipefail

. test/lib/machine.sh
. test/lib/build.sh

wanted=("$@")
major=$(major_of "$PG_CONFIG")
pgxs_test=$(dirname "$("$PG_CONFIG" --pgxs)")/../test
results=$WORK/results
limit=(timeout -k 10 "${ZDM_TEST_TIMEOUT:-900}")	# a test that hangs has failed
passed=0
failed=0

# is_wanted NAME: was it named on the command line, or was nothing?
is_wanted() {
	local name
	[ ${#wanted[@]} -eq 0 ] && return
	for name in "${wanted[@]}"; do
		name=${name#./}
		name=${name#test/}
		name=${name%.*}
		[[ $1 == *"$name"* ]] && return
	done
	return 1
}

# fits_server FILE: ge15_x.sql, lt16_x.sql, eq18_x.sql are for some majors; what
# says "# long" is left out where ZDM_SHORT asks for that, "-- needs libxml" where
# the server has none.
fits_server() {
	local name=${1##*/}
	if [ -n "${ZDM_SHORT:-}" ] && grep -qx '# long' "$1"; then
		return 1
	fi
	if grep -qx -e '-- needs libxml' "$1" && ! "$PG_CONFIG" --configure | grep -q with-libxml; then
		say "skipped $name: this server is built without libxml"
		return 1
	fi
	case $name in
		ge[0-9][0-9]_*) [ "$major" -ge "${name:2:2}" ] ;;
		lt[0-9][0-9]_*) [ "$major" -lt "${name:2:2}" ] ;;
		eq[0-9][0-9]_*) [ "$major" -eq "${name:2:2}" ] ;;
	esac
}

# one_test NAME COMMAND...: run it, count it, and show what it said if it
# failed.
one_test() {
	local name=$1 log=$results/${1//\//_}.log start=$SECONDS
	shift
	if "$@" >"$log" 2>&1 </dev/null; then
		passed=$((passed + 1))
		say "ok      $name ($((SECONDS - start)) s)"
		return
	fi
	failed=$((failed + 1))
	say "FAILED  $name ($((SECONDS - start)) s)"
	tail -n 60 "$log" | sed 's/^/    /'
	return 1
}

# show FILE LINES WHY: the end of a log that explains a failure.
show() {
	if [ -s "$1" ]; then
		say "    --- $3"
		tail -n "$2" "$1" | sed 's/^/    /'
	fi
}

run_source_checks() {
	if is_wanted include_order; then
		one_test include_order perl test/include_order
	fi
	if is_wanted statement_lines; then
		one_test statement_lines perl test/statement_lines
	fi
}

# start_server: the server that regression tests and specifications run on.
start_server() {
	mkdir -p "$WORK/s" "$results"
	export PGHOST=$WORK/s PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	initdb -D "$WORK/data" -A trust -N --no-locale -E UTF8 -U postgres >"$results/initdb.log" &&
		cat test/zdm.conf >>"$WORK/data/postgresql.conf" &&
		cat >>"$WORK/data/postgresql.conf" <<-EOC &&
			listen_addresses = ''
			unix_socket_directories = '$PGHOST'
		EOC
		pg_ctl start -s -w -D "$WORK/data" -l "$results/server.log"
}

# fresh_database: the next test makes it anew.  FORCE, since a worker may
# still be at work in what the last test left.
fresh_database() {
	psql -X -q -c "DROP DATABASE IF EXISTS $1 WITH (FORCE)" 2>/dev/null
}

# regress_options PROGRAM OUTPUT-DIR INPUT-DIR: where PostgreSQL 16 and later have to be
# told to find expected output; before, it is beside the input.
regress_options() {
	printf -- '--bindir=%s\n--outputdir=%s\n' "$("$PG_CONFIG" --bindir)" "$2"
	if "$1" --help | grep -q expecteddir; then
		printf -- '--expecteddir=%s\n' "$3"
	fi
	printf -- '--inputdir=%s\n' "$3"
}

# run_with PROGRAM PREFIX INPUT-DIR FILE...: each file by pg_regress or
# pg_isolation_regress.
run_with() {
	local program=$1 prefix=$2 input=$3 file name output options
	shift 3
	for file in "$@"; do
		name=$(basename "${file%.*}")
		if [ ! -e "$file" ] || ! fits_server "$file" || ! is_wanted "$prefix/$name"; then
			continue
		fi
		output=$results/$prefix/$name
		mkdir -p "$output"
		fresh_database contrib_regression
		mapfile -t options < <(regress_options "$program" "$output" "$input")
		if [ "$prefix" = specs ]; then
			options+=(--load-extension=pg_zdm)
		fi
		if ! one_test "$prefix/$name" "${limit[@]}" "$program" "${options[@]}" \
			--dbname=contrib_regression "$name"; then
			show "$output/regression.diffs" 200 differences
			if [ ! -e "$input/expected/$name.out" ]; then
				show "$output/results/$name.out" 200 "output, with none expected"
			fi
			grep -v ' client backend ' "$results/server.log" >"$output/server.log"
			show "$output/server.log" 30 "server log, but for what clients did"
		fi
	done
	fresh_database contrib_regression
}

# nothing_heard LOG-OR-DIRECTORY: test/module has heard no code of one role run as
# another by us.  What it says is named by function and reason.
nothing_heard() {
	! grep -rhE -A1 'zdm_watch: ' "$1"
}

# no_damage LOG: no test kills a process of the shared server, so that a crash,
# or a complaint about something leaked, is a bug even if no test noticed.
no_damage() {
	! grep -E 'PANIC|TRAP: |terminated by signal|(refcount|reference) leak|leak: |[Ss]napshot .*still (active|referenced)|don.t own a lock' "$1" &&
		nothing_heard "$1"
}

# run_prove LOG-DIRECTORY ENVIRONMENT-AND-COMMAND...
run_prove() {
	local directory=$1
	shift
	env "$@" && nothing_heard "$directory"
}

# perl_modules: where PostgreSQL's own modules for TAP tests are.  A server that
# came in a Python wheel has none; those of another major serve it.
perl_modules() {
	local directory
	for directory in "$pgxs_test/perl" /usr/lib/postgresql/*/lib/pgxs/src/test/perl; do
		if [ -e "$directory/PostgreSQL/Test/Cluster.pm" ]; then
			printf '%s' "$directory"
			return
		fi
	done
}

# run_tap: each script makes its own servers.
run_tap() {
	local file name base log modules
	modules=$(perl_modules)
	for file in test/t/*.pl; do
		name=$(basename "${file%.pl}")
		if [ ! -e "$file" ] || ! fits_server "$file" || ! is_wanted "t/$name"; then
			continue
		fi
		base=$results/t/$name
		mkdir -p "$base"
		mkdir -p "$base/log"
		if ! one_test "t/$name" run_prove "$base/log" -u PGHOST -u PGUSER -u PGDATABASE \
			PGPORT=65432 TESTDIR="$base" TESTDATADIR="$base/data" TESTLOGDIR="$base/log" \
			PG_REGRESS="$pgxs_test/regress/pg_regress" PERL5LIB="$modules:$PWD/test/lib" \
			ZDM_CONF="$PWD/test/zdm.conf" "${limit[@]}" prove -v "$file"; then
			while IFS= read -r log; do
				show "$log" 40 "${log##*/}"
			done < <(find "$base" -path '*/log/*' -type f | sort -r)
		fi
		if [ -z "${ZDM_KEEP:-}" ]; then
			rm -rf "$base/data" "$base/tmp_check"
		fi
	done
}

# run_random: invented cases against a model, on a server of their own: a fixed
# set of seeds, or those that are asked for.
run_random() {
	if is_wanted random; then
		one_test random "${limit[@]}" perl test/random/random.pl \
			--seeds "${ZDM_SEEDS:-60}" --from "${ZDM_SEED:-1}" --seconds 240 --patience 120
	fi
}

main() {
	mkdir -p "$results"
	run_source_checks
	if [ -n "${ZDM_SANITIZE:-}" ]; then
		watch_with_sanitizers "$WORK/sanitizers"
	fi
	if ! build_and_install ZDM_DEBUG=1 || ! build_and_install -C test/module; then
		failed=$((failed + 1))
		say "FAILED  build"
		return
	fi
	if ! start_server; then
		failed=$((failed + 1))
		say "FAILED  server start"
		show "$results/server.log" 40 "server log"
		return
	fi
	run_with "$pgxs_test/regress/pg_regress" sql . sql/*.sql
	run_with "$pgxs_test/isolation/pg_isolation_regress" specs test test/specs/*.spec
	pg_ctl stop -s -w -m fast -D "$WORK/data"
	if is_wanted server_log; then
		one_test server_log no_damage "$results/server.log"
	fi
	run_tap
	run_random
	if [ -n "${ZDM_SANITIZE:-}" ]; then
		one_test sanitizers no_reports "$WORK/sanitizers"
	fi
}

main
if [ $((passed + failed)) -eq 0 ]; then
	say "no test was run"
fi
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
