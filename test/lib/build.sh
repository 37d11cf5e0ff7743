# build.sh: build and install the extension.  Sourced inside the workplace.

# Our own code is clean under -Wall -Wextra but for three warnings that the
# server's headers and calling conventions bring with them.
WARNINGS='-Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers'

# build_and_install [MAKE-ARGUMENT...]: quiet when all is well.  In CI a
# warning is an error; a user's newer compiler may know more of them.
build_and_install() {
	make -s -j2 PG_CONFIG="$PG_CONFIG" with_llvm=no \
		PG_CFLAGS="$WARNINGS ${CI:+-Werror}" "$@" all &&
		make -s PG_CONFIG="$PG_CONFIG" with_llvm=no "$@" install
}
