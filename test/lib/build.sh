# build.sh: build and install the extension.  Sourced inside the workplace.

# Our own code is clean under -Wall -Wextra but for three warnings that the
# server's headers and calling conventions bring with them.
WARNINGS='-Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers'

# build_and_install [MAKE-ARGUMENT...]: quiet when all is well.  In CI a
# warning is an error; a user's newer compiler may know more of them.  CC=...
# in the environment is another compiler than the server's.
build_and_install() {
	make -s -j2 PG_CONFIG="$PG_CONFIG" with_llvm=no ${CC:+CC="$CC"} \
		PG_CFLAGS="$WARNINGS ${CI:+-Werror}" "$@" all &&
		make -s PG_CONFIG="$PG_CONFIG" with_llvm=no ${CC:+CC="$CC"} "$@" install
}

# watch_with_sanitizers DIRECTORY: from here on the library is built for them,
# and processes report to files in DIRECTORY.  AddressSanitizer has to be in the
# program from its start, thus in a server built for it (CFLAGS=-fsanitize=address,
# best with --enable-cassert, which wipes freed memory): loaded before an ordinary
# one it hangs.  Leaks are not asked about: a server leaves its memory to the end
# of the process.
watch_with_sanitizers() {
	local which=undefined
	mkdir -p "$1"
	if "$PG_CONFIG" --cflags | grep -q 'fsanitize=.*address'; then
		which=address,undefined
	else
		say "this server is built without AddressSanitizer: undefined behaviour alone is looked for"
	fi
	WARNINGS+=" -O1 -ggdb -fno-omit-frame-pointer -fsanitize=$which"
	export SHLIB_LINK=-fsanitize=$which
	export ASAN_OPTIONS=detect_leaks=0:log_path=$1/asan
	export UBSAN_OPTIONS=print_stacktrace=1:log_path=$1/ubsan
}

# no_reports DIRECTORY: none was written; else show the top of each.
no_reports() {
	! find "$1" -type f -size +0 -exec head -n 40 {} + | grep .
}
