#!/bin/sh
# Real speech through the codec2 modules: the same bits as Codec2's own tools give.
. "$VITA_SRCDIR/tests/cli/common.sh"

[ -e "$plugindir/codec-codec2.so" ] || { echo "SKIP: built without Codec2"; exit 77; }
command -v c2dec >/dev/null || { echo "SKIP: Codec2's own tools, c2enc and c2dec, are not here"; exit 77; }

codec2="-s encoder.plugin=codec2 -s codec.plugin=codec2"
for recording in "$VITA_SRCDIR"/tests/golden/audio/*.wav "$VITA_SRCDIR/tests/data/reading.wav"; do
	# The samples of a 16 kHz recording, played at Codec2's 8 kHz, so that nobody resamples.
	tail -c +45 "$recording" >"$scratch/in.raw"
	wav 1 1 8000 16 "$scratch/in.raw" >"$scratch/in.wav"
	c2enc 3200 "$scratch/in.raw" "$scratch/bits" 2>/dev/null || fail "c2enc failed"
	c2dec 3200 "$scratch/bits" "$scratch/theirs.raw" 2>/dev/null || fail "c2dec failed"

	# shellcheck disable=SC2086 # a list of arguments
	"$vita" encode $codec2 "$scratch/in.wav" >"$scratch/tokens" || fail "vita encode failed"
	# shellcheck disable=SC2086
	"$vita" decode $codec2 -o "$scratch/out.wav" - <"$scratch/tokens" || fail "vita decode failed"
	tail -c +45 "$scratch/out.wav" >"$scratch/ours.raw"
	cmp "$scratch/theirs.raw" "$scratch/ours.raw" || fail "${recording##*/} sounds different"

	# Out of one pipe into the next, the samples go the same way.
	# shellcheck disable=SC2086
	"$vita" encode $codec2 - <"$scratch/in.wav" | "$vita" decode $codec2 -o - - >"$scratch/piped.wav" ||
		fail "the pipe failed"
	tail -c "$(wc -c <"$scratch/ours.raw")" "$scratch/piped.wav" | cmp - "$scratch/ours.raw" ||
		fail "${recording##*/} sounds different through pipes"
done

finish
