# tests.sh: which tests are to be run.

# is_wanted NAME: was it named in "wanted", by a part of its name, or was nothing?
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
		say "skipped $name: this server is built without libxml" >&2
		return 1
	fi
	case $name in
		ge[0-9][0-9]_*) [ "$major" -ge "${name:2:2}" ] ;;
		lt[0-9][0-9]_*) [ "$major" -lt "${name:2:2}" ] ;;
		eq[0-9][0-9]_*) [ "$major" -eq "${name:2:2}" ] ;;
	esac
}
