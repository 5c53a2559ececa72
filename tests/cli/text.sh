#!/bin/sh
# vita tokenize and detokenize with nothing but a tokenizer.json.
. "$VITA_SRCDIR/tests/cli/common.sh"

model=llm.model=$VITA_SRCDIR/tests/golden/text-tokenizer

expect_exit 0 "$vita" tokenize -s "$model" --json "it's"
compact "$scratch/out" >"$scratch/ids"
expect_match "$scratch/ids" '"ids":\[275,594\]'
expect_exit 0 "$vita" detokenize -s "$model" --json 275,594
expect_match "$scratch/out" "it's"

# From standard input, any bytes; and there and back again through a pipe.
text='Größe: 12 µm, 你好 🙂 <|im_start|>'
printf %s "$text" | "$vita" tokenize -s "$model" - >"$scratch/ids" || fail "tokenize from standard input"
back=$("$vita" detokenize -s "$model" "$(tr -s ' \n' ',,' <"$scratch/ids" | sed 's/,$//')") || fail "detokenize"
[ "$back" = "$text" ] || fail "'$text' came back as '$back'"

expect_refusal "$vita" detokenize -s "$model" 275,99999999
expect_match "$scratch/err" 99999999
expect_refusal "$vita" detokenize -s "$model" 275,x
expect_refusal "$vita" tokenize -s llm.model="$scratch/nowhere" a
expect_match "$scratch/err" nowhere

finish
