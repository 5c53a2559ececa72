#!/bin/sh
# vita train on recordings: through an encoder into the cache, what is passed over, and strict.
. "$VITA_SRCDIR/tests/cli/common.sh"

"$vita" plugins codec2 >/dev/null 2>&1 || { echo "skipped: built without codec2"; exit 77; }

expect_exit 0 "$vita" init tiny "$scratch/start"
cp "$VITA_SRCDIR/tests/golden/audio/speech.wav" "$scratch/speech.wav"
asr='"role": "user", "content": "Convert the speech to text.\n<|audio|>"'
said='"role": "assistant", "content": "speech"'
{
	echo "{\"messages\": [{$asr}, {$said}], \"audios\": [\"speech.wav\"]}"
	echo "{\"messages\": [{$asr}, {$said}], \"audios\": [\"gone.wav\"]}"
	echo "{\"messages\": [{$asr}, {$said}]}"
	echo '{"messages": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]}'
	echo 'nonsense'
} >"$scratch/data.jsonl"
cat >"$scratch/train.ini" <<'END'
[train]
stage = alignment
init = start
output = trained
data = data.jsonl
steps = 2
max_length = 2000
learning_rate = 1e-3

[encoder]
plugin = codec2
mode = 700C
END

expect_exit 0 "$vita" train -c "$scratch/train.ini" --json
[ "$(grep -c '"loss"' "$scratch/out")" -eq 2 ] || fail "not a line a step"
for what in 'data.jsonl:2:.*gone.wav' 'data.jsonl:3: ' 'data.jsonl:5:' '1 without a recording'; do
	expect_match "$scratch/err" "$what"
done
[ "$(ls "$scratch/codes" | wc -l)" -eq 1 ] || fail "one recording, not one file of codes"
[ -e "$scratch/trained/model.safetensors" ] || fail "no model"
cp "$scratch/out" "$scratch/before"

# From the cache the losses are the same, and codes of another mode are others.
losses() { sed 's/.*"loss":\([^,]*\),.*/\1/' "$1"; }
expect_exit 0 "$vita" train -c "$scratch/train.ini" -s train.output="$scratch/again" --json
[ "$(losses "$scratch/out")" = "$(losses "$scratch/before")" ] || fail "other losses from the cache"
[ "$(ls "$scratch/codes" | wc -l)" -eq 1 ] || fail "the recording was encoded twice"
expect_exit 0 "$vita" train -c "$scratch/train.ini" -s train.output="$scratch/other" -s encoder.mode=1300 --json
[ "$(ls "$scratch/codes" | wc -l)" -eq 2 ] || fail "another mode met the codes of before"

expect_exit 1 "$vita" train -c "$scratch/train.ini" -s train.output="$scratch/none" -s train.strict=yes
expect_match "$scratch/err" 'data.jsonl:[235]'

finish
