#!/bin/sh
# vita probe on a model of random weights: its table, its JSON and its drawing.
. "$VITA_SRCDIR/tests/cli/common.sh"

cat >"$scratch/tiny.ini" <<'EOF'
[llm]
model = model
[heads]
plugin = mctp
schedule = boost
[generation]
max_tokens = 80
temperature = 1
seed = 3
EOF
expect_exit 0 "$vita" init tiny "$scratch/model" -q

expect_exit 0 "$vita" probe -q -c "$scratch/tiny.ini" --speak "one two" -o "$scratch/map.svg"
expect_match "$scratch/out" 'audio tokens, [1-9][0-9]* text tokens'
expect_match "$scratch/out" '^all of the text  *100.0 %'
expect_match "$scratch/map.svg" '^</svg>$'
expect_match "$scratch/map.svg" 'fill-opacity'
expect_exit 0 "$vita" probe -q -c "$scratch/tiny.ini" --speak "one two" -o -
cmp "$scratch/out" "$scratch/map.svg" || fail "-o - draws something else"
if command -v xmllint >/dev/null; then
	expect_exit 0 xmllint --noout "$scratch/map.svg"
fi

expect_exit 0 "$vita" probe -q --json -c "$scratch/tiny.ini" --speak "one two" --layer 1
compact "$scratch/out" >"$scratch/document"
for field in '"text":\["' '"audio":\[{"code":[0-9]' '"attention":\[\[[0-9]' '"own_share":[0-9]' \
	'"views":{"all":{"same":1.0,"nats":[0-9]' '"none":{"same":[0-9]'; do
	expect_match "$scratch/document" "$field"
done

# What cannot be.
expect_exit 2 "$vita" probe -c "$scratch/tiny.ini"
expect_match "$scratch/err" 'either a recording'
expect_exit 2 "$vita" probe -c "$scratch/tiny.ini" --speak x --layer 2
expect_match "$scratch/err" 'layers 0 to 1'
expect_exit 1 "$vita" probe -q -c "$scratch/tiny.ini" --speak x --max-tokens 1
expect_match "$scratch/err" 'both are needed'
expect_exit 1 "$vita" probe -q -c "$scratch/tiny.ini" --speak "one two" -o "$scratch/no/map.svg"
[ ! -e "$scratch/no" ] || fail "a folder was made"

finish
