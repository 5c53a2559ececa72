#!/bin/sh
# The model that ships: its recorded questions are heard and answered right, on every backend, with heads and without.
. "$VITA_SRCDIR/tests/cli/common.sh"

[ -e "$plugindir/codec-mel-vq.so" ] || { echo "SKIP: built without KissFFT"; exit 77; }

nano=$VITA_SRCDIR/models/nano

ask() { # recording, what is heard, the answer, settings…
	recording=$1 heard=$2 answer=$3
	shift 3
	"$vita" run -q --json -c "$VITA_SRCDIR/configs/nano.ini" "$@" -o "$scratch/answer.wav" "$nano/$recording" \
		>"$scratch/json" 2>"$scratch/err" || fail "vita run $recording $*: $(cat "$scratch/err")"
	grep -q "\"text\": *\"$heard\\\\n$answer" "$scratch/json" || fail "$recording $*: $(cut -c 1-200 "$scratch/json")"
	grep -q '"audio_tokens": *\[[0-9]' "$scratch/json" || fail "$recording $*: nothing was said"
	samples=$(sed 's/.*"samples": *\([0-9]*\).*/\1/' "$scratch/json")
	[ "$samples" -ge 3200 ] && [ "$samples" -le 64000 ] || fail "$recording $*: an answer of $samples samples"
}

sum='what is three plus four'
for backend in cpu reference; do
	[ -e "$plugindir/backend-$backend.so" ] || continue
	ask question.wav "$sum" seven -s backend.name=$backend
done
ask question.wav "$sum" seven -s heads.schedule=vanilla
ask question.wav "$sum" seven -s heads.schedule=turbo
ask questions/calendar.wav 'what comes after friday' saturday
ask questions/capital.wav 'what is the capital of france' paris
ask questions/difference.wav 'take two from nine' seven

# verify = exact says what the model says without heads.
"$vita" run -q --json -c "$VITA_SRCDIR/configs/nano.ini" -s heads.schedule=vanilla -o "$scratch/plain.wav" \
	"$nano/question.wav" >"$scratch/json" || fail "without heads"
"$vita" run -q --json -c "$VITA_SRCDIR/configs/nano.ini" -s heads.schedule=turbo -s heads.verify=exact \
	-o "$scratch/exact.wav" "$nano/question.wav" >"$scratch/json" || fail "verify = exact"
cmp -s "$scratch/plain.wav" "$scratch/exact.wav" || fail "verify = exact changes the answer"

finish
