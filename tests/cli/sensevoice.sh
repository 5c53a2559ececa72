#!/bin/sh
# A recording through the sensevoice encoder into a language model: the reference implementation's answer, and what
# vita encode says.
. "$VITA_SRCDIR/tests/cli/common.sh"

[ -e "$plugindir/encoder-sensevoice.so" ] || { echo "SKIP: built without KissFFT"; exit 77; }

golden=$VITA_SRCDIR/tests/golden/sensevoice
settings="-s encoder.plugin=sensevoice -s encoder.model=$golden -s llm.model=$scratch/model"

# The golden model's prompt as text: a tokenizer in which the chat template around a recording becomes just those ids,
# and in which the text of token 17 is "17,".
cp -R "$golden/llm" "$scratch/model"
chmod -R u+w "$scratch/model"
added() { printf '{"id":%d,"content":"%s","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}' "$1" "$2"; }
{
	printf '{"version":"1.0","added_tokens":['
	added 88 '<|im_start|>' && printf , && added 64 '<|begin_of_audio|>' && printf ,
	added 3 '<|context_of_audio|>' && printf ,
	added 94 '<|end_of_audio|>' && printf , && added 120 '<|im_end|>' && printf ,
	added 45 '<|im_end|>\n' && printf , && added 31 '<|im_start|>assistant'
	printf '],"normalizer":null,"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":'
	# shellcheck disable=SC1003 # JSON's backslashes
	printf '%s' '"\\s*!|\\?\\s*|\\p{L}+|\\s+"},"behavior":"Isolated","invert":false},'
	printf '{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]},'
	printf '"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false},'
	printf '"model":{"type":"BPE","vocab":{"Ċ":10,"user":11,"?Ċ":24,"Ċ!":103'
	printf ',"u":140,"s":141,"e":142,"r":143,"us":144,"use":145,"!":146,"?":147'
	id=0
	while [ "$id" -lt 140 ]; do
		case $id in
		3 | 10 | 11 | 24 | 31 | 45 | 64 | 88 | 94 | 103 | 120) ;;
		*) printf ',"%d,":%d' $id $id ;;
		esac
		id=$((id + 1))
	done
	printf '},"merges":["u s","us e","use r","Ċ !","? Ċ"]}}\n'
} >"$scratch/model/tokenizer.json"

compact "$golden/llm/golden.json" >"$scratch/golden"
wanted=$(sed -n 's/.*"tokens":\[\([^]]*\)\].*/\1,/p' "$scratch/golden" | sed 's/,3,/,/')
[ -n "$wanted" ] || fail "golden.json has no tokens"
for backend in reference auto; do
	# shellcheck disable=SC2086 # a list of arguments
	expect_exit 0 "$vita" asr --json $settings -s backend.name=$backend -s heads.schedule=1,2 \
		-s 'generation.prompt=!?\n' --max-tokens 24 "$golden/synth.wav"
	text=$(sed -n 's/.*"text":"\([^"]*\)".*/\1/p' "$scratch/out")
	[ "$text" = "$wanted" ] || fail "$backend: $text instead of $wanted"
	compact "$scratch/out" >"$scratch/document"
	expect_match "$scratch/document" '"prompt":34,'
	expect_match "$scratch/document" '"proposed":16,'
done

# ---- vita encode ---------------------------------------------------------------------------------
# shellcheck disable=SC2086
encode() { "$vita" encode $settings "$@"; }
expect_exit 0 encode --json --features "$scratch/rows.safetensors" "$golden/synth.wav"
compact "$scratch/out" >"$scratch/document"
expect_match "$scratch/document" '"tokens":\[\]'
expect_match "$scratch/document" '"rate":16.666'
expect_match "$scratch/document" '"rows":25'
head -c 200 "$scratch/rows.safetensors" | tr -d '\000' >"$scratch/head"
expect_match "$scratch/head" '"features":{"dtype":"F32","shape":\[25,48\]'
expect_exit 2 encode "$golden/synth.wav"
expect_match "$scratch/err" '--features'
expect_exit 1 encode --features "$scratch/rows.safetensors" -s encoder.max_seconds=1 "$golden/synth.wav"
expect_match "$scratch/err" 'max_seconds'
expect_exit 2 encode --features "$scratch/rows.safetensors" -s encoder.dither=loud "$golden/synth.wav"
expect_match "$scratch/err" 'silence'
expect_exit 2 encode --features "$scratch/rows.safetensors" -s encoder.cmnv=x "$golden/synth.wav"
expect_match "$scratch/err" 'cmvn'
expect_exit 1 encode --features "$scratch/rows.safetensors" -s encoder.cmvn="$golden/golden.json" "$golden/synth.wav"
expect_match "$scratch/err" 'AddShift'

# ---- any recording: defined rows, or a sentence --------------------------------------------------
rows() { # recording, rows
	expect_exit 0 encode --json --features "$scratch/rows.safetensors" "$1"
	compact "$scratch/out" >"$scratch/document"
	expect_match "$scratch/document" "\"rows\":$2"
}
tail -c +45 "$golden/speech.wav" >"$scratch/speech.raw" # 25600 samples of 16 bits
head -c 3200 "$scratch/speech.raw" >"$scratch/short.raw"
wav 1 1 16000 16 "$scratch/short.raw" >"$scratch/short.wav"
rows "$scratch/short.wav" 6
wav 1 1 8000 16 "$scratch/speech.raw" >"$scratch/8k.wav"
rows "$scratch/8k.wav" 57
wav 1 2 48000 16 "$scratch/speech.raw" >"$scratch/48k.wav"
rows "$scratch/48k.wav" 9
head -c 32000 /dev/zero >"$scratch/zeros.raw"
wav 1 1 16000 16 "$scratch/zeros.raw" >"$scratch/silence.wav"
rows "$scratch/silence.wav" 21
expect_exit 0 encode --features "$scratch/dithered.safetensors" -s encoder.dither=silence "$scratch/silence.wav"
cmp -s "$scratch/rows.safetensors" "$scratch/dithered.safetensors" && fail "dither = silence did nothing to silence"
: >"$scratch/nothing.raw"
wav 1 1 16000 16 "$scratch/nothing.raw" >"$scratch/empty.wav"
expect_exit 1 encode --features "$scratch/no.safetensors" "$scratch/empty.wav"
expect_match "$scratch/err" 'no samples'
{ head -c 4000 /dev/zero && printf '\0\0\300\177' && head -c 4000 /dev/zero; } >"$scratch/nan.raw"
wav 3 1 16000 32 "$scratch/nan.raw" >"$scratch/nan.wav"
expect_exit 1 encode --features "$scratch/no.safetensors" "$scratch/nan.wav"
expect_match "$scratch/err" '0.062500 s is not a finite number'
[ ! -e "$scratch/no.safetensors" ] || fail "a file for a recording that could not be encoded"
# Two hours, which are refused when ten minutes have been heard.
dd if=/dev/zero of="$scratch/long.raw" bs=1 count=0 seek=230400000 2>/dev/null
wav 1 1 16000 16 "$scratch/long.raw" 2>/dev/null |
	encode --features "$scratch/no.safetensors" - >"$scratch/out" 2>"$scratch/err" && fail "two hours were encoded"
expect_match "$scratch/err" 'longer than 600 s'

# The same rows from a pipe.
expect_exit 0 encode --features "$scratch/rows.safetensors" "$golden/synth.wav"
encode --features "$scratch/piped.safetensors" - <"$golden/synth.wav" || fail "encode from a pipe"
cmp "$scratch/rows.safetensors" "$scratch/piped.safetensors" || fail "a pipe changes the rows"

finish
