#!/bin/sh
# vita bench: speeds of models of any length of prompt, what it saves, and what it says of quality.
. "$VITA_SRCDIR/tests/cli/common.sh"

ids_of() { # model, further arguments
	model=$1
	shift
	expect_exit 0 "$vita" generate -s llm.model="$model" -s generation.temperature=0 --json --max-tokens 24 --ids 5,6,7,8 "$@"
	compact "$scratch/out" | sed -n 's/.*"ids":\[\([^]]*\)\].*/\1/p'
}

# ---- what is saved answers as what was measured ----------------------------------------------------
for type in q4_0 q8_0 bf16; do
	expect_exit 0 "$vita" bench --synthetic nano -s llm.dtype=$type --runs 1 --prompt-tokens 32 --tokens 8 --json \
		--save "$scratch/$type"
	compact "$scratch/out" >"$scratch/document"
	expect_match "$scratch/document" '"prompt_tokens":32'
	expect_match "$scratch/document" '"prompt_tps":[1-9]'
	expect_match "$scratch/document" "\"weight_type\":\"$type\""
	file=$scratch/$type
	[ $type = bf16 ] || file=$scratch/$type/model.gguf
	expect_exit 0 "$vita" info "$file"
	for schedule in 1,0 1,4; do
		expected=$(ids_of synthetic:nano:$type -s heads.schedule=$schedule)
		found=$(ids_of "$file" -s heads.schedule=$schedule)
		[ -n "$expected" ] || fail "$type: no ids"
		[ "$found" = "$expected" ] || fail "$type, schedule $schedule: $found from the saved model instead of $expected"
	done
done
expect_exit 0 "$vita" bench --synthetic nano -s llm.dtype=q8_0 --runs 1 --prompt-tokens 1 --tokens 2 --save "$scratch/named.gguf"
expect_exit 0 "$vita" info --tensors "$scratch/named.gguf"
expect_match "$scratch/out" 'tokenizer.ggml.model  *none' # other programs want to be told
cmp -s "$scratch/named.gguf" "$scratch/q8_0/model.gguf" || fail "a file's name and a directory give different models"
expect_exit 1 "$vita" bench --synthetic nano -s llm.dtype=q8_0 --runs 1 --save "$scratch/named.gguf/below"
expect_exit 2 "$vita" bench --synthetic glm4-voice-decoder --save "$scratch/codec"

# ---- threads -----------------------------------------------------------------------------------------
for threads in 1 2 3; do
	expect_exit 0 "$vita" generate -s llm.model=synthetic:nano:q4_0 -s backend.threads=$threads --ids 1,2,3 --max-tokens 4
done
for threads in -1 4097 two 1.5; do
	expect_exit 2 "$vita" generate -s llm.model=synthetic:nano:q4_0 -s backend.threads=$threads --ids 1,2,3
	expect_match "$scratch/err" 'threads = .*must be a whole number from 0 to 4096'
done
if [ -e "$plugindir/backend-cpu.so" ]; then
	expect_exit 0 env OMP_NUM_THREADS=1 "$vita" plugins cpu
	expect_match "$scratch/out" ' 1 threads'
	if command -v taskset >/dev/null; then
		first=$(taskset -cp $$ | sed 's/.*: *//; s/[-,].*//')
		expect_exit 0 env -u OMP_NUM_THREADS taskset -c "$first" "$vita" plugins cpu
		expect_match "$scratch/out" ' 1 threads'
	fi
fi

# ---- quality -----------------------------------------------------------------------------------------
expect_exit 0 "$vita" init tiny "$scratch/made"
expect_exit 0 "$vita" bench -s llm.model="$scratch/made" --quality "$VITA_SRCDIR/README.md" --tokens 100 --json
compact "$scratch/out" >"$scratch/document"
expect_match "$scratch/document" '"tokens":100,"perplexity":[1-9]'
figure() { # type, way, name
	sed -n "s/.*\"$1\":{[^{]*\"decode\":{\\([^}]*\\)},\"prompt\":{\\([^}]*\\)}.*/decode \\1\\nprompt \\2/p" "$scratch/document" |
		sed -n "s/^$2 .*\"$3\":\\([0-9.e-]*\\).*/\\1/p"
}
for type in bf16 f16 q8_0 q6_k q4_k q4_1 q4_0; do
	for way in decode prompt; do
		kl=$(figure $type $way kl)
		awk -v kl="$kl" 'BEGIN { exit !(kl != "" && kl > -1e-8 && kl < 0.5) }' || fail "$type, $way: divergence '$kl'"
	done
done
# More bits are better, whatever the weights; and a model does not differ from itself.
awk -v a="$(figure f16 decode kl)" -v b="$(figure q8_0 decode kl)" -v c="$(figure q4_0 decode kl)" \
	'BEGIN { exit !(a < b && b < c) }' || fail "the divergence does not rise from f16 over q8_0 to q4_0"
expect_exit 0 "$vita" bench -s llm.model="$scratch/made" -s llm.dtype=f32 --quality "$VITA_SRCDIR/README.md" --tokens 40 --json
compact "$scratch/out" >"$scratch/document"
kl=$(figure f32 decode kl)
awk -v kl="$kl" 'BEGIN { exit !(kl != "" && kl < 1e-8 && kl > -1e-8) }' || fail "f32 differs from f32 by '$kl'"
expect_match "$scratch/document" '"same_top":1.0'
expect_exit 0 "$vita" convert "$scratch/made" "$scratch/made.gguf" --dtype q4_0
expect_exit 0 "$vita" bench -s llm.model="$scratch/made.gguf" -s llm.dtype=as-is --against "$scratch/made" \
	--quality "$VITA_SRCDIR/README.md" --tokens 40
expect_match "$scratch/out" '^as-is .*[1-9]'
expect_match "$scratch/out" '40 tokens, perplexity'

# ---- many short turns ----------------------------------------------------------------------------------
expect_exit 0 "$vita" bench --synthetic nano -s llm.dtype=q4_0 --turns 40 --tokens 16 --json
compact "$scratch/out" >"$scratch/document"
expect_match "$scratch/document" '"turns":{"n":40,"prompt":32,"answer":16,"first_ms":[0-9.]*,"last_ms":[0-9.]*'
growth() { sed -n 's/.*"first_rss_mb":\([0-9.]*\),"last_rss_mb":\([0-9.]*\).*/\1 \2/p' "$scratch/document"; }
# AddressSanitizer keeps what was freed.
if [ -r /proc/self/statm ] && ! grep -q __asan_init "$vita"; then
	growth | awk '{ n++; grown = $2 - $1 } END { exit !(n == 1 && grown < 1) }' ||
		fail "resident memory after ten turns and after forty: $(growth) MB"
fi
expect_exit 2 "$vita" bench --synthetic nano --turns 3
expect_exit 2 "$vita" bench --synthetic glm4-voice-decoder --turns 40

# What cannot be.
printf x >"$scratch/short"
expect_exit 1 "$vita" bench -s llm.model="$scratch/made" --quality "$scratch/short"
expect_match "$scratch/err" 'too short'
expect_exit 1 "$vita" bench -s llm.model="$scratch/made" --quality "$scratch/nowhere"
expect_match "$scratch/err" 'nowhere cannot be read'
expect_exit 2 "$vita" bench --synthetic glm4-voice-decoder --quality "$VITA_SRCDIR/README.md"
expect_exit 2 "$vita" bench -s llm.model="$scratch/made" --against "$scratch/made"
expect_refusal "$vita" bench -s llm.model="$scratch/made" --against "$VITA_SRCDIR/tests/golden/llm/tiny" --quality "$scratch/short"
expect_refusal "$vita" bench --synthetic nano --quality "$VITA_SRCDIR/README.md" # no tokenizer

# A shape that there is not is wrong usage, and named.
expect_exit 2 "$vita" bench --synthetic nonesuch
expect_match "$scratch/err" 'synthetic:nonesuch: there is no such shape'
expect_exit 2 "$vita" bench --synthetic nano -s llm.dtype=q9

# ---- heads that propose audio alone need no tokenizer here ---------------------------------------------
expect_exit 0 "$vita" bench --synthetic nano -s heads.vocabulary=audio --runs 1 --prompt-tokens 8 --tokens 12 --json
compact "$scratch/out" >"$scratch/audio"
expect_match "$scratch/audio" '"turbo":{'
expect_exit 2 "$vita" bench --synthetic qwen2.5-0.5b -s heads.vocabulary=audio -s heads.plugin=mctp --runs 1

finish
