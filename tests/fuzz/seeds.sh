#!/bin/sh
# Writes the seeds of the fuzz targets: seeds.sh SOURCE-ROOT FOLDER
set -eu
golden=$1/tests/golden
seeds=$2
for target in audio checkpoint config gguf ids index ini lists mvn pattern safetensors text tokenizer train_data yaml; do mkdir -p "$seeds/fuzz_$target"; done

repeat() { # text, times
	awk -v text="$1" -v n="$2" 'BEGIN { while (n-- > 0) printf "%s", text }'
}

# safetensors: eight bytes of header length, little-endian, then the header, then the data.
(
	cd "$seeds/fuzz_safetensors"
	cp "$golden/llm/sampling.safetensors" real
	header='{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]}}'
	size=$(printf %s "$header" | wc -c)
	{ printf "\\$(printf %03o "$size")\\0\\0\\0\\0\\0\\0\\0%s" "$header" && printf '012345678901'; } >two-tensors
	printf '\002\0\0\0\0\0\0\0{}' >empty
	printf '\377\377\377\377\377\377\377\377{}' >length-near-2-to-64
	{ printf '\100\037\0\0\0\0\0\0' && repeat '[' 8000; } >deep
)

# GGUF: numbers of 4 and 8 bytes (all below 256), texts with their length before them, metadata, tensors, data.
# shellcheck disable=SC2059  # the format is the point
u32() { for n; do printf "\\$(printf %03o "$n")\0\0\0"; done; }
u64() { for n; do u32 "$n" 0; done; }
text() { u64 ${#1} && printf %s "$1"; }
gguf_settings() { # 14 values
	text general.architecture && u32 8 && text qwen2
	for setting in block_count=3 nextn_predict_layers=1 context_length=64 embedding_length=32 attention.head_count=2; do
		text "qwen2.${setting%=*}" && u32 4 "${setting#*=}"
	done
	text qwen2.attention.layer_norm_rms_epsilon && u32 6 && printf '\254\305\47\67'
	text vita.config && u32 8 && text '{"model_type":"qwen2_mtp","rope_scaling":{"type":"linear","factor":2}}'
	text tokenizer.ggml.model && u32 8 && text gpt2
	text tokenizer.ggml.pre && u32 8 && text qwen2
	text tokenizer.ggml.tokens && u32 9 8 && u64 7
	for token in H e l ll o '<|a|>' pad; do text "$token"; done
	text tokenizer.ggml.token_type && u32 9 5 && u64 7 && u32 1 1 1 1 1 3 5
	text tokenizer.ggml.merges && u32 9 8 && u64 1 && text 'l l'
	text nested && u32 9 9 && u64 2 && u32 4 && u64 1 && u32 5 && u32 8 && u64 1 && text x
}
(
	cd "$seeds/fuzz_gguf"
	{ printf GGUF && u32 3 && u64 3 14 && gguf_settings
		text token_embd.weight && u32 2 && u64 32 8 && u32 8 && printf '\0\0\0\0\0\0\0\0'
		text blk.2.nextn.enorm.weight && u32 1 && u64 2 && u32 0 && printf '\040\001\0\0\0\0\0\0'
		text blk.0.attn_q.weight && u32 2 && u64 1 2 && u32 77 && printf '\100\001\0\0\0\0\0\0'
		repeat 'data' 100; } >model
	{ printf GGUF && u32 2 && u64 0 14 && gguf_settings; } >no-tensors
	{ printf GGUF && u32 3 && u64 0 1 && text nested && u32 9
		for n in 1 2 3 4 5 6 7 8 9; do u32 9 && u64 1; done; } >deep
	printf 'GGUF\3\0\0\0\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377' >counts-near-2-to-64
)

# PyTorch's own checkpoints, and a config.yaml as it is published.
cp "$1/tests/data/small.pt" "$1/tests/data/wrapped.pt" "$seeds/fuzz_checkpoint/"
cp "$golden/decoder/config.yaml" "$seeds/fuzz_yaml/published"
printf 'a: 1\nb: {c: [!ref <a>, 2.5, "x"], d: !new:e.F {g: null}}\nh: !apply:i.j [1]\n' >"$seeds/fuzz_yaml/tags"

# config.json
cp "$golden/llm/tiny/config.json" "$seeds/fuzz_config/model"
cp "$golden/llm/tiny/generation_config.json" "$seeds/fuzz_config/generation"
printf '%s' '{"rope_scaling":{"type":"linear","factor":2.5},"eos_token_id":[1,2,9007199254740993],"architectures":["A","B"],"a":{"b":{"c":{"d":null}}},"vocab_size":-1}' >"$seeds/fuzz_config/mixed"
{ repeat '{"a":' 10000 && repeat '}' 10000; } >"$seeds/fuzz_config/deep"

# The length of pieces less one, and token ids.
printf '\0021,2 3\n16383\t0,,2147483647\n' >"$seeds/fuzz_ids/list"
printf '\0007,2147483648' >"$seeds/fuzz_ids/too-large"
printf '\0111, -2' >"$seeds/fuzz_ids/negative"

# model.safetensors.index.json; s.safetensors is the shard that the target provides.
printf '%s' '{"metadata":{"total_size":4},"weight_map":{"a":"s.safetensors"}}' >"$seeds/fuzz_index/good"
printf '%s' '{"weight_map":{"a":"../s.safetensors","b":"/etc/passwd","c":"none.safetensors","d":""}}' >"$seeds/fuzz_index/elsewhere"

# tokenizer.json: the shape of the real one with a tiny vocabulary.
cat >"$seeds/fuzz_tokenizer/tiny" <<'EOF'
{"version":"1.0","truncation":null,"padding":null,
"added_tokens":[{"id":9,"content":"<|im_start|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
"normalizer":{"type":"NFC"},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[
{"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},
{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]},
"post_processor":null,"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false},
"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,
"vocab":{"H":0,"e":1,"l":2,"o":3,"ll":4,"llo":5,"Ġ":6,"w":7,"Ċ":8},
"merges":[["l","l"],["ll","o"]]}}
EOF
sed 's/\["l","l"\],\["ll","o"\]/"l l","ll o"/' "$seeds/fuzz_tokenizer/tiny" >"$seeds/fuzz_tokenizer/merges-as-text"
sed 's/^"merges".*/"x":0}}/' "$seeds/fuzz_tokenizer/tiny" >"$seeds/fuzz_tokenizer/no-merges"

# The same; and a vocab.json, NUL, a merges.txt
cp "$seeds"/fuzz_tokenizer/* "$seeds/fuzz_lists/"
printf '%s\0%s\n%s\r\n%s' '{"a": 0, "\u00e9\n": 1, "ab":2 }' '#version: 0.2' 'a b' 'c d' >"$seeds/fuzz_lists/files"

# A pattern, NUL, a text
printf '%s\0%s' "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+" \
	"It's 12 o'clock.   ok
" >"$seeds/fuzz_pattern/qwen"
printf '%s\0%s' '[[:alpha:]a-z\S&]+|\p{Han}{1,3}+|(?<=a)\b(x|y)*?\h{,4}\x{4f60}\u597d(?>a++)(?m-i:.)^$' 'ab x 你好' \
	>"$seeds/fuzz_pattern/mixed"
printf '%s\0%s' '(a+)+b' 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' >"$seeds/fuzz_pattern/exploding"

# Text
sed -n '1p;40p;80p' "$golden/text-tokenizer/encode.jsonl" >"$seeds/fuzz_text/mixed"
printf 'It'\''s 12:34\r\n\t caf\303\251 e\314\201 \360\237\231\202 \377\376 <|im_start|>\n' >"$seeds/fuzz_text/edges"

# INI
cat >"$seeds/fuzz_ini/all" <<'EOF'
; comment
[vita]
log = debug
plugin_path = a:b
[backend]
name = auto ; inline
threads=2
[llm]
model = ../model
dtype: q8_0
[heads]
schedule = 1,4,3,8,4,10
[generation]
temperature = 0.7
prompt = one
  two
EOF
printf 'llm.model=x\n[llm\nmodel\n= 3\n[]\n\357\273\277[vita]\n' >"$seeds/fuzz_ini/broken"

# am.mvn with rows of eight values
cat >"$seeds/fuzz_mvn/eight" <<'EOF'
<Nnet> 
<Splice> 8 8
[ 0 ]
<AddShift> 8 8 
<LearnRateCoef> 0 [ -10.0157 -11.0399 -12.0318 -1e1 -12.3322 -13.4483 -13.078 0 ]
<Rescale> 8 8 
<LearnRateCoef> 0 [ 0.14236 0.136312 .126176 0.132744 0.130556 0.123774 0.12974 1 ]
</Nnet> 
EOF
tr '\n' '\r' <"$seeds/fuzz_mvn/eight" >"$seeds/fuzz_mvn/carriage-returns"
sed 's/0.14236/nan/' "$seeds/fuzz_mvn/eight" >"$seeds/fuzz_mvn/not-a-number"

# Recordings: the first tenth of a second, whose header promises more, and 8 samples of 8 bits in stereo.
head -c 3244 "$golden/audio/speech.wav" >"$seeds/fuzz_audio/cut"
printf 'RIFF\054\0\0\0WAVEfmt \020\0\0\0\001\0\002\0\100\037\0\0\200\076\0\0\002\0\010\0data\010\0\0\0\200\377\0\200\100\300\200\177' \
	>"$seeds/fuzz_audio/stereo"

# Training samples: the tasks, written tokens, and a list.
cat >"$seeds/fuzz_train_data/tasks" <<'EOF'
{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}

{"messages": [{"role": "user", "content": "Convert the text to speech.\n a "}, {"role": "assistant", "content": "a<|begin_of_audio|><|audio_0|><|audio_1|><|end_of_audio|>"}]}
{"conversations": [{"from": "human", "value": "<|audio|>"}, {"from": "gpt", "value": "b"}], "audios": ["none.wav"]}
{"messages": [{"role": "user", "content": "Convert the text to speech.\n a "}, {"role": "assistant", "content": "b"}]}
EOF
printf '[{"messages": [{"role": "assistant", "content": "]}\\""}]},\n {"messages": [{"role": "assistant", "content": "b"}]}]' \
	>"$seeds/fuzz_train_data/list"
