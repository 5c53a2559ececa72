#!/bin/sh
# What bad input gets: a sentence that names what is wrong, exit 1 or 2, and no output file.
# shellcheck disable=SC2317 # functions that are called through expect_refusal
. "$VITA_SRCDIR/tests/cli/common.sh"

tiny=$VITA_SRCDIR/tests/golden/llm/tiny
speech=$VITA_SRCDIR/tests/golden/audio/speech.wav
generate() { # model, further arguments
	from=$1
	shift
	expect_refusal "$vita" generate -s llm.model="$from" "$@" --max-tokens 2
}

# ---- usage and configuration ---------------------------------------------------------------------
expect_exit 2 "$vita"
expect_exit 2 "$vita" no-such-verb
expect_match "$scratch/err" no-such-verb
expect_exit 2 "$vita" generate --no-such-option
expect_exit 2 "$vita" plugins -s nonsense
printf '[llm]\nmodle = x\n' >"$scratch/typo.ini"
expect_exit 2 "$vita" generate -c "$scratch/typo.ini" --ids 1
expect_match "$scratch/err" 'typo.ini:2'
expect_match "$scratch/err" '"\?model"\?'
printf '[lllm]\nmodel = x\n' >"$scratch/section.ini"
expect_exit 2 "$vita" generate -c "$scratch/section.ini" --ids 1
expect_match "$scratch/err" llm
expect_refusal "$vita" generate -c "$scratch/no-such.ini" --ids 1
expect_match "$scratch/err" no-such.ini
expect_refusal "$vita" generate --ids 1
expect_exit 2 "$vita" generate -s llm.model="$tiny" -s backend.name=nonesuch --ids 1
expect_match "$scratch/err" nonesuch

# A verb that needs no config looks at what it is given all the same.
for verb in "bench --synthetic nano" "info $tiny" "convert $tiny $scratch/new.gguf" "init tiny $scratch/new"; do
	# shellcheck disable=SC2086 # words
	set -- $verb
	expect_exit 2 "$vita" "$@" -c "$scratch/no-such.ini"
	expect_match "$scratch/err" 'no-such.ini: cannot be opened'
	expect_exit 2 "$vita" "$@" -c "$scratch/typo.ini"
	expect_match "$scratch/err" 'typo.ini:2'
done

# A config may come through standard input, where relative paths start at the working directory; once.
through_stdin() { # folder, config, command
	(cd "$1" && text=$2 && shift 2 && printf "$text" | "$@" >"$scratch/out" 2>"$scratch/err")
}
through_stdin "$tiny/.." '[llm]\nmodel = tiny\n' "$vita" generate -c - --ids 1 --max-tokens 1 ||
	fail "a config through standard input: $(cat "$scratch/err")"
expect_match "$scratch/out" '^[0-9]'
through_stdin / '[llm]\nmodle = x\n' "$vita" generate -c - --ids 1
expect_match "$scratch/err" 'standard input:2: .*modle'
for text in "tokenize -" tokenize "tts -o $scratch/no.wav -" "info -c -"; do
	# shellcheck disable=SC2086 # words
	expect_exit 2 "$vita" $text -c -
	expect_match "$scratch/err" 'standard input is the config after -c -'
done
expect_exit 2 "$vita" plot -s nonsense -o "$scratch/new.svg" "$scratch/typo.ini"
for left in "$scratch"/new*; do
	[ ! -e "$left" ] || fail "made in spite of a wrong config: $left"
done

# ---- models --------------------------------------------------------------------------------------
model() { # a fresh copy to break
	rm -rf "$scratch/model"
	cp -R "$1" "$scratch/model"
	chmod -R u+w "$scratch/model"
}
generate "$scratch/nowhere" --ids 1
expect_match "$scratch/err" nowhere
generate "$tiny" --ids 1,300
expect_match "$scratch/err" 300
generate "$tiny" --ids 1,-1
generate "$tiny" --ids 1,99999999999999999999
generate "$tiny" --ids ''
# A prompt that leaves no room for an answer, and an answer that has not enough.
generate "$tiny" -s llm.context=4 --ids 1,2,3,4
expect_match "$scratch/err" 'all the 4 tokens that the context holds'
expect_exit 0 "$vita" generate -s llm.model="$tiny" -s llm.context=4 --ids 1,2,3 --max-tokens 2
expect_match "$scratch/err" 'ends here because the context holds 4 tokens'
expect_exit 0 "$vita" generate -s llm.model="$tiny" -s llm.context=4 --ids 1,2 --max-tokens 1
grep -q 'ends here' "$scratch/err" && fail "an answer of the wanted length is told as cut"
for length in "--max-tokens 2" "-s generation.max_tokens=2"; do
	# shellcheck disable=SC2086 # words
	expect_exit 0 "$vita" generate -s llm.model="$tiny" -s llm.context=4 --ids 1,2 $length
	grep -q 'ends here' "$scratch/err" && fail "an answer that fills the context as wanted is told as cut"
done

model "$tiny"
head -c 700000 "$tiny/model.safetensors" >"$scratch/model/model.safetensors"
generate "$scratch/model" --ids 1
expect_match "$scratch/err" model.safetensors
printf '\377\377\377\377\377\377\377\377{}' >"$scratch/model/model.safetensors"
generate "$scratch/model" --ids 1
expect_match "$scratch/err" model.safetensors
: >"$scratch/model/model.safetensors"
generate "$scratch/model" --ids 1
rm "$scratch/model/model.safetensors"
generate "$scratch/model" --ids 1

model "$tiny"
sed 's/"hidden_size": 64/"hidden_size": 80/' "$tiny/config.json" >"$scratch/model/config.json"
generate "$scratch/model" --ids 1
sed 's/"num_hidden_layers": 6/"num_hidden_layers": 2000000000/' "$tiny/config.json" >"$scratch/model/config.json"
generate "$scratch/model" --ids 1
grep -v '"hidden_size"' "$tiny/config.json" >"$scratch/model/config.json"
generate "$scratch/model" --ids 1
expect_match "$scratch/err" 'does not give hidden_size'
grep -v '"model_type"' "$tiny/config.json" >"$scratch/model/config.json"
generate "$scratch/model" --ids 1
expect_match "$scratch/err" 'model_type'
{
	i=0
	while [ $i -lt 10000 ]; do
		printf '{"a":'
		i=$((i + 1))
	done
} >"$scratch/model/config.json"
generate "$scratch/model" --ids 1
expect_match "$scratch/err" config.json
rm "$scratch/model/config.json"
generate "$scratch/model" --ids 1
expect_match "$scratch/err" config.json

model "$VITA_SRCDIR/tests/golden/llm/tiny-bf16-sharded"
rm "$scratch/model/model-00002-of-00002.safetensors"
generate "$scratch/model" --ids 1
expect_match "$scratch/err" 'the shard model-00002-of-00002.safetensors, which is not there'

# All that is missing is told at once.
rm "$scratch"/model/model-0000?-of-00002.safetensors "$scratch/model/config.json"
generate "$scratch/model" --ids 1
expect_match "$scratch/err" 'shards model-00001-of-00002.safetensors, model-00002-of-00002.safetensors, which are not there; config.json is missing too'
rm -r "$scratch/model"
mkdir "$scratch/model"
generate "$scratch/model" --ids 1
expect_match "$scratch/err" 'no config.json and no weights'
ln -s "$tiny/model.safetensors" "$scratch/model/part-00002-of-00007.safetensors"
ln -s "$tiny/config.json" "$scratch/model/config.json"
generate "$scratch/model" --ids 1
expect_match "$scratch/err" '1 of 7 shards; part-00001-of-00007.*part-00005-of-00007.safetensors and 2 more are missing'
if [ -e "$plugindir/codec-flow-hift.so" ]; then
	mkdir "$scratch/nothing"
	expect_refusal "$vita" decode -s codec.plugin=flow-hift -s codec.model="$scratch/nothing" -o "$scratch/no.wav" 1
	expect_match "$scratch/err" 'config.yaml, flow.safetensors or flow.pt, hift.safetensors or hift.pt'
fi

model "$tiny"
printf '{"model":{"type":"BPE","vocab":{"a":0}}}' >"$scratch/model/tokenizer.json"
expect_refusal "$vita" tokenize -s llm.model="$scratch/model" a
expect_match "$scratch/err" merges

# ---- recordings ----------------------------------------------------------------------------------
if [ -e "$plugindir/encoder-codec2.so" ]; then
	encode() { "$vita" encode -s encoder.plugin=codec2 "$@"; }
	expect_refusal encode "$scratch/nowhere.wav"
	expect_match "$scratch/err" nowhere.wav
	echo "not a recording" >"$scratch/text.wav"
	expect_refusal encode "$scratch/text.wav"
	printf '\0\0\300\177\0\0\300\177' >"$scratch/samples"
	wav 3 1 16000 32 "$scratch/samples" >"$scratch/nan.wav"
	expect_refusal encode "$scratch/nan.wav"

	: >"$scratch/samples"
	wav 1 1 16000 16 "$scratch/samples" >"$scratch/empty.wav"
	expect_refusal encode --json "$scratch/empty.wav"
	expect_match "$scratch/err" 'empty.wav: holds no samples'

	# Strange but sound: less than a frame, 8 bits, 96 kHz, six channels.
	printf '\0\0' >"$scratch/samples"
	wav 1 1 16000 16 "$scratch/samples" >"$scratch/short.wav"
	expect_exit 0 encode --json "$scratch/short.wav"
	compact "$scratch/out" >"$scratch/encoded"
	expect_match "$scratch/encoded" '"tokens":\[\]'
	head -c 48000 "$speech" | tail -c 38400 >"$scratch/samples"
	for shape in "1 8000 8" "1 96000 16" "6 16000 16" "2 44100 24"; do
		# shellcheck disable=SC2086 # three numbers
		set -- $shape
		wav 1 "$1" "$2" "$3" "$scratch/samples" >"$scratch/odd.wav"
		expect_exit 0 encode --json "$scratch/odd.wav"
		compact "$scratch/out" >"$scratch/encoded"
		expect_match "$scratch/encoded" '"tokens":\[[0-9]'
	done
fi

# ---- output --------------------------------------------------------------------------------------
if [ -e "$plugindir/codec-codec2.so" ]; then
	decode() { "$vita" decode -s codec.plugin=codec2 "$@"; }
	expect_exit 0 "$vita" encode -s encoder.plugin=codec2 "$speech"
	tr -s ' \n' ',,' <"$scratch/out" | sed 's/,$//' >"$scratch/tokens"
	tokens=$(cat "$scratch/tokens")

	expect_refusal decode -o "$scratch/no-such-folder/out.wav" "$tokens"
	expect_match "$scratch/err" no-such-folder
	expect_refusal decode -o "$scratch/no.wav" 999999999
	expect_exit 2 decode -o "$scratch/no.wav" 1,two
	expect_refusal decode -o - 1,two
	# No codes are no recording, as no samples are none.
	for none in '' ' , ' -; do
		expect_refusal decode -o "$scratch/no.wav" "$none"
		expect_match "$scratch/err" 'no token ids'
	done
	expect_refusal decode -o - '' # not even a header
	expect_refusal decode -o - -
	expect_exit 2 decode -c "$scratch/no-such.ini" -o - ''

	# What was there before a failed run is still there, and whole.
	echo "an older recording" >"$scratch/old.wav"
	expect_refusal decode -o "$scratch/old.wav" 999999999
	expect_match "$scratch/old.wav" '^an older recording$'

	# A disk that is full after 4 kB.
	full() { (ulimit -f 8 && decode -o "$scratch/no.wav" "$tokens"); }
	expect_refusal full
	# A pipe that takes nothing.
	full() { decode -o - "$tokens" >/dev/full; }
	expect_refusal full
	full() { "$vita" plugins --json >/dev/full; }
	expect_refusal full

	# Ctrl-C in the middle.
	interrupt() {
		{ cat "$scratch/tokens" && sleep 3; } |
			timeout --preserve-status -s INT 1 "$vita" decode -s codec.plugin=codec2 -o "$scratch/no.wav" -
	}
	interrupt >"$scratch/out" 2>"$scratch/err" && fail "exit 0 after Ctrl-C"
	for left in "$scratch"/no.wav* "$scratch"/.vita-*; do
		[ ! -e "$left" ] || fail "left behind after Ctrl-C: $left"
	done
fi

# Nobody reads on: the work ends.
"$vita" generate -s llm.model="$tiny" --ids 1 --max-tokens 1000 2>"$scratch/err" | :
expect_match "$scratch/err" 'standard output: cannot be written: Broken pipe'
full() { "$vita" generate -s llm.model="$tiny" --ids 1 --max-tokens 1000 >/dev/full; }
expect_refusal full
expect_match "$scratch/err" 'No space left'

# What cannot be written is told before the work, not after it.
for place in "$scratch/no-such-folder/logits" "$scratch" ''; do
	generate "$tiny" --ids 1 --logits "$place"
done
# A file of tensors is not called - by accident.
mkdir "$scratch/dash"
for words in "generate -s llm.model=$tiny --ids 1 --logits -" "encode -s encoder.plugin=codec2 --features - $speech" \
	"convert $tiny -" "init tiny -" "bench --synthetic nano --save -"; do
	# shellcheck disable=SC2086 # words
	(cd "$scratch/dash" && exec "$vita" $words >"$scratch/out" 2>"$scratch/err" </dev/null)
	[ $? = 2 ] || fail "vita $words: no usage error"
	expect_match "$scratch/err" 'needs a name: only sound and drawings go to standard output'
	[ ! -e "$scratch/dash/-" ] || fail "a file called -, by vita $words"
done
generate "$scratch/nowhere" --ids 1 --logits "$scratch/logits"
[ ! -e "$scratch/logits" ] || fail "--logits left a file of nothing"

finish
