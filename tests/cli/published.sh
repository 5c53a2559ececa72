#!/bin/sh
# The whole way, with models of the published layouts in small and the configs that ship: run, asr, tts, several turns.
. "$VITA_SRCDIR/tests/cli/common.sh"

[ -e "$plugindir/codec-flow-hift.so" ] || { echo "SKIP: built without the speech decoder"; exit 77; }
golden=$VITA_SRCDIR/tests/golden
speech=$golden/sensevoice/speech.wav
codec="-s codec.model=$golden/decoder -s codec.steps=2"

number() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$scratch/document"; }

for kind in boost balance plus-vanilla plus-boost; do
	case $kind in
	plus*) module=sensevoice ears=$golden/sensevoice ;;
	*) module=whisper-vq ears=$golden/tokenizer/tiny ;;
	esac
	[ -e "$plugindir/encoder-$module.so" ] || { echo "not tested: $kind, built without $module"; continue; }
	model=$scratch/$kind
	"$VITA_BUILDDIR/tests/cli/published" $kind "$model" "$golden/sensevoice/llm/model.safetensors" || fail "no $kind"
	settings="-c $VITA_SRCDIR/configs/vita-audio-$kind.ini -s llm.model=$model -s encoder.model=$ears $codec"

	# All fits, says info, and the downloaded directories are all that the config wants.
	# shellcheck disable=SC2086 # a list of arguments
	expect_exit 0 "$vita" info --json $settings
	compact "$scratch/out" >"$scratch/document"
	expect_match "$scratch/document" '"layout":{"fits":true'
	expect_exit 1 "$vita" run -c "$VITA_SRCDIR/configs/vita-audio-$kind.ini" "$speech" -o "$scratch/no.wav"
	expect_match "$scratch/err" "configs/../models/"

	# Speech in, speech out; as file, as JSON, as a stream.
	# shellcheck disable=SC2086
	run() { "$vita" run $settings --max-tokens 52 "$@"; }
	expect_exit 0 run --json "$speech" -o "$scratch/answer.wav"
	compact "$scratch/out" >"$scratch/document"
	for field in '"text":"' '"audio_tokens":\[' '"timing":{' '"encode_ms":[0-9]' '"prefill_ms":[0-9]' \
		'"first_audio_ms":' '"total_ms":[0-9]' '"rtf":'; do
		expect_match "$scratch/document" "$field"
	done
	[ "$(number audio)" -gt 0 ] || fail "$kind: no audio token in 60 tokens"
	[ "$(number samples)" -gt 0 ] || fail "$kind: no sound"
	[ "$(wc -c <"$scratch/answer.wav")" = $((2 * $(number samples) + 44)) ] || fail "$kind: samples and file differ"
	if [ $kind = plus-vanilla ]; then
		[ "$(number proposed)" = 0 ] || fail "$kind: heads proposed tokens"
	else
		[ "$(number proposed)" -gt 20 ] || fail "$kind: heads proposed only $(number proposed) tokens"
	fi
	run -q - -o - <"$speech" >"$scratch/stream.wav" 2>"$scratch/err" || fail "$kind: no stream"
	tail -c +45 "$scratch/answer.wav" >"$scratch/answer.raw"
	tail -c +45 "$scratch/stream.wav" | cmp - "$scratch/answer.raw" || fail "$kind: a stream sounds different"
	# The tokens that it tells are those that it speaks.
	audio=$(sed 's/.*"audio_tokens":\[\([^]]*\).*/\1/' "$scratch/document")
	# shellcheck disable=SC2086
	expect_exit 0 "$vita" decode --json $settings -o "$scratch/decoded.wav" "$audio"

	# shellcheck disable=SC2086
	expect_exit 0 "$vita" asr --json $settings --max-tokens 20 "$speech"
	compact "$scratch/out" >"$scratch/document"
	[ "$(number proposed)" = 0 ] || fail "$kind: heads wrote text"
	# shellcheck disable=SC2086
	expect_exit 0 "$vita" tts --json $settings --max-tokens 52 "Good morning." -o "$scratch/tts.wav"
	compact "$scratch/out" >"$scratch/document"
	[ "$(number samples)" -gt 0 ] || fail "$kind: tts without a sound"

	case $kind in balance | plus-vanilla) continue ;; esac
	expect_exit 0 "$VITA_BUILDDIR/tests/cli/turns" "$speech" encoder.plugin=$module encoder.model="$ears" \
		llm.model="$model" codec.plugin=flow-hift codec.model="$golden/decoder" codec.steps=1
done

finish
