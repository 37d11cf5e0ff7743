# workplace.sh: a throw-away place to build in and run servers in.
#
# Sourced by test/check and test/demo after machine.sh.  Everything happens in
# one temporary directory, owned by a user who may start a server (initdb
# refuses root): a copy of the work tree, since that user may not be able to
# read the original, and a copy of the server's program files, since the tests
# install a library with debug points, which has no business in a server that
# somebody uses.  PostgreSQL finds its files relative to its binaries, so that
# the copy is a complete server.

# workplace_open NAME TREE: make WORK and fill it; from here on an exit cleans
# it up.  Sets WORK, RUN_AS and, for code inside, nothing else.
workplace_open() {
	WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/$1.XXXXXX")
	trap workplace_close EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP PIPE
	choose_user
	mkdir "$WORK/tree" "$WORK/tmp"
	tar -C "$2" -c --exclude=./.git --exclude='*.o' --exclude='*.so' \
		--exclude='*.bc' --exclude=tmp_check . | tar -C "$WORK/tree" -x
	# statements with measured verdicts, where they lie beside the tree
	if [ -d "$2/../shared/ddl" ]; then
		mkdir "$WORK/shared" && cp -R "$2/../shared/ddl" "$WORK/shared/"
	fi
	copy_server
	if [ "$(id -u)" -eq 0 ]; then
		chown -R "$RUN_AS" "$WORK"
	fi
}

# choose_user: RUN_AS is who runs the servers; empty means whoever we are.
choose_user() {
	RUN_AS=
	if [ "$(id -u)" -eq 0 ]; then
		RUN_AS=nobody
		if id postgres >/dev/null 2>&1; then
			RUN_AS=postgres
		fi
	fi
}

# copy_server: the program files below WORK/server, at the paths they have, so
# that their places relative to each other stay; what is only read is linked.
copy_server() {
	local what path
	for what in bindir pkglibdir sharedir; do
		path=$("$PG_CONFIG" --$what)
		mkdir -p "$WORK/server$path"
		cp -a "$path/." "$WORK/server$path"
	done
	for what in includedir pkgincludedir includedir-server libdir localedir; do
		path=$("$PG_CONFIG" --$what)
		# what is missing here is missing there: a link to it could only be made
		# through the link to a folder above it, in the original
		if [ -e "$path" ] && [ ! -e "$WORK/server$path" ]; then
			mkdir -p "$WORK/server${path%/*}"
			ln -s "$path" "$WORK/server$path"
		fi
	done
	# a server that came in a Python wheel has its libraries beside the package
	for path in "$(realpath "$("$PG_CONFIG" --bindir)/../../..")"/*.libs; do
		if [ -d "$path" ]; then
			ln -s "$path" "$WORK/server$path"
		fi
	done
}

# inside COMMAND...: run it in WORK as RUN_AS, with an environment of its own:
# no PGHOST of the caller's may lead a test to another server.
inside() {
	local variable environment=(
		"HOME=$WORK/tmp" "TMPDIR=$WORK/tmp" "WORK=$WORK" LC_ALL=C "TERM=${TERM:-dumb}"
		"PG_CONFIG=$WORK/server$("$PG_CONFIG" --bindir)/pg_config"
		"PATH=$WORK/server$("$PG_CONFIG" --bindir):/usr/local/bin:/usr/bin:/bin")
	for variable in CC CI ASAN_OPTIONS "${!ZDM_@}" "${!PG_TEST_@}"; do
		if [ -n "${!variable:-}" ]; then
			environment+=("$variable=${!variable}")
		fi
	done
	cd "$WORK/tree" || return
	if [ -n "$RUN_AS" ]; then
		setpriv --reuid "$RUN_AS" --regid "$(id -g "$RUN_AS")" --init-groups \
			env -i --default-signal=INT "${environment[@]}" "$@"
	else
		env -i --default-signal=INT "${environment[@]}" "$@"
	fi
}

# workplace_run COMMAND...: run it inside, and be ready to be told to stop
# meanwhile: bash hears a signal while it waits, not while a command runs.
workplace_run() {
	inside "$@" &
	wait $!
}

# workplace_close: end what is left of what ran inside, stop every server below
# WORK, then remove WORK, unless ZDM_KEEP asks to keep it.
workplace_close() {
	local pid_file
	trap - EXIT INT
	trap '' TERM HUP PIPE
	kill_leftovers
	while IFS= read -r pid_file; do
		inside pg_ctl stop -s -w -m immediate -D "${pid_file%/*}" >/dev/null 2>&1
	done < <(find "$WORK" -name postmaster.pid 2>/dev/null)
	cd / || return
	if [ -n "${ZDM_KEEP:-}" ]; then
		say "kept: $WORK"
	else
		rm -rf "$WORK"
	fi
}

# kill_leftovers: a process that ran inside has WORK in its environment, and
# that name is nobody else's.  Servers are stopped in better order than this.
kill_leftovers() {
	local environ pid
	for environ in /proc/[0-9]*/environ; do
		if grep -qzxF "WORK=$WORK" "$environ" 2>/dev/null; then
			pid=${environ#/proc/}
			pid=${pid%/*}
			case $(readlink "/proc/$pid/exe") in
				*/postgres) ;;
				*) kill -KILL "$pid" 2>/dev/null ;;
			esac
		fi
	done
}
