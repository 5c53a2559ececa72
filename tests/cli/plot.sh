#!/bin/sh
# vita plot: logs of training as drawings.
. "$VITA_SRCDIR/tests/cli/common.sh"

log=$scratch/run/log.jsonl
mkdir "$scratch/run" "$scratch/other"
i=0
while [ $i -lt 200 ]; do
	echo "{\"step\": $i, \"loss\": $((400 - i)).5, \"main_ce\": 2, \"heads\": [3, 4], \"learning_rate\": 0.001, \"tokens_per_s\": 900}"
	i=$((i + 1))
done >"$log"
echo '{"step": 100, "evaluation": true, "loss": 7, "<&>_loss": 1}' >>"$log"
echo '{"step": 5, "losses": {"a": 1, "b": null}, "note": "x"}' >>"$log"
printf 'nonsense\n{"step": 20' >>"$log"

expect_exit 0 "$vita" plot --json "$log" -o "$scratch/loss.svg"
compact "$scratch/out" >"$scratch/document"
for field in '"name":"loss","points":200,"least":201.5,"last":201.5' '"name":"held-outloss","points":1,' \
	'"name":"heads2","points":200' '"name":"lossesa","points":1' '"lines":204' '"skipped":2'; do
	expect_match "$scratch/document" "$field"
done
expect_match "$scratch/loss.svg" '^<svg '
expect_match "$scratch/loss.svg" '</svg>'
expect_match "$scratch/loss.svg" '>learning rate<'
expect_match "$scratch/loss.svg" '&lt;&amp;&gt; loss'
if command -v python3 >/dev/null; then
	python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$scratch/loss.svg" || fail "no XML"
	! grep -q 'nan\|inf' "$scratch/loss.svg" || fail "a place that is no number"
fi

# Several logs in one drawing, called by their folders; a resumed run says steps again.
{ head -10 "$log"; sed -n 5,8p "$log"; } >"$scratch/other/log.jsonl"
expect_exit 0 "$vita" plot --json "$log" "$scratch/other/log.jsonl" -o "$scratch/both.svg"
compact "$scratch/out" >"$scratch/document"
expect_match "$scratch/document" '"name":"runloss","points":200'
expect_match "$scratch/document" '"name":"otherloss","points":8,'

# To standard output, where nothing else then goes.
expect_exit 0 sh -c "'$vita' plot -o - - <'$log'"
expect_match "$scratch/out" '^</svg>$'
[ ! -e - ] || fail "a file called -"
expect_exit 2 "$vita" plot --json -o - "$log"

# Numbers whose differences are none are passed over.
cp "$log" "$scratch/huge.jsonl"
printf '{"step":300,"loss":1e308}\n{"step":301,"loss":-1e308}\n{"step":1e308,"loss":1}\n' >>"$scratch/huge.jsonl"
expect_exit 0 "$vita" plot --json "$scratch/huge.jsonl" -o "$scratch/huge.svg"
expect_match "$scratch/out" '"lines": *206, *"skipped": *3'
! grep -q 'nan\|inf' "$scratch/huge.svg" || fail "a place that is no number, of huge ones"

# What cannot be drawn.
expect_exit 2 "$vita" plot "$log" -o "$log"
expect_match "$scratch/err" 'would replace a log'
grep -q '^{"step' "$log" || fail "a log was drawn over"
expect_exit 2 "$vita" plot "$log"
expect_exit 2 "$vita" plot -o "$scratch/none.svg"
echo '{"text": 1}' >"$scratch/no.jsonl"
expect_exit 1 "$vita" plot "$scratch/no.jsonl" -o "$scratch/none.svg"
expect_match "$scratch/err" 'no.jsonl: holds nothing to draw'
awk 'BEGIN { printf "{\"step\": 1"; for (i = 0; i < 600; i++) printf ", \"loss %d\": 1", i; print "}" }' >"$scratch/many.jsonl"
expect_exit 1 "$vita" plot "$scratch/many.jsonl" -o "$scratch/none.svg"
expect_match "$scratch/err" 'many.jsonl: more than 512 series are too many for one drawing'
expect_exit 1 "$vita" plot "$scratch/gone.jsonl" -o "$scratch/none.svg"
[ ! -e "$scratch/none.svg" ] || fail "a drawing of nothing"

finish
