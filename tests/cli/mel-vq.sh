#!/bin/sh
# The mel-vq modules on the golden model and on the one that ships: the codes that PyTorch finds, and sound back.
. "$VITA_SRCDIR/tests/cli/common.sh"

[ -e "$plugindir/codec-mel-vq.so" ] || { echo "SKIP: built without KissFFT"; exit 77; }

golden=$VITA_SRCDIR/tests/golden/mel-vq
sed 's/.*"tokens": \[\([0-9, ]*\)\].*/\1/; s/ //g' "$golden/golden.json" >"$scratch/expected"

# The plug-in is found by the model alone; an override of its own key changes no token.
for settings in "" "-s encoder.chunk=1" "-s encoder.plugin=mel-vq -s encoder.chunk=100" "-s backend.name=reference"; do
	# shellcheck disable=SC2086 # a list of arguments
	"$vita" encode --json $settings -s encoder.model="$golden" "$golden/speech.wav" >"$scratch/json" ||
		fail "vita encode $settings"
	sed 's/.*"tokens":\[\([0-9,]*\)\].*/\1/' "$scratch/json" | cmp -s - "$scratch/expected" || fail "other tokens with $settings"
	grep -q '"rate":33.33' "$scratch/json" || fail "another rate"
done

# A token is so many samples, no more and no less.
"$vita" decode --json -s codec.model="$golden" -o "$scratch/out.wav" "$(cat "$scratch/expected")" >"$scratch/json" || fail "vita decode"
n=$(tr ',' '\n' <"$scratch/expected" | wc -l)
grep -q "\"samples\":$((n * 240)),\"rate\":8000" "$scratch/json" || fail "$(cat "$scratch/json") for $n tokens"
expect_exit 1 "$vita" decode -s codec.model="$golden" -o "$scratch/bad.wav" 3,37
expect_match "$scratch/err" "37"
expect_exit 2 "$vita" encode -s encoder.model="$golden" -s encoder.plugin=mel-vq -s encoder.chunk=0 "$golden/speech.wav"

# The model that ships hears a question of 1.86 s and says it again.
nano=$VITA_SRCDIR/models/nano
"$vita" encode -s encoder.model="$nano/mel-vq" "$nano/question.wav" >"$scratch/tokens" || fail "the small model's encoder"
"$vita" decode --json -s codec.model="$nano/mel-vq" -o "$scratch/again.wav" - <"$scratch/tokens" >"$scratch/json" || fail "its codec"
grep -q '"samples":30080,"rate":16000' "$scratch/json" || fail "$(cat "$scratch/json"): not 47 tokens of 640 samples"

finish
