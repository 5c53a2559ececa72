#!/bin/sh
# The whole way on a real recording, with a model of random weights: run, asr and tts, as files and as streams.
. "$VITA_SRCDIR/tests/cli/common.sh"

[ -e "$plugindir/codec-codec2.so" ] || { echo "SKIP: built without Codec2"; exit 77; }

speech=$VITA_SRCDIR/tests/data/reading.wav
model=$scratch/model
cat >"$scratch/tiny.ini" <<'EOF'
[encoder]
plugin = codec2
mode = 700C
[llm]
model = model
[heads]
plugin = mctp
schedule = boost
[codec]
plugin = codec2
mode = 700C
[generation]
max_tokens = 60
temperature = 1
seed = 3
EOF

expect_exit 0 "$vita" init tiny "$model"
expect_match "$scratch/err" 'untrained'
cp "$model/model.safetensors" "$scratch/first"
expect_exit 1 "$vita" init tiny "$model" --seed 2
cmp "$model/model.safetensors" "$scratch/first" || fail "vita init wrote over a model"
expect_exit 0 "$vita" init tiny "$scratch/again" -q
for file in config.json generation_config.json tokenizer.json model.safetensors; do
	cmp "$model/$file" "$scratch/again/$file" || fail "equal seeds gave different files"
done
expect_exit 0 "$vita" init tiny "$scratch/other" --seed 2
cmp -s "$scratch/other/model.safetensors" "$scratch/first" && fail "different seeds gave equal weights"

is_wav() { # file, bytes at least
	[ "$(head -c 4 "$1")" = RIFF ] || fail "${1##*/} is no WAV file"
	[ "$(wc -c <"$1")" -ge "$2" ] || fail "${1##*/} has only $(wc -c <"$1") bytes"
}

# ---- run -----------------------------------------------------------------------------------------
expect_exit 0 "$vita" run -c "$scratch/tiny.ini" "$speech" -o "$scratch/answer.wav"
is_wav "$scratch/answer.wav" 10000
expect_match "$scratch/err" 'untrained'
expect_exit 0 "$vita" run -q -c "$scratch/tiny.ini" "$speech" -o "$scratch/quiet.wav"
[ ! -s "$scratch/err" ] || fail "-q says: $(cat "$scratch/err")"

expect_exit 0 "$vita" run --json -c "$scratch/tiny.ini" -o "$scratch/json.wav" "$speech"
[ "$(wc -l <"$scratch/out")" = 1 ] || fail "not one JSON document"
compact "$scratch/out" >"$scratch/document"
for field in '"text":"' '"audio_tokens":\[[0-9]' '"timing":{' '"encode_ms":[0-9]' '"prefill_ms":[0-9]' \
	'"first_audio_ms":[0-9]' '"total_ms":[0-9]' '"rtf":[0-9]'; do
	expect_match "$scratch/document" "$field"
done
cmp "$scratch/json.wav" "$scratch/answer.wav" || fail "the same seed gave two answers"
samples=$(sed 's/.*"samples":\([0-9]*\).*/\1/' "$scratch/document")
[ "$(wc -c <"$scratch/json.wav")" = $((samples * 2 + 44)) ] || fail "samples: $samples, and another length of file"

# The tokens that it tells are those that it speaks.
tokens=$(sed 's/.*"audio_tokens":\[\([^]]*\).*/\1/' "$scratch/document")
expect_exit 0 "$vita" decode -q -c "$scratch/tiny.ini" -o "$scratch/decoded.wav" "$tokens"
cmp "$scratch/decoded.wav" "$scratch/answer.wav" || fail "audio_tokens sound different from the answer"

# The first sound is ready before the last token is.
first=$(sed 's/.*"first_audio_ms":\([0-9]*\).*/\1/' "$scratch/document")
total=$(sed 's/.*"total_ms":\([0-9]*\).*/\1/' "$scratch/document")
[ "$first" -lt "$total" ] || fail "first sound after $first ms, end after $total ms"

# As streams: the recording from a pipe, the sound into one, and no text in between.
# shellcheck disable=SC2002 # a pipe is what is tested
cat "$speech" | "$vita" run -q -c "$scratch/tiny.ini" - -o - 2>"$scratch/err" | cat >"$scratch/stream.wav"
tail -c +45 "$scratch/answer.wav" >"$scratch/answer.raw"
tail -c +45 "$scratch/stream.wav" | cmp - "$scratch/answer.raw" || fail "a pipe changes the answer"

expect_exit 0 "$vita" run --max-tokens 5 --json -c "$scratch/tiny.ini" -o "$scratch/short.wav" "$speech"
compact "$scratch/out" >"$scratch/document"
expect_match "$scratch/document" '"answer":5,'

# ---- asr, tts ------------------------------------------------------------------------------------
expect_exit 0 "$vita" asr --json -c "$scratch/tiny.ini" "$speech"
expect_match "$scratch/out" '"text"'
expect_exit 0 "$vita" tts --json -c "$scratch/tiny.ini" "One and one." -o "$scratch/tts.wav"
is_wav "$scratch/tts.wav" 1000
echo "One and one." | "$vita" tts -q -c "$scratch/tiny.ini" - -o "$scratch/tts-stdin.wav" >"$scratch/out" ||
	fail "tts from standard input"
is_wav "$scratch/tts-stdin.wav" 1000

# ---- what can go wrong ---------------------------------------------------------------------------
: >"$scratch/samples"
wav 1 1 16000 16 "$scratch/samples" >"$scratch/empty.wav"
run() { "$vita" run -q -c "$scratch/tiny.ini" "$@"; }
expect_refusal run "$scratch/nowhere.wav" -o "$scratch/no.wav"
expect_refusal run "$speech" -o "$scratch/no-such-folder/answer.wav"
expect_exit 2 run "$speech"
expect_exit 2 run -o "$scratch/no.wav"
expect_exit 2 run --json "$speech" -o -
expect_exit 2 run "$speech" -o "$scratch/no.wav" -s codec.mdoe=3200
expect_match "$scratch/err" mode
# An encoder with more tokens than the model knows.
expect_exit 2 run "$speech" -o "$scratch/no.wav" -s encoder.mode=3200
expect_match "$scratch/err" 5664

# Ctrl-C in the middle of a long answer (the likeliest token, over and over): gone at once, by the signal, and
# nothing left.
expect_exit 0 "$vita" init nano "$scratch/nano" -q
for signal in INT TERM HUP; do
	timeout --preserve-status -s $signal 1 "$vita" run -q -c "$scratch/tiny.ini" -s llm.model="$scratch/nano" \
		-s generation.temperature=0 --max-tokens 3500 "$speech" -o "$scratch/no.wav" >"$scratch/out" 2>"$scratch/err"
	status=$?
	[ $status -gt 128 ] || fail "exit $status after SIG$signal"
	for left in "$scratch"/no.wav* "$scratch"/.vita-*; do
		[ ! -e "$left" ] || fail "left behind after SIG$signal: $left"
	done
done

# Nor where it waits for a question that does not come.
{ head -c 20000 "$speech" && sleep 5; } | timeout --preserve-status -s INT 1 "$vita" run -q -c "$scratch/tiny.ini" - \
	-o "$scratch/no.wav" >"$scratch/out" 2>"$scratch/err" && fail "exit 0 after SIGINT while waiting"
for left in "$scratch"/no.wav* "$scratch"/.vita-*; do
	[ ! -e "$left" ] || fail "left behind after SIGINT while waiting: $left"
done

# A disk that is full after 4 kB.
full() { (trap '' XFSZ && ulimit -f 8 && run "$speech" -o "$scratch/no.wav"); }
"$vita" run -q -c "$scratch/tiny.ini" "$speech" -o "$scratch/no.wav" --max-tokens 1 >/dev/null && rm "$scratch/no.wav"
full >"$scratch/out" 2>"$scratch/err" && fail "a full disk, and exit 0"
for left in "$scratch"/no.wav* "$scratch"/.vita-*; do
	[ ! -e "$left" ] || fail "left behind on a full disk: $left"
done

finish
