#!/bin/sh
# Every public header compiles alone, as C11 without a warning or hidden padding, and as C++17.
include=$VITA_SRCDIR/libvita/include
failed=0

compile() { # header, language, compiler and flags
	header=$1 language=$2
	shift 2
	printf '#include <vita/%s>\n' "$header" |
		"$@" -I"$include" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x "$language" - || {
		echo "vita/$header does not compile alone: $*"
		failed=1
	}
}

# Pointers of 4 bytes pad differently; the structs are laid out for 8.
padded=-Wpadded
printf 'int check[sizeof(void *) == 8 ? 1 : -1];\n' | $CC -fsyntax-only -x c - 2>/dev/null || padded=

# configure may name a compiler that is not there, as g++ where it finds none.
# shellcheck disable=SC2086
[ -z "$CXX" ] || echo 'int check;' | $CXX -fsyntax-only -x c++ - 2>/dev/null || CXX=

for header in "$include"/vita/*.h; do
	header=${header##*/}
	# The compilers' names may carry flags, so they are left to be split.
	# shellcheck disable=SC2086
	compile "$header" c $CC -std=c11 $padded
	# shellcheck disable=SC2086
	[ -z "$CXX" ] || compile "$header" c++ $CXX -std=c++17
done
[ -n "$CXX" ] || echo "no C++ compiler: C++17 was not checked"
exit $failed
