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

# The same rows from a pipe.
encode --features "$scratch/piped.safetensors" - <"$golden/synth.wav" || fail "encode from a pipe"
cmp "$scratch/rows.safetensors" "$scratch/piped.safetensors" || fail "a pipe changes the rows"

finish
