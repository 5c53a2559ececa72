#!/bin/sh
# Every verb explains itself, and the manual knows every verb, option and key.
. "$VITA_SRCDIR/tests/cli/common.sh"

man=$VITA_SRCDIR/doc/man

expect_exit 0 "$vita" --version
expect_match "$scratch/out" '^vita [0-9]'
expect_exit 0 "$vita" --help
verbs=$(sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' "$scratch/out")
[ "$(echo "$verbs" | wc -w)" -ge 11 ] || fail "verbs: $verbs"
for verb in $verbs; do
	expect_exit 0 "$vita" "$verb" --help
	expect_match "$scratch/out" "^Usage: vita $verb"
	expect_match "$scratch/out" '^Example'
	expect_match "$man/vita.1" "^\\.It Cm $verb "
	for option in $(grep -o -e '^  *--[a-z-]*' "$scratch/out" | sed 's/^ *--//'); do
		grep -q -e "Fl -$option" "$man/vita.1" || fail "vita.1 does not know --$option of vita $verb"
	done
	cp "$scratch/out" "$scratch/help"
	expect_exit 0 "$vita" help "$verb"
	cmp -s "$scratch/out" "$scratch/help" || fail "vita help $verb differs from vita $verb --help"
	[ "$verb" = plugins ] || expect_exit 2 "$vita" "$verb" </dev/null
	expect_exit 2 "$vita" "$verb" --no-such-option
	expect_match "$scratch/err" '^vita '"$verb"': .*--no-such-option'
	expect_exit 2 "$vita" "$verb" -c
	[ "$(wc -l <"$scratch/err")" = 1 ] || fail "more than a line: $(cat "$scratch/err")"
done

# Keys of libvita and of the plugins that are here.
for key in $(sed -n 's/.*KEY([A-Z]*, "\([a-z_]*\)".*/\1/p' "$VITA_SRCDIR/libvita/src/host/config_keys.c") mode; do
	grep -q -e "Cm.* $key\\b" "$man/vita.ini.5" || grep -q -e "^\\.Cm.*\\b$key\\b" "$man/vita.ini.5" ||
		fail "vita.ini.5 does not know the key $key"
done
if command -v mandoc >/dev/null; then
	# The pages name each other, and are not installed yet.
	mandoc -T lint -W warning "$man/vita.1" "$man/vita.ini.5" 2>&1 | grep -v 'referenced manual not found' >"$scratch/lint"
	[ ! -s "$scratch/lint" ] || fail "mandoc: $(cat "$scratch/lint")"
fi

# ---- bench ---------------------------------------------------------------------------------------
expect_exit 0 "$vita" bench --synthetic nano --runs 1 --prompt-tokens 20 --tokens 12 --json
compact "$scratch/out" >"$scratch/document"
for field in prompt_tps decode_tps schedules turbo first_audio_ms weight_mb peak_rss_mb; do
	expect_match "$scratch/document" "\"$field\":"
done
# The backend reads half a gigabyte to know the roofs, which is no memory of the model's.
sed 's/.*"peak_rss_mb":\([0-9]*\).*/\1/' "$scratch/document" >"$scratch/peak"
[ "$(cat "$scratch/peak")" -lt 450 ] || fail "peak_rss_mb $(cat "$scratch/peak") counts what roofs took"
mv "$scratch/document" "$scratch/report"
expect_exit 0 "$vita" bench --synthetic nano --runs 1 --prompt-tokens 20 --tokens 12 --compare "$scratch/report"
expect_match "$scratch/out" 'decode_tps .* x$'
expect_exit 2 "$vita" bench --synthetic nano --compare "$scratch/missing"

# ---- plugins, info -------------------------------------------------------------------------------
expect_exit 0 "$vita" plugins
expect_match "$scratch/out" '^backend  *reference '
expect_exit 0 "$vita" plugins --json
compact "$scratch/out" >"$scratch/document"
for field in path name kind version available score reason; do expect_match "$scratch/document" "\"$field\":"; done
expect_exit 1 "$vita" plugins no-such-plugin
if [ -e "$plugindir/codec-codec2.so" ]; then
	expect_exit 0 "$vita" plugins codec2
	expect_match "$scratch/out" 'mode = 3200'
	expect_match "$scratch/out" '700C'
fi

# A name that is no UTF-8, quotes and a line break: a document stays one, and a message a line.
odd=$scratch/$(printf 'a"\377\\b\nc')
expect_exit 0 "$vita" init --json tiny "$odd"
expect_match "$scratch/out" '/a\\".*\\\\b\\nc","shape"'
mkdir "$scratch/odd"
cp "$odd/config.json" "$scratch/odd/$(printf 'x\n\377.so')"
expect_exit 0 "$vita" plugins --json -s vita.plugin_path="$scratch/odd"
expect_match "$scratch/out" '/odd/x'
expect_exit 0 "$vita" plugins -s vita.plugin_path="$scratch/odd"
expect_match "$scratch/out" '^- *x?'
expect_refusal "$vita" info "$odd.gguf"
[ "$(wc -l <"$scratch/err")" -eq 1 ] || fail "a message of several lines: $(cat "$scratch/err")"

# A link that leads nowhere is a module that somebody misses.
mkdir "$scratch/links"
ln -s "$scratch/moved.so" "$scratch/links/gone.so"
expect_exit 0 "$vita" plugins -s vita.plugin_path="$scratch/links"
expect_match "$scratch/out" '^- *gone.so .*not usable: cannot be loaded: .*No such file'

tiny=$VITA_SRCDIR/tests/golden/llm/tiny
expect_exit 0 "$vita" info "$tiny"
expect_match "$scratch/out" '^parameters '
expect_match "$scratch/out" 'as q8_0'
expect_exit 0 "$vita" info --json "$tiny"
compact "$scratch/out" >"$scratch/document"
for field in '"architecture":"[A-Z]' '"parameters":[0-9]' '"tensors":\[{"name":"lm_head.weight"' '"q4_0":[0-9]'; do
	expect_match "$scratch/document" "$field"
done
expect_exit 0 "$vita" info --tensors "$tiny"
expect_match "$scratch/out" 'mtp_projs.0.weight  *f32  *64 x 128'
expect_refusal "$vita" info "$scratch/nowhere"
for file in "$tiny/model.safetensors" "$VITA_SRCDIR/tests/data/small.pt"; do
	expect_exit 0 "$vita" info --json "$file"
	compact "$scratch/out" >"$scratch/document"
	expect_match "$scratch/document" '"architecture":"","parameters":[1-9]'
done
expect_refusal "$vita" info "$tiny/golden.json"

# On a terminal, long work shows how far it is; elsewhere nothing.
if script -qec true "$scratch/terminal" >/dev/null 2>&1 </dev/null && [ -e "$plugindir/encoder-codec2.so" ]; then
	encode="'$vita' encode --json -s encoder.plugin=codec2 '$VITA_SRCDIR/tests/data/reading.wav'"
	script -qec "$encode >'$scratch/out'" "$scratch/terminal" >/dev/null 2>&1 </dev/null
	expect_match "$scratch/terminal" 'encoding \['
	sh -c "$encode" >/dev/null 2>"$scratch/err"
	[ ! -s "$scratch/err" ] || fail "progress where there is no terminal: $(cat "$scratch/err")"
fi

finish
