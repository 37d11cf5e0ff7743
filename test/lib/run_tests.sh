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
. test/lib/tests.sh

wanted=("$@")
tree=$PWD
pgxs_test=$(dirname "$("$PG_CONFIG" --pgxs)")/../test
results=$WORK/results
limit=(timeout -k 10 "${ZDM_TEST_TIMEOUT:-900}")	# a test that hangs has failed
passed=0
failed=0

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
	if is_wanted indent && ! test/indent >"$results/indent.log" 2>&1; then
		say "remark: test/indent would lay $(grep -c '^+++ ' "$results/indent.log") files out anew"
	fi
}

# make_in DIRECTORY ARGUMENT...: make, with nothing written into the tree.
make_in() {
	local directory=$1
	shift
	mkdir -p "$directory"
	# what modules of 15 go by, where they serve a server whose makefiles no longer say it
	TESTDIR=$directory make -s -C "$directory" -f "$tree/Makefile" PG_CONFIG="$PG_CONFIG" "$@"
}

# outcome_of LINE: from a line of pg_regress, "ok" or "failed", the test and its
# milliseconds; before 16, and since.
outcome_of() {
	sed -nE \
		-e 's/^test ([^ ]+) +\.\.\. ok +([0-9]+) ms.*/ok \1 \2/p' \
		-e 's/^test ([^ ]+) +\.\.\. .* ([0-9]+) ms.*/failed \1 \2/p' \
		-e 's/^ok [0-9]+ +[-+] ([^ ]+) +([0-9]+) ms.*/ok \1 \2/p' \
		-e 's/^not ok [0-9]+ +[-+] ([^ ]+) +([0-9]+) ms.*/failed \1 \2/p' <<<"$1"
}

# why_failed KIND NAME EXPECTED OUTPUT-DIRECTORY: what it says, and the server.
why_failed() {
	local name=$1 expected=$2/$1.out output=$3
	if [ -e "$expected" ]; then
		diff -U3 "$expected" "$output/results/$name.out" >"$output/$name.diff"
		show "$output/$name.diff" 200 differences
	else
		show "$output/results/$name.out" 200 "output, with none expected"
	fi
	grep -v ' client backend ' "$output/log/postmaster.log" >"$output/$name.server.log"
	show "$output/$name.server.log" 30 "server log, but for what clients did"
}

# run_lane LANE KIND VARIABLE EXPECTED OUTPUT-DIRECTORY TEST...: these of sql or
# specs, by make installcheck; and what the server had to say in all.
run_lane() {
	local lane=$1 kind=$2 variable=$3 expected=$4 output=$results/$2.$1/$5 line how name ms left
	shift 5
	left=" $* "
	passed=0
	failed=0
	while IFS= read -r line; do
		say "$line" >>"$results/$kind.$lane.log"
		read -r how name ms < <(outcome_of "$line")
		case $how in
			ok)
				passed=$((passed + 1))
				say "ok      $kind/$name ($((ms / 1000)) s)"
				;;
			failed)
				failed=$((failed + 1))
				say "FAILED  $kind/$name ($((ms / 1000)) s)
$(why_failed "$name" "$expected" "$output")"
				;;
			*) continue ;;
		esac
		left=${left/ $name / }
	done < <(make_in "$results/$kind.$lane" installcheck REGRESS= ISOLATION= TAP_TESTS= REGRESS_PREP= \
		"$variable=$*" 2>&1)
	for name in $left; do
		failed=$((failed + 1))
		say "FAILED  $kind/$name: it was not run"
	done
	if [ -n "${left// /}" ]; then
		show "$results/$kind.$lane.log" 40 "make installcheck"
		show "$output/log/postmaster.log" 40 "server log"
	fi
	if is_wanted server_log; then
		one_test "server_log/$kind.$lane" test/lib/no_damage "$output/log/postmaster.log"
	fi
	say "$passed $failed" >"$results/$kind.$lane.count"
}

# run_regress KIND VARIABLE EXPECTED OUTPUT-DIRECTORY: what is wanted of sql or
# specs.  Most of the time they wait for workers, so two are run at once, on a server
# each.
run_regress() {
	local all lanes=() lane counts
	mapfile -t all < <(test/lib/list_tests "$1" "${wanted[@]}")
	if [ ${#all[@]} -gt 0 ]; then
		run_lane 1 "$@" $(printf '%s\n' "${all[@]}" | sed -n 'p;n') &
		lanes+=($!)
	fi
	if [ ${#all[@]} -gt 1 ]; then
		run_lane 2 "$@" $(printf '%s\n' "${all[@]}" | sed -n 'n;p') &
		lanes+=($!)
	fi
	[ ${#lanes[@]} -gt 0 ] || return
	wait "${lanes[@]}"
	for ((lane = 1; lane <= ${#lanes[@]}; lane++)); do
		read -r -a counts <"$results/$1.$lane.count" || counts=(0 1)
		passed=$((passed + counts[0]))
		failed=$((failed + counts[1]))
	done
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

# run_tap NAME: a script, which makes its own servers.  PostgreSQL's modules are there
# even where the server was built without them.
run_tap() {
	local base=$results/t/$1 log
	if ! one_test "t/$1" make_in "$base" installcheck REGRESS= ISOLATION= REGRESS_PREP= \
		TAP_TESTS="$1" enable_tap_tests=yes PROVE="${limit[*]} prove" PROVE_FLAGS="-v -I $modules"; then
		while IFS= read -r log; do
			show "$log" 40 "${log##*/}"
		done < <(find "$base" -path '*/log/*' -type f | sort -r)
	fi
	if [ -z "${ZDM_KEEP:-}" ]; then
		rm -rf "$base/tmp_check"/*data*
	fi
}

# run_random: invented cases against a model, on a server of their own: a fixed
# set of seeds, or those that are asked for.
run_random() {
	one_test random "${limit[@]}" perl test/random/random.pl \
		--seeds "${ZDM_SEEDS:-60}" --from "${ZDM_SEED:-1}" --seconds 240 --patience 120
}

# next_in_turn: the first one left of the queue of run_others, taken out of it.
next_in_turn() {
	flock "$results/queue.lock" sed -n -i -e '1w /dev/stdout' -e '1!p' "$results/queue"
}

# run_others_lane LANE: what the queue has, until it is empty.  What a test has to say
# comes in one piece.
run_others_lane() {
	local name
	passed=0
	failed=0
	while name=$(next_in_turn) && [ -n "$name" ]; do
		if [ "$name" = random ]; then
			run_random
		else
			run_tap "$name"
		fi >"$results/lane.$1"
		say "$(<"$results/lane.$1")"
	done
	say "$passed $failed" >"$results/lane.$1.count"
}

# run_others: what is wanted of the TAP scripts, and of random, which takes longest and
# begins.  None of them measures: two are run at once, as most of the time they wait.
run_others() {
	local lanes=() counts lane modules
	modules=$(perl_modules)
	mkdir "$results/ports"
	export PG_TEST_PORT_DIR=$results/ports
	{
		if is_wanted random; then
			say random
		fi
		test/lib/list_tests t "${wanted[@]}"
	} >"$results/queue"
	for lane in 1 2; do
		run_others_lane "$lane" &
		lanes+=($!)
	done
	wait "${lanes[@]}"
	for lane in 1 2; do
		read -r -a counts <"$results/lane.$lane.count" || counts=(0 1)
		passed=$((passed + counts[0]))
		failed=$((failed + counts[1]))
	done
}

# build_all: the extension and what tests need beside it, in a directory of its own.
# By relative paths, so that a compiler's cache knows the files again.
build_all() {
	mkdir "$WORK/build" &&
		build_and_install -C "$WORK/build" -f ../tree/Makefile &&
		build_and_install -C "$WORK/build" -f ../tree/Makefile test-module install-test-module
}

# untouched: neither building nor testing has written into the tree.
untouched() {
	! find "$tree" -newer "$WORK/begin" | grep .
}

main() {
	mkdir -p "$results"
	touch "$WORK/begin"
	run_source_checks
	if [ -n "${ZDM_SLOW:-}" ]; then
		echo "zdm_test.slow_$ZDM_SLOW = 60ms" >>test/zdm.conf
	fi
	if [ -n "${ZDM_SANITIZE:-}" ]; then
		watch_with_sanitizers "$WORK/sanitizers"
	fi
	if ! build_all; then
		failed=$((failed + 1))
		say "FAILED  build"
		return
	fi
	run_regress sql REGRESS expected .
	run_regress specs ISOLATION test/expected output_iso
	run_others
	if is_wanted tree; then
		one_test tree untouched
	fi
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
