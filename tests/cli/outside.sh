#!/bin/sh
# Modules by somebody else, in C and in C++, built with what pkg-config says and nothing more: they show up in
# vita plugins, run in a config, and have their settings checked and printed like ours.
. "$VITA_SRCDIR/tests/cli/common.sh"

source=$VITA_SRCDIR/tests/cli/outside
modules=$scratch/modules
mkdir "$modules"

# configure may name a C++ compiler that is not there, as g++ where it finds none.
# shellcheck disable=SC2086
[ -z "$CXX" ] || echo 'int check;' | $CXX -fsyntax-only -x c++ - 2>/dev/null || CXX=
[ -n "$CXX" ] || echo "no C++ compiler: modules in C++ were not tried"

# CC, CXX and pkg-config's answer are lists of words.
# shellcheck disable=SC2046,SC2086
{
	$CC -std=c11 -Wall -Wextra -Wpedantic -Werror -fPIC -shared $(pkg-config --cflags vita) \
		"$source/beep.c" -o "$modules/beep.so" || fail "the C module does not compile"
	$CC -std=c11 -Wall -Wextra -Wpedantic -Werror -fPIC -shared $(pkg-config --cflags vita) \
		"$source/liar.c" -o "$modules/liar.so" || fail "the module that lies does not compile"
	if [ -n "$CXX" ]; then
		$CXX -std=c++17 -Wall -Wextra -Wpedantic -Werror -fPIC -shared $(pkg-config --cflags vita) \
			"$source/meter.cc" -o "$modules/meter.so" || fail "the C++ module does not compile"
	fi
}
echo "not a shared object" >"$modules/broken.so"

cat >"$scratch/outside.ini" <<'EOF'
[vita]
plugin_path = modules

[codec]
plugin = beep
gain = 0.25
EOF
[ -z "$CXX" ] || printf '\n[encoder]\nplugin = meter\n' >>"$scratch/outside.ini"

# Listed, the broken one with a reason; and the module's own setting explained.
expect_exit 0 "$vita" plugins -c "$scratch/outside.ini" --json
compact "$scratch/out" >"$scratch/plugins"
expect_match "$scratch/plugins" '"name":"beep","kind":"codec","version":"0.3","available":true'
[ -z "$CXX" ] || expect_match "$scratch/plugins" '"name":"meter","kind":"encoder","version":"1.2","available":true'
expect_match "$scratch/plugins" 'broken.so"[^}]*"available":false[^}]*"reason":"[^"]'
expect_exit 0 "$vita" plugins -c "$scratch/outside.ini" beep
expect_match "$scratch/out" 'gain.*loudness of the tone'

# Running: 20 ms a token at 8 kHz. The tone reaches a quarter of full scale, which the meter reads as 64 of 255.
expect_exit 0 "$vita" decode -c "$scratch/outside.ini" -o "$scratch/beep.wav" --json 100,50,200,25,100
compact "$scratch/out" >"$scratch/decoded"
expect_match "$scratch/decoded" '"samples":800,"rate":8000\|"rate":8000,"samples":800'
[ "$(wc -c <"$scratch/beep.wav")" = 1644 ] || fail "800 samples of 16 bits make $(wc -c <"$scratch/beep.wav") bytes of WAV"
if [ -n "$CXX" ]; then
	expect_exit 0 "$vita" encode -c "$scratch/outside.ini" --json "$scratch/beep.wav"
	compact "$scratch/out" >"$scratch/encoded"
	expect_match "$scratch/encoded" '"tokens":\[6[34],6[34],6[34],6[34],6[34]\]'
fi

# Checked: a value out of the declared range, a key that nobody declared, a token that the codec refuses.
expect_exit 2 "$vita" decode -c "$scratch/outside.ini" -s codec.gain=7 -o "$scratch/no.wav" 1
expect_match "$scratch/err" 'gain'
expect_exit 2 "$vita" decode -c "$scratch/outside.ini" -s codec.gian=0.5 -o "$scratch/no.wav" 1
expect_match "$scratch/err" 'gain'
expect_exit 1 "$vita" decode -c "$scratch/outside.ini" -o "$scratch/no.wav" 1,256
expect_match "$scratch/err" '256'
[ ! -e "$scratch/no.wav" ] || fail "a failed decode left its output file"

# The heads in doc/modules.md, as C and as C++; verified, they change nothing.
tiny=$VITA_SRCDIR/tests/golden/llm/tiny
sed -n '/^```c$/,/^```$/p' "$VITA_SRCDIR/doc/modules.md" | sed '/^```/d' >"$scratch/echo.c"
cp "$scratch/echo.c" "$scratch/echo.cc"
expect_exit 0 "$vita" generate -s llm.model="$tiny" -s heads.plugin=none --ids 1,2,3 --max-tokens 8
cp "$scratch/out" "$scratch/alone"
echo_heads() {
	expect_exit 0 "$vita" generate --json -s vita.plugin_path="$scratch/echo" -s llm.model="$tiny" -s heads.plugin=echo \
		-s heads.schedule=1,2 -s heads.verify=$1 --ids 1,2,3 --max-tokens 8
}
mkdir "$scratch/echo"
# shellcheck disable=SC2046,SC2086
for compile in "$CC -std=c11 $scratch/echo.c" "${CXX:+$CXX -std=c++17 $scratch/echo.cc}"; do
	[ -n "$compile" ] || continue
	$compile -Wall -Wextra -Wpedantic -Werror -fPIC -shared $(pkg-config --cflags vita) -o "$scratch/echo/echo.so" ||
		fail "the example of doc/modules.md does not compile: $compile"
	echo_heads off
	expect_match "$scratch/out" '"source":\[0,1,2,0,1,2,'
	echo_heads exact
	ids=$(compact "$scratch/out" | sed 's/^{"ids":\[\([^]]*\)\].*/\1/')
	[ "$ids" = "$(cat "$scratch/alone")" ] || fail "verified heads say $ids"
done

# A plugin that answers what it must not: its user is told, and no file is left half-written.
liar() { # verb, lie, further arguments
	verb=$1 section=$2 lie=$3
	shift 3
	"$vita" "$verb" --json -s vita.plugin_path="$modules" -s "$section.plugin=liar" -s "$section.lie=$lie" "$@"
}
for lie in no-handle no-stream no-reason odd-status too-many bad-rate bad-sample endless; do
	expect_refusal liar decode codec $lie -o "$scratch/no.wav" 1,2,3
done
for lie in no-handle no-stream no-reason odd-status too-many bad-rate bad-id endless; do
	expect_refusal liar encode encoder $lie --json "$scratch/beep.wav"
done
expect_match "$scratch/err" 'the encoder does not end'
expect_refusal liar bench codec endless --runs 1
expect_match "$scratch/err" 'the codec does not end'
expect_refusal liar bench encoder endless --runs 1
expect_match "$scratch/err" 'the encoder does not end'
expect_exit 0 liar encode encoder none "$scratch/beep.wav"
expect_match "$scratch/out" '"tokens":\[7\]'

finish
