#!/bin/sh
# The speech decoder's command: samples of the reference implementation from each backend and each form of its files, the
# same length in chunks, and refusals.
. "$VITA_SRCDIR/tests/cli/common.sh"

[ -e "$plugindir/codec-flow-hift.so" ] || { echo "SKIP: built without the speech decoder"; exit 77; }
golden=$VITA_SRCDIR/tests/golden/decoder
decoder="-s codec.plugin=flow-hift -s codec.noise=$golden/noise.safetensors"
ids=$(sed 's/.*"tokens": *\[\([^]]*\)\].*/\1/' "$golden/golden.json" | tr -d ' \n')

# shellcheck disable=SC2086 # lists of arguments
decode() { # recording, further arguments
	to=$1
	shift
	expect_exit 0 "$vita" decode $decoder -s codec.model="$golden" -o "$to" "$@" "$ids"
}

for backend in reference cpu opencl auto; do
	case $backend in
	opencl) "$vita" plugins --json | tr -d ' \n' | grep -q '"name":"opencl"[^}]*"available":true' || continue ;;
	auto) ;;
	*) [ -e "$plugindir/backend-$backend.so" ] || continue ;;
	esac
	decode "$scratch/$backend.wav" -s backend.name=$backend --json
	compact "$scratch/out" >"$scratch/document"
	expect_match "$scratch/document" '"samples":44032'
	expect_match "$scratch/document" '"rate":22050'
	# The phase of the source carries the rounding of f0 along; the reference's own differs as much between machines.
	expect_near "$backend" "$scratch/$backend.wav" "$golden/full.wav" 128
done

# From safetensors files that vita convert made.
mkdir "$scratch/converted"
cp "$golden/config.yaml" "$scratch/converted/"
for part in flow hift; do expect_exit 0 "$vita" convert "$golden/$part.pt" "$scratch/converted/$part.safetensors"; done
# shellcheck disable=SC2086
expect_exit 0 "$vita" decode $decoder -s codec.model="$scratch/converted" -o "$scratch/converted.wav" "$ids"
expect_near "converted weights" "$scratch/converted.wav" "$scratch/auto.wav" 1

# What the directory holds is what its two files hold.
mkdir "$scratch/published"
cp "$golden/config.yaml" "$golden/flow.pt" "$golden/hift.pt" "$scratch/published/"
expect_exit 0 "$vita" info --json "$scratch/published"
compact "$scratch/out" >"$scratch/document"
wanted=0
for part in flow hift; do
	expect_exit 0 "$vita" info --json "$golden/$part.pt"
	wanted=$((wanted + $(compact "$scratch/out" | sed 's/.*"parameters":\([0-9]*\).*/\1/')))
done
[ "$wanted" -gt 0 ] || fail "vita info counts no parameters in flow.pt and hift.pt"
expect_match "$scratch/document" "\"parameters\":$wanted,"
expect_match "$scratch/document" '"name":"conv_post.bias"'

# Its config.yaml says which plugin it is for.
expect_exit 0 "$vita" decode -s codec.noise="$golden/noise.safetensors" -s codec.model="$golden" -o "$scratch/found.wav" "$ids"
expect_near "the plugin that was found" "$scratch/found.wav" "$scratch/auto.wav" 0

# In chunks, from arguments and from a pipe: all of the speech, the same either way but for samples that round the other
# way: a pipe ends later than its last chunk, so the vocoder's windows lie elsewhere.
for chunk in 5 8,16 0; do
	decode "$scratch/chunks.wav" -s codec.chunk=$chunk -s codec.steps=2
	[ "$(samples "$scratch/chunks.wav" | wc -l)" = 44032 ] || fail "chunks of $chunk: another number of samples"
	# shellcheck disable=SC2086
	echo "$ids" | "$vita" decode $decoder -s codec.model="$golden" -s codec.chunk=$chunk -s codec.steps=2 \
		-o "$scratch/piped.wav" - || fail "decoding from a pipe failed"
	[ $chunk = 0 ] || expect_near "chunks of $chunk from a pipe" "$scratch/chunks.wav" "$scratch/piped.wav" 1
done

refuse() { # status, what the sentence says, arguments
	status=$1 says=$2
	shift 2
	expect_exit "$status" "$vita" decode -s codec.plugin=flow-hift -o "$scratch/no.wav" "$@" 1,2,3
	expect_match "$scratch/err" "$says"
	[ ! -e "$scratch/no.wav" ] || fail "a recording was left behind"
}
refuse 2 'model is missing'
refuse 1 'flow.safetensors nor flow.pt\|config.yaml' -s codec.model="$scratch"
refuse 1 'token 999 is outside 0 ... 127' -s codec.model="$golden" 999
refuse 1 'no such model' -s codec.model="$golden" -s codec.noise="$scratch/none.safetensors"
refuse 2 'no seed' -s codec.model="$golden" -s codec.noise=99999999999999999999
refuse 2 'steps' -s codec.model="$golden" -s codec.steps=0
mkdir "$scratch/damaged"
cp "$golden/flow.pt" "$golden/hift.pt" "$scratch/damaged/"
refuse 1 'config.yaml' -s codec.model="$scratch/damaged"
sed 's/euler/heun/' "$golden/config.yaml" >"$scratch/damaged/config.yaml"
refuse 1 'solver = heun is not known' -s codec.model="$scratch/damaged"
sed 's/attention_heads: 4/attention_heads: 5/' "$golden/config.yaml" >"$scratch/damaged/config.yaml"
refuse 1 'attention_heads\|heads' -s codec.model="$scratch/damaged"
printf 'a: *b\n' >"$scratch/damaged/config.yaml"
refuse 1 'config.yaml:1: aliases' -s codec.model="$scratch/damaged"
refuse 1 'config.yaml:1: aliases' -s codec.plugin= -s codec.model="$scratch/damaged"
expect_exit 1 "$vita" info "$scratch/damaged"
expect_match "$scratch/out" 'config.yaml:1: aliases'
cp "$golden/config.yaml" "$scratch/damaged/"
head -c 100000 "$golden/hift.pt" >"$scratch/damaged/hift.pt"
refuse 1 'hift.pt: .*truncated' -s codec.model="$scratch/damaged"

finish
