# Read by the tests in this folder: where the package is installed, and what a failed check says.
#
# make check installs into stage/ of the build tree and runs them there; make installcheck runs them on what
# make install put into its place, so that the built-in module folder is used.
# shellcheck shell=sh disable=SC2034 # the variables are for those who read this

set -u
bindir=$VITA_STAGE$VITA_BINDIR
libdir=$VITA_STAGE$VITA_LIBDIR
includedir=$VITA_STAGE$VITA_INCLUDEDIR
plugindir=$VITA_STAGE$VITA_MODULEDIR
vita=$bindir/vita

LD_LIBRARY_PATH=$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
PKG_CONFIG_PATH=$libdir/pkgconfig
PKG_CONFIG_SYSROOT_DIR=$VITA_STAGE
PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
export LD_LIBRARY_PATH PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_ALLOW_SYSTEM_CFLAGS
[ -n "$PKG_CONFIG_SYSROOT_DIR" ] || unset PKG_CONFIG_SYSROOT_DIR
if [ -n "$VITA_STAGE" ]; then
	VITA_PLUGIN_PATH=$plugindir
	export VITA_PLUGIN_PATH
else
	unset VITA_PLUGIN_PATH
fi

# Leaks are looked for in the unit tests. In a program that loads modules LeakSanitizer cannot look into thread-local
# storage (tests/local.mk), and so reports what glibc keeps there of the last dlerror.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export ASAN_OPTIONS

scratch=$(mktemp -d "${TMPDIR:-/tmp}/vita-test.XXXXXX") || exit 99
trap 'rm -rf "$scratch"' EXIT
trap 'exit 99' HUP INT TERM

failures=0
fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}

# expect_exit STATUS COMMAND…: run it, keep its output in $scratch/out and $scratch/err.
expect_exit() {
	expected=$1
	shift
	"$@" >"$scratch/out" 2>"$scratch/err" </dev/null
	status=$?
	[ "$status" = "$expected" ] && return
	fail "exit $status instead of $expected: $*"
	sed 's/^/    /' "$scratch/err"
}

# Lines that match, as a check.
expect_match() { # file, pattern
	grep -q -e "$2" "$1" && return
	fail "nothing like '$2' in:"
	sed 's/^/    /' "$1"
}

# One JSON document without white space, so that grep can look into it.
compact() { tr -d ' \t\n' <"$1"; }

# expect_refusal COMMAND…: exit 1 or 2, a sentence on stderr, nothing on stdout, and no $scratch/no.wav.
expect_refusal() {
	"$@" >"$scratch/out" 2>"$scratch/err" </dev/null
	status=$?
	case $status in
	1 | 2) ;;
	*) fail "exit $status instead of 1 or 2: $*" ;;
	esac
	[ -s "$scratch/err" ] || fail "no word about what is wrong: $*"
	[ ! -s "$scratch/out" ] || fail "output in spite of a failure: $*"
	for left in "$scratch"/no.wav* "$scratch"/.vita-*; do
		[ ! -e "$left" ] || fail "left behind: $left by $*"
		rm -f "$left"
	done
}

# A number as little-endian bytes, and a WAV file around the bytes of a file.
little_endian() { # value, bytes
	value=$1
	count=$2
	while [ "$count" -gt 0 ]; do
		# shellcheck disable=SC2059 # the format is the byte
		printf "\\$(printf %03o $((value & 255)))"
		value=$((value >> 8))
		count=$((count - 1))
	done
}

wav() { # format (1 integer, 3 float), channels, rate, bits, file of samples
	size=$(wc -c <"$5")
	printf RIFF && little_endian $((size + 36)) 4 && printf 'WAVEfmt ' && little_endian 16 4
	little_endian "$1" 2 && little_endian "$2" 2 && little_endian "$3" 4
	little_endian $(($3 * $2 * $4 / 8)) 4 && little_endian $(($2 * $4 / 8)) 2 && little_endian "$4" 2
	printf data && little_endian "$size" 4 && cat "$5"
}

finish() {
	[ "$failures" = 0 ] || echo "$failures checks failed"
	[ "$failures" = 0 ]
	exit
}

samples() { # recording: one sample a line
	tail -c +45 "$1" | od -An -v -t d2 -w2
}

expect_near() { # what, recording, recording, largest difference
	samples "$2" >"$scratch/a"
	samples "$3" >"$scratch/b"
	[ "$(wc -l <"$scratch/a")" = "$(wc -l <"$scratch/b")" ] || fail "$1: another number of samples"
	paste "$scratch/a" "$scratch/b" | awk -v most="$4" '{ d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d }
		END { exit !(NR > 0 && worst <= most) }' || fail "$1: off by more than $4"
}
