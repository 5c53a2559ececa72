#!/bin/sh
# vita generate on the golden models: the reference implementation's tokens, in every mode.
. "$VITA_SRCDIR/tests/cli/common.sh"

golden=$VITA_SRCDIR/tests/golden/llm

# The list of numbers that follows this pattern in the golden file just read.
list_after() { sed -n "s/.*$1\\[\\([^]]*\\)\\].*/\\1/p" "$scratch/golden"; }

generate() { # expected ids, model, prompt, further arguments
	wanted=$1 model=$2 prompt=$3
	shift 3
	expect_exit 0 "$vita" generate -s llm.model="$model" -s generation.temperature=0 --ids "$prompt" --json "$@"
	compact "$scratch/out" | tr -d '\r' >"$scratch/ids"
	ids=$(sed -n 's/.*"ids":\[\([^]]*\)\].*/\1/p' "$scratch/ids")
	[ "$ids" = "$wanted" ] || fail "${model##*/} $*: $ids instead of $wanted"
	compared=$((compared + 1))
}

compared=0
for model in "$golden"/tiny*; do
	compact "$model/golden.json" >"$scratch/golden"
	prompt=$(sed -n 's/^{"prompt":\[\([^]]*\)\].*/\1/p' "$scratch/golden")
	vanilla=$(list_after '"key":"m8192_0","tokens":')
	for mode in 8192,0 1,3 1,2 1,3,2,3 1,1,2,2,1,3; do
		expected=$(list_after "\"key\":\"m$(echo $mode | tr , _)\",\"tokens\":")
		[ -n "$expected" ] || fail "${model##*/}/golden.json has no mode $mode"
		generate "$expected" "$model" "$prompt" -s heads.schedule=$mode --max-tokens 48
		generate "$vanilla" "$model" "$prompt" -s heads.schedule=$mode -s heads.verify=exact --max-tokens 48
	done
	# More heads asked for than there are: the surplus steps are main passes.
	over=$(list_after '"over":{"mode":\[1,5\],"tokens":')
	generate "$over" "$model" "$prompt" -s heads.schedule=1,5 --max-tokens 24
	# Another end token: the run stops there and keeps it.
	cp -R "$model" "$scratch/model"
	chmod -R u+w "$scratch/model"
	eos=$(sed -n 's/.*"eos":{"mode":\[1,3\],"eos_token_id":\([0-9]*\),.*/\1/p' "$scratch/golden")
	printf '{"eos_token_id": %d}\n' "$eos" >"$scratch/model/generation_config.json"
	generate "$(list_after '"eos_token_id":[0-9]*,"tokens":')" "$scratch/model" "$prompt" \
		-s heads.schedule=1,3 --max-tokens 48
	rm -rf "$scratch/model"
done
echo "$compared runs compared"

finish
