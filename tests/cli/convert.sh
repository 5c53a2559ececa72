#!/bin/sh
# vita convert: models that went to GGUF and back give the tokens that they gave before, heads and tokenizer included.
. "$VITA_SRCDIR/tests/cli/common.sh"

golden=$VITA_SRCDIR/tests/golden/llm

ids_of() { # model, further arguments
	model=$1
	shift
	expect_exit 0 "$vita" generate -s llm.model="$model" -s generation.temperature=0 --json "$@"
	compact "$scratch/out" | sed -n 's/.*"ids":\[\([^]]*\)\].*/\1/p'
}

expect_same_ids() { # what it is, ids, ids
	[ -n "$2" ] || fail "$1: no ids"
	[ "$2" = "$3" ] || fail "$1: $3 instead of $2"
}

# The reference implementation's tokens, from GGUF files and from what they were turned back into.
for name in tiny tiny-tied tiny-bf16-sharded; do
	compact "$golden/$name/golden.json" >"$scratch/golden"
	prompt=$(sed -n 's/^{"prompt":\[\([^]]*\)\].*/\1/p' "$scratch/golden")
	expect_exit 0 "$vita" convert --json "$golden/$name" "$scratch/$name.gguf"
	compact "$scratch/out" >"$scratch/document"
	for field in "\"model\":\"$scratch/$name.gguf\"" '"tensors":[0-9]' '"bytes":[0-9]' '"bytes_before":[0-9]' '"notes":\["'; do
		expect_match "$scratch/document" "$field"
	done
	expect_exit 0 "$vita" convert "$scratch/$name.gguf" "$scratch/$name"
	[ ! -s "$scratch/out" ] || fail "convert prints to standard output"
	for mode in 8192,0 1,3 1,1,2,2,1,3; do
		expected=$(sed -n "s/.*\"key\":\"m$(echo $mode | tr , _)\",\"tokens\":\\[\\([^]]*\\)\\].*/\\1/p" "$scratch/golden")
		for model in "$scratch/$name.gguf" "$scratch/$name"; do
			found=$(ids_of "$model" -s heads.schedule=$mode --ids "$prompt" --max-tokens 48)
			expect_same_ids "$model, schedule $mode" "$expected" "$found"
		done
	done
done

# Weights that are quantised when a model is converted are those that are when it is opened.
for type in bf16 q8_0 q4_0 q6_k; do
	expect_exit 0 "$vita" convert "$golden/tiny" "$scratch/$type.gguf" --dtype $type
	expected=$(ids_of "$golden/tiny" -s llm.dtype=$type --ids 1,2,3,4 --max-tokens 24)
	expect_same_ids "$type" "$expected" "$(ids_of "$scratch/$type.gguf" --ids 1,2,3,4 --max-tokens 24)"
done
expect_exit 0 "$vita" convert "$golden/tiny" "$scratch/odd.gguf" --dtype q4_k
expect_match "$scratch/err" 'no whole number of q4_k.s blocks of 256, and become q4_1'

# The tokenizer travels inside.
expect_exit 0 "$vita" init tiny "$scratch/made"
expect_exit 0 "$vita" convert "$scratch/made" "$scratch/made.gguf" --dtype q8_0
expect_exit 0 "$vita" tokenize -s llm.model="$scratch/made" 'The answer: <|im_start|> 42 äöü'
cp "$scratch/out" "$scratch/expected"
expect_exit 0 "$vita" tokenize -s llm.model="$scratch/made.gguf" 'The answer: <|im_start|> 42 äöü'
cmp -s "$scratch/expected" "$scratch/out" || fail "other ids from the tokenizer within the GGUF file"
expect_exit 0 "$vita" info --tensors "$scratch/made.gguf"
expect_match "$scratch/out" 'tokenizer.ggml.model  *gpt2'
expect_match "$scratch/out" 'mtp_projs.0.weight  *q8_0'
expect_exit 0 "$vita" generate -s llm.model="$scratch/made.gguf" --prompt 'Who are you?' --max-tokens 8

# A directory whose weights are in model.gguf, with its own settings and without.
mkdir "$scratch/mixed" "$scratch/bare"
for directory in mixed bare; do cp "$scratch/q8_0.gguf" "$scratch/$directory/model.gguf"; done
cp "$golden/tiny/config.json" "$scratch/mixed"
expected=$(ids_of "$scratch/q8_0.gguf" --ids 1,2,3,4 --max-tokens 24)
for directory in mixed bare; do
	expect_same_ids "$directory" "$expected" "$(ids_of "$scratch/$directory" --ids 1,2,3,4 --max-tokens 24)"
done
cp "$scratch/made.gguf" "$scratch/bare/model.gguf"
expect_exit 0 "$vita" tokenize -s llm.model="$scratch/bare" 'The answer: <|im_start|> 42 äöü'
cmp -s "$scratch/expected" "$scratch/out" || fail "other ids from the tokenizer of a directory's model.gguf"
cp "$scratch/made/tokenizer.json" "$scratch/mixed"
expect_exit 0 "$vita" convert "$scratch/mixed" "$scratch/unmixed" --dtype f32
cmp -s "$scratch/mixed/tokenizer.json" "$scratch/unmixed/tokenizer.json" || fail "a tokenizer beside model.gguf is lost"
# Settings and a tokenizer beside it go along into a file too: nothing of them is what model.gguf says.
mkdir "$scratch/own"
cp "$scratch/made/config.json" "$scratch/made/model.safetensors" "$scratch/own"
expect_exit 0 "$vita" convert "$scratch/own" "$scratch/own.gguf" --dtype q8_0
expect_match "$scratch/err" 'and so the file has no tokenizer'
rm "$scratch/own/model.safetensors"
cp "$scratch/own.gguf" "$scratch/own/model.gguf"
cp "$scratch/made/tokenizer.json" "$scratch/own"
grep -q '"rope_theta"' "$scratch/made/config.json" || fail "the test changes nothing"
sed 's/"rope_theta": *[0-9.e+]*/"rope_theta": 123.0/' "$scratch/made/config.json" >"$scratch/own/config.json"
printf '{"temperature": 0.25, "do_sample": true, "top_k": 9, "repetition_penalty": 1.5}' >"$scratch/own/generation_config.json"
wanted=$(ids_of "$scratch/own" --ids 1,2,3,4 --max-tokens 24)
[ "$wanted" != "$(ids_of "$scratch/own.gguf" --ids 1,2,3,4 --max-tokens 24)" ] || fail "settings beside model.gguf change nothing"
expect_exit 0 "$vita" convert "$scratch/own" "$scratch/moved.gguf"
expect_same_ids "settings beside model.gguf" "$wanted" "$(ids_of "$scratch/moved.gguf" --ids 1,2,3,4 --max-tokens 24)"
expect_exit 0 "$vita" info --tensors "$scratch/moved.gguf"
for value in 'qwen2.rope.freq_base  *123' 'general.sampling.top_k  *9' 'general.sampling.penalty_repeat  *1.5' \
	'tokenizer.ggml.model  *gpt2'; do
	expect_match "$scratch/out" "$value"
	[ "$(grep -c "${value%% *} " "$scratch/out")" = 1 ] || fail "not once in the file: $value"
done
expect_exit 0 "$vita" tokenize -s llm.model="$scratch/moved.gguf" 'The answer: <|im_start|> 42 äöü'
cp "$scratch/out" "$scratch/found"
expect_exit 0 "$vita" tokenize -s llm.model="$scratch/made" 'The answer: <|im_start|> 42 äöü'
cmp -s "$scratch/out" "$scratch/found" || fail "other ids from the tokenizer that was beside model.gguf"
# In a file of this architecture rows lie in pairs, whatever the settings beside it do not say.
mkdir "$scratch/llama" "$scratch/pairs"
cp "$golden/tiny/model.safetensors" "$scratch/llama"
sed 's/"qwen2_mtp"/"llama", "attention_bias": true/; s/"Qwen2[A-Za-z]*"/"LlamaForCausalLM"/' "$golden/tiny/config.json" >"$scratch/llama/config.json"
cp "$scratch/llama/config.json" "$scratch/pairs"
expect_exit 0 "$vita" convert "$scratch/llama" "$scratch/pairs/model.gguf"
wanted=$(ids_of "$scratch/llama" --ids 1,2,3,4 --max-tokens 24)
expect_same_ids "pairs of rows" "$wanted" "$(ids_of "$scratch/pairs" --ids 1,2,3,4 --max-tokens 24)"
expect_exit 0 "$vita" convert "$scratch/pairs" "$scratch/halves"
expect_same_ids "pairs to halves" "$wanted" "$(ids_of "$scratch/halves" --ids 1,2,3,4 --max-tokens 24)"
cp "$golden/tiny/model.safetensors" "$scratch/mixed"
expected=$(ids_of "$golden/tiny" --ids 1,2,3,4 --max-tokens 24)
expect_same_ids "safetensors first" "$expected" "$(ids_of "$scratch/mixed" --ids 1,2,3,4 --max-tokens 24)"

# What is refused, and that nothing is left behind.
rm -rf "$scratch/out.gguf"
expect_exit 2 "$vita" convert "$golden/tiny" "$scratch/out.gguf" --dtype q5_k
expect_match "$scratch/err" 'q5_k is no type of weights; as-is'
expect_exit 2 "$vita" convert "$golden/tiny"
expect_exit 1 "$vita" convert "$scratch/nowhere" "$scratch/out.gguf"
expect_exit 1 "$vita" convert "$golden/tiny" "$scratch/out" --dtype q4_0
expect_exit 1 "$vita" convert "$golden/tiny" "$scratch/made"
expect_match "$scratch/err" 'stays as it is'
printf 'GGUF\3\0\0\0\377\377\377\377\377\377\377\377\0\0\0\0\0\0\0\0' >"$scratch/hostile.gguf"
expect_refusal "$vita" info "$scratch/hostile.gguf"
expect_refusal "$vita" convert "$scratch/hostile.gguf" "$scratch/out.gguf"
[ ! -e "$scratch/out.gguf" ] || fail "a refused conversion leaves a file"

# A disk that is full after 4 kB: no half a model, and no directory that only it would have needed.
full() { (trap '' XFSZ && ulimit -f 8 && "$vita" "$@"); }
expect_refusal full convert "$golden/tiny" "$scratch/half"
[ ! -e "$scratch/half" ] || fail "half a model is left behind by convert"
expect_refusal full init tiny "$scratch/half"
[ ! -e "$scratch/half" ] || fail "half a model is left behind by init"
mkdir "$scratch/half" && : >"$scratch/half/notes"
expect_refusal full convert "$golden/tiny" "$scratch/half"
[ "$(ls -A "$scratch/half")" = notes ] || fail "convert leaves more in a directory that was there than it found"

finish
