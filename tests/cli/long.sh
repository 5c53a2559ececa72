#!/bin/sh
# Long recordings and speeches take the memory of short ones: the largest resident set of ten times as much sound.
#
#     VITA_LONG=7200 make check TESTS=tests/cli/long.sh
#
# compares two minutes with so many seconds: two hours take half an hour of time.
. "$VITA_SRCDIR/tests/cli/common.sh"

# Seconds of both, beyond the 30 s of the speech tokenizer's segments; and for the speech decoder, which is slower.
short=40 long=160 decoder_short=15 decoder_long=60
[ -z "${VITA_LONG:-}" ] || short=120 long=$VITA_LONG decoder_short=120 decoder_long=$VITA_LONG
golden=$VITA_SRCDIR/tests/golden
ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=1
one=-s\ backend.threads=1

# Kilobytes more than before: pages come and go by chance, but neither sound (64 kB a second in f32), nor its
# features or spectrograms fit in.
allowance=1500

recording() { # seconds, file: a second of speech again and again
	tail -c +45 "$golden/audio/speech.wav" | head -c 32000 >"$scratch/second"
	{ printf RIFF && little_endian $(($1 * 32000 + 36)) 4 && printf 'WAVEfmt ' && little_endian 16 4
		little_endian 1 2 && little_endian 1 2 && little_endian 16000 4 && little_endian 32000 4
		little_endian 2 2 && little_endian 16 2 && printf data && little_endian $(($1 * 32000)) 4
		i=0
		while [ $i -lt "$1" ]; do
			cat "$scratch/second"
			i=$((i + 1))
		done; } >"$2"
}

peak() { # command: kB
	"$VITA_BUILDDIR/tests/cli/peak" "$scratch/kb" "$@" >"$scratch/out" 2>"$scratch/err" || {
		fail "exit $?: $*: $(head -c 500 "$scratch/err")" >&2
		exit 1
	}
	cat "$scratch/kb"
}

expect_constant() { # what, kB of the short one, kB of the long one
	echo "$1: $2 kB, and $3 kB for a longer one"
	[ "$3" -le $(($2 + allowance)) ] || fail "$1: memory grows with the length"
}

# Only what is needed: the largest of all processes counts, and drivers of OpenCL are large.
mkdir "$scratch/modules"
for module in "$plugindir"/encoder-*.so "$plugindir"/codec-*.so "$plugindir"/backend-reference.so "$plugindir"/backend-cpu.so; do
	[ ! -e "$module" ] || ln -s "$module" "$scratch/modules/"
done
mkdir "$scratch/none"
VITA_PLUGIN_PATH=$scratch/modules OCL_ICD_VENDORS=$scratch/none # installed modules are found even so
export VITA_PLUGIN_PATH OCL_ICD_VENDORS

recording $short "$scratch/short.wav"
recording $long "$scratch/long.wav"
# shellcheck disable=SC2086 # a list of arguments
for encoder in codec2 whisper-vq mel-vq; do
	[ -e "$plugindir/encoder-$encoder.so" ] || continue
	case $encoder in
	codec2) model= ;;
	whisper-vq) model=$golden/tokenizer/tiny ;;
	mel-vq) model=$golden/mel-vq ;;
	esac
	# As it comes: a file is heard a segment or a minute at a time, which is as much for both when both are longer.
	encode() { peak sh -c "'$vita' encode $one -s encoder.plugin=$encoder ${model:+-s encoder.model='$model'} - <'$1'"; }
	if [ $encoder = codec2 ]; then encode() { peak sh -c "'$vita' encode -s encoder.plugin=codec2 - <'$1'"; }; fi
	a=$(encode "$scratch/short.wav")
	[ -s "$scratch/out" ] || fail "$encoder: no codes"
	tr -s ' ' ',' <"$scratch/out" >"$scratch/$encoder.short"
	b=$(encode "$scratch/long.wav")
	tr -s ' ' ',' <"$scratch/out" >"$scratch/$encoder.long"
	expect_constant "encoder $encoder" "$a" "$b"
done

# shellcheck disable=SC2086
for codec in codec2 flow-hift mel-vq; do
	codes=$codec
	[ $codec = flow-hift ] && codes=whisper-vq
	[ -e "$plugindir/codec-$codec.so" ] && [ -e "$scratch/$codes.long" ] || continue
	case $codec in
	codec2) settings= ;;
	flow-hift) settings="-s codec.model=$golden/decoder -s codec.steps=1 -s codec.chunk=8,25" ;;
	mel-vq) settings="-s codec.model=$golden/mel-vq" ;;
	esac
	wanted=$((long * 16000 * 9 / 10)) # bytes, at 8 kHz or more
	if [ $codec = flow-hift ]; then # 12.5 codes a second
		for n in short long; do
			eval "seconds=\$decoder_$n"
			cut -d, -f1-$((seconds * 25 / 2)) "$scratch/$codes.$n" >"$scratch/$codec.$n"
		done
		codes=$codec wanted=$((decoder_long * 44100 * 9 / 10))
	fi
	decode() { peak sh -c "'$vita' decode $one -s codec.plugin=$codec $settings -o '$scratch/$codec.wav' - <'$1'"; }
	a=$(decode "$scratch/$codes.short")
	b=$(decode "$scratch/$codes.long")
	expect_constant "codec $codec" "$a" "$b"
	size=$(wc -c <"$scratch/$codec.wav")
	[ "$size" -gt $wanted ] || fail "$codec: a recording of $size bytes"
done

# Codes that are all there at once go to the codec in pieces where they are many, and sound the same.
if [ -e "$scratch/codec2.long" ] && [ -e "$plugindir/codec-codec2.so" ]; then
	tr ',' ' ' <"$scratch/codec2.long" >"$scratch/many"
	# shellcheck disable=SC2046 # one argument alone may not be as long
	"$vita" decode -s codec.plugin=codec2 -o "$scratch/whole.wav" $(cat "$scratch/many") || fail "many codes"
	"$vita" decode -s codec.plugin=codec2 -s codec.chunk=400 -o "$scratch/chunks.wav" - <"$scratch/many" || fail "many codes in chunks"
	cmp "$scratch/whole.wav" "$scratch/chunks.wav" || fail "many codes at once sound different"
fi

finish
