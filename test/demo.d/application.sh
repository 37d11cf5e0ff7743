# application.sh: two fleets of one application, and what they noticed.
#
# Sourced by run.sh.  Version 1 of the application knows the column only as
# phone, version 2 only as phone_number; otherwise they are the same scripts.
# Two fleets run throughout, at a fixed rate, so that the load with and without
# a migration is the same: what changes is the version that each one runs.
# The statements are prepared, as an application's driver would have them, and
# each fleet has a connection whose transactions stay open for seconds.

RATE=${ZDM_DEMO_RATE:-200}
CLIENTS=${ZDM_DEMO_CLIENTS:-4}
LONG_SECONDS=3			# how long a long transaction stays open,
PAUSE_SECONDS=4			# and how long its connection rests after it

# Every write moves a counter and writes its value into the phone number too.
# So each row says by itself whether both columns carried on from the last
# write, whichever version of the application that came from.
script_text() {
	case $1 in
		read)
			echo "\\set id random(1, $ROWS)"
			echo "SELECT id, name, COLUMN FROM account WHERE id = :id;"
			;;
		write)
			echo "\\set id random(1, $ROWS - 1000)"
			echo "UPDATE account SET COLUMN = '+' || id || '-' || writes + 1, writes = writes + 1 WHERE id = :id;"
			;;
		touch)
			echo "\\set id random(1, $ROWS - 1000)"
			echo "UPDATE account SET visited = clock_timestamp() WHERE id = :id;"
			;;
		insert)
			echo "INSERT INTO account (name, COLUMN, writes) VALUES ('new', '+new', -1);"
			;;
		long)
			# a row of its own, while a fleet's versions take over from each other too
			echo "\\set id $ROWS - 2 * FLEET - VERSION"
			echo "BEGIN;"
			echo "UPDATE account SET COLUMN = '+' || id || '-' || writes + 1, writes = writes + 1 WHERE id = :id;"
			echo "SELECT count(COLUMN) FROM account WHERE id < 100;"
			echo "\\sleep $LONG_SECONDS s"
			echo "COMMIT;"
			echo "\\sleep $PAUSE_SECONDS s"
			;;
	esac
}

# write_scripts: for each version and fleet its own copy, with its one name of
# the column in it.
write_scripts() {
	local fleet version column script
	for fleet in 0 1; do
		for version in 1 2; do
			column=phone
			if [ $version = 2 ]; then
				column=phone_number
			fi
			mkdir -p "$WORK/app/$fleet.$version"
			for script in read write touch insert long; do
				script_text $script | sed "s/COLUMN/$column/g; s/FLEET/$fleet/g; s/VERSION/$version/g" \
					>"$WORK/app/$fleet.$version/$script.sql"
			done
		done
	done
}

# bench FLEET VERSION NAME OPTION...: one pgbench in the background.  It runs
# until it is told that its time is up.
bench() {
	local log=$MEASURED/$1.$2.$3
	shift 3
	pgbench -n -M prepared -T 36000 -l --log-prefix="$log" "$@" account >"$log.out" 2>&1 &
	STARTED+=" $!"
}

# start_fleet FLEET VERSION: its short and its long transactions.
start_fleet() {
	local app=$WORK/app/$1.$2
	STARTED=
	bench "$1" "$2" short -c "$CLIENTS" -R "$RATE" \
		-f "$app/read.sql@5" -f "$app/write.sql@3" -f "$app/touch.sql@1" -f "$app/insert.sql@1"
	bench "$1" "$2" long -c 1 -f "$app/long.sql"
	FLEET[$1]=$STARTED
}

# stop_fleet FLEET: in good order, each connection after its transaction:
# SIGALRM is how pgbench learns that its time is up.
stop_fleet() {
	local pids
	read -r -a pids <<<"${FLEET[$1]}"
	stop_benches "${pids[@]}"
}

# stop_benches PID...: pgbench ends with 0, or with 2 when it has said what it
# complains about.  One that died otherwise would miss from every count.
stop_benches() {
	local pid status
	kill -ALRM "$@" 2>/dev/null
	for pid in "$@"; do
		wait "$pid"
		status=$?
		if [ $status -ne 0 ] && [ $status -ne 2 ]; then
			say "pgbench: error: process $pid ended with status $status" >>"$MEASURED/died.out"
		fi
	done
}

# deploy FLEET VERSION: as a rolling deployment does it: the new version is
# there before the old one goes.
deploy() {
	local old
	read -r -a old <<<"${FLEET[$1]}"
	start_fleet "$1" "$2"
	stop_benches "${old[@]}"
}

# complaints DIRECTORY: what pgbench had to complain about: a connection that it
# could not make, or that it gave up because a statement failed.
complaints() {
	grep -h -E '^pgbench: (error|fatal):' "$1"/*.out | grep -v 'Run was aborted'
}

# measure DIRECTORY: print "queries failed longest-ms p99-ms" of all that ran
# with MEASURED set to it.  A long transaction is four queries, and the time
# that it chose to sleep is not the server's.
measure() {
	local aborted
	aborted=$(complaints "$1" | wc -l)
	cat "$1"/*.short.[0-9]* "$1"/*.long.[0-9]* 2>/dev/null | awk '$3 == "failed"' | wc -l >"$1/failed"
	{
		awk '$3 != "failed" { print 1, $3 / 1000 }' "$1"/*.short.[0-9]*
		awk -v sleep=$(((LONG_SECONDS + PAUSE_SECONDS) * 1000)) '$3 != "failed" { print 4, $3 / 1000 - sleep }' "$1"/*.long.[0-9]*
	} | sort -k2,2n | awk -v failed=$((aborted + $(cat "$1/failed"))) '
		{ queries += $1; ms[NR] = $2 }
		END { printf "%d %d %.1f %.1f\n", queries, failed, ms[NR], ms[int(NR * 0.99)] }'
}
