# machine.sh: the server to test against, and the packages that this takes.
#
# Sourced by test/check and test/demo.  Knows Debian and Ubuntu; elsewhere
# everything has to be there already.  A machine that lacks nothing is left
# exactly as it was: apt is asked only for what is missing, its lists are
# fetched only when they do not know a package, and no database cluster is
# created in passing.

OLDEST_MAJOR=14
NEWEST_MAJOR=18

# What building and testing takes beside the server and its -dev package.
# This list, and nothing else, is what a test may rely on.
TEST_PACKAGES=(gcc libc6-dev make perl libipc-run-perl)

# Migration tools that one test deploys with; without them it is skipped.  So is that
# beside pg_partman, which has a package for each server.
TOOL_PACKAGES=(sqitch libdbd-pg-perl python3-alembic python3-psycopg2)

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

say() {
	printf '%s\n' "$*"
}

# have_package NAME: is it installed?
have_package() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# as_root COMMAND...: run it as root, by whatever right we have.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

may_install() {
	[ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

# major_of PG_CONFIG: the major version, such as 15.
major_of() {
	"$1" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/'
}

# is_complete PG_CONFIG: can one build against it and start it?  The headers are
# asked for by themselves: Debian has the makefiles in the package of the client.
is_complete() {
	[ -x "$1" ] && [ -f "$("$1" --pgxs)" ] && [ -x "$("$1" --bindir)/postgres" ] &&
		[ -f "$("$1" --includedir-server)/postgres.h" ]
}

# installed_majors: supported majors of Debian's layout that have a server,
# newest first.
installed_majors() {
	local major
	for ((major = NEWEST_MAJOR; major >= OLDEST_MAJOR; major--)); do
		if [ -x "/usr/lib/postgresql/$major/bin/postgres" ]; then
			printf '%s\n' "$major"
		fi
	done
}

# distribution_major: the major that the package "postgresql" stands for;
# nothing when apt's lists do not know it.
distribution_major() {
	apt-cache depends postgresql 2>/dev/null |
		sed -nE 's/^ *Depends: postgresql-([0-9]+)$/\1/p' | head -n 1
}

# choose_server: set PG_CONFIG, and SERVER_PACKAGES to what has to be there
# for it.  A server that is complete wins over a newer one that is not.
choose_server() {
	local major
	SERVER_PACKAGES=()
	if [ -n "${PG_CONFIG:-}" ]; then
		PG_CONFIG=$(command -v "$PG_CONFIG" || printf '%s' "$PG_CONFIG")
		if is_complete "$PG_CONFIG"; then
			return
		fi
		major=$(printf '%s\n' "$PG_CONFIG" |
			sed -nE 's,^/usr/lib/postgresql/([0-9]+)/bin/pg_config$,\1,p')
		[ -n "$major" ] || die "$PG_CONFIG is not the pg_config of a server with its development files"
		SERVER_PACKAGES=("postgresql-$major" "postgresql-server-dev-$major")
		return
	fi
	if ! command -v apt-get >/dev/null; then
		PG_CONFIG=$(command -v pg_config) || die "no pg_config in PATH; set PG_CONFIG"
		return
	fi
	for major in $(installed_majors); do
		PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config
		if is_complete "$PG_CONFIG"; then
			return
		fi
	done
	major=$(installed_majors | head -n 1)
	if [ -z "$major" ]; then
		major=$(distribution_major)
	fi
	if [ -z "$major" ] && may_install; then
		as_root apt-get -qq update
		major=$(distribution_major)
	fi
	[ -n "$major" ] || missing postgresql postgresql-server-dev-all "${TEST_PACKAGES[@]}"
	PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config
	SERVER_PACKAGES=("postgresql-$major" "postgresql-server-dev-$major")
}

# missing PACKAGE...: say what to type, and give up.
missing() {
	say "Packages are missing and this user may not install them.  Run this once:"
	say "  sudo sh -c 'apt-get update && apt-get install -y $*'"
	exit 1
}

# install_packages: install what choose_server and the tests need and the
# machine lacks.
install_packages() {
	local package lacking=()
	for package in "${SERVER_PACKAGES[@]}" "${TEST_PACKAGES[@]}"; do
		if ! command -v dpkg-query >/dev/null; then
			continue
		elif ! have_package "$package"; then
			lacking+=("$package")
		fi
	done
	if [ ${#lacking[@]} -gt 0 ]; then
		may_install || missing "${lacking[@]}"
		say "installing ${lacking[*]}"
		without_main_cluster apt_install "${lacking[@]}"
	fi
	is_complete "$PG_CONFIG" || die "no server with development files at $PG_CONFIG"
	local major
	major=$(major_of "$PG_CONFIG")
	if [ "$major" -lt "$OLDEST_MAJOR" ] || [ "$major" -gt "$NEWEST_MAJOR" ]; then
		die "PostgreSQL $major is not supported, only $OLDEST_MAJOR to $NEWEST_MAJOR"
	fi
}

# install_tools: what single tests need beside all that, where it can be had.
install_tools() {
	local major
	install_if_possible "${TOOL_PACKAGES[@]}"
	major=$(printf '%s\n' "$PG_CONFIG" | sed -nE 's,^/usr/lib/postgresql/([0-9]+)/bin/pg_config$,\1,p')
	if [ -n "$major" ]; then
		install_if_possible "postgresql-$major-partman"
	fi
}

# install_if_possible PACKAGE...: all of them, or say which are missing.
install_if_possible() {
	local package lacking=()
	command -v dpkg-query >/dev/null || return 0
	for package in "$@"; do
		have_package "$package" || lacking+=("$package")
	done
	[ ${#lacking[@]} -gt 0 ] || return 0
	if may_install; then
		say "installing ${lacking[*]}"
		apt_install "${lacking[@]}" && return
	fi
	say "not installed: ${lacking[*]}; what they are needed for is skipped"
}

# apt_install PACKAGE...: lists that are missing or out of date show as a
# failure; then they are fetched, and the installation tried once more, not
# silently this time.
apt_install() {
	local install=(env DEBIAN_FRONTEND=noninteractive
		apt-get -qq install -y --no-install-recommends "$@")
	as_root "${install[@]}" >/dev/null 2>&1 && return
	as_root apt-get -qq update
	as_root "${install[@]}" -o Dpkg::Use-Pty=0 >/dev/null
}

# without_main_cluster COMMAND...: run it while postgresql-common, if it comes
# with this command, is told to create no cluster.  A machine that has
# postgresql-common already has its own mind about that.
without_main_cluster() {
	local conf=/etc/postgresql-common/createcluster.conf status=0
	if have_package postgresql-common || [ -e "$conf" ]; then
		"$@"
		return
	fi
	as_root mkdir -p "${conf%/*}"
	say 'create_main_cluster = false' | as_root tee "$conf" >/dev/null
	"$@" || status=$?
	if [ -e "/usr/share/postgresql-common/${conf##*/}" ]; then
		as_root cp "/usr/share/postgresql-common/${conf##*/}" "$conf"
	else
		as_root rm -f "$conf"
	fi
	return $status
}
