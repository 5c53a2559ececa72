#!/bin/sh
# The speech tokenizer: the reference implementation's tokens through vita encode, and questions to a language model by it.
. "$VITA_SRCDIR/tests/cli/common.sh"

[ -e "$plugindir/encoder-whisper-vq.so" ] || { echo "SKIP: built without KissFFT"; exit 77; }
golden=$VITA_SRCDIR/tests/golden

tokens() { compact "$1" | sed -n 's/.*"tokens":\[\([^]]*\)\].*/\1/p'; }

for model in tiny tiny-midpool; do
	compact "$golden/tokenizer/$model/golden.json" >"$scratch/golden"
	for name in synth speech; do
		wanted=$(sed -n "s/.*\"$name\":{\"tokens\":\[\([^]]*\)\].*/\1/p" "$scratch/golden")
		[ -n "$wanted" ] || fail "$model/golden.json has no $name"
		for plugin in '' whisper-vq; do
			expect_exit 0 "$vita" encode --json -s encoder.plugin=$plugin -s encoder.model="$golden/tokenizer/$model" \
				"$golden/audio/$name.wav"
			[ "$(tokens "$scratch/out")" = "$wanted" ] || fail "$model, $name: $(tokens "$scratch/out") instead of $wanted"
			compact "$scratch/out" | grep -q '"rate":12.5' || fail "$model: not 12.5 tokens a second"
		done
	done
done

# A directory as it is published, in another type, from a pipe as it comes.
cp -R "$golden/tokenizer/tiny" "$scratch/model"
chmod -R u+w "$scratch/model"
cp "$golden/tokenizer/preprocessor_config.json" "$scratch/model/"
expect_exit 0 "$vita" encode -s encoder.model="$scratch/model" -s encoder.dtype=f16 "$golden/audio/speech.wav"
cp "$scratch/out" "$scratch/once"
expect_exit 0 sh -c "cat '$golden/audio/speech.wav' | '$vita' encode -s encoder.model='$scratch/model' -s encoder.loudest=segment -"
cmp "$scratch/out" "$scratch/once" || fail "from a pipe the tokens are others"

# A file is heard whole whatever the verb; from a pipe tokens come before a louder sound is known, and that is said.
{ head -c 32000 /dev/zero && tail -c +45 "$golden/audio/speech.wav"; } >"$scratch/samples"
wav 1 1 16000 16 "$scratch/samples" >"$scratch/late.wav"
expect_exit 0 "$vita" encode --json -s encoder.model="$scratch/model" "$scratch/late.wav"
expect_match "$scratch/out" '"deviation": *{"tokens": *0, *"db": *0'
expect_exit 0 sh -c "cat '$scratch/late.wav' | '$vita' encode --json -s encoder.model='$scratch/model' -"
expect_match "$scratch/out" '"deviation": *{"tokens": *[1-9]'
expect_match "$scratch/err" 'louder'

# The names of its tensors as converted checkpoints have them.
if command -v perl >/dev/null; then
	perl -0777 -e 'open F, "<:raw", $ARGV[0]; $_ = <F>; $n = unpack "Q<", $_; $h = substr $_, 8, $n; $d = substr $_, 8 + $n;
		$h =~ s/"((conv|layers|codebook|embed|ema)[^"]*)":/"model.encoder.$1":/g; binmode STDOUT; print pack("Q<", length $h), $h, $d' \
		"$golden/tokenizer/tiny/model.safetensors" >"$scratch/model/model.safetensors"
	expect_exit 0 "$vita" encode -s encoder.model="$scratch/model" "$golden/audio/speech.wav"
	cmp "$scratch/out" "$scratch/once" || fail "with prefixed names the tokens are others"
fi

# A question in speech: 64 of the language model's audio tokens are this encoder's.
expect_exit 0 "$vita" init tiny "$scratch/llm" -q
expect_exit 0 "$vita" asr --json -s llm.model="$scratch/llm" -s encoder.model="$golden/tokenizer/tiny" \
	-s generation.max_tokens=4 "$scratch/late.wav"
expect_match "$scratch/out" '"text"'
expect_match "$scratch/out" '"deviation": *{"tokens": *0, *"db": *0'
expect_exit 0 sh -c "cat '$scratch/late.wav' | '$vita' asr --json -s llm.model='$scratch/llm' \
	-s encoder.model='$golden/tokenizer/tiny' -s generation.max_tokens=4 -"
expect_match "$scratch/out" '"deviation": *{"tokens": *[1-9]'

# What it gets wrong is said.
little_endian 0 3200 >"$scratch/samples"
wav 1 1 16000 16 "$scratch/samples" >"$scratch/silence.wav"
expect_exit 0 "$vita" encode --json -s encoder.model="$golden/tokenizer/tiny" "$scratch/silence.wav"
[ "$(tokens "$scratch/out" | tr -cd , | wc -c)" = 1 ] || fail "0.1 s of silence are not two tokens"
: >"$scratch/samples"
wav 1 1 16000 16 "$scratch/samples" >"$scratch/empty.wav"
expect_refusal "$vita" encode -s encoder.model="$golden/tokenizer/tiny" "$scratch/empty.wav"
expect_refusal "$vita" asr -s llm.model="$scratch/llm" -s encoder.model="$golden/tokenizer/tiny" "$scratch/empty.wav"
expect_match "$scratch/err" 'too short'
{ head -c 4000 /dev/zero && printf '\0\0\300\177' && head -c 4000 /dev/zero; } >"$scratch/samples"
wav 3 1 16000 32 "$scratch/samples" >"$scratch/nan.wav"
for verb in encode "asr -s llm.model=$scratch/llm"; do
	# shellcheck disable=SC2086 # a list of arguments
	expect_refusal "$vita" $verb -s encoder.model="$golden/tokenizer/tiny" "$scratch/nan.wav"
	expect_match "$scratch/err" '0.062500 s is not a finite number'
done
expect_refusal "$vita" encode -s encoder.model="$golden/llm/tiny" "$scratch/silence.wav"
head -c 600000 "$golden/tokenizer/tiny/model.safetensors" >"$scratch/model/model.safetensors"
expect_refusal "$vita" encode -s encoder.model="$scratch/model" "$scratch/silence.wav"
expect_match "$scratch/err" 'model.safetensors'

finish
