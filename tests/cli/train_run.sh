#!/bin/sh
# vita train: runs that learn, repeat themselves, end early and go on, and what stops them.
. "$VITA_SRCDIR/tests/cli/common.sh"

cd "$scratch" || exit 99
expect_exit 0 "$vita" init tiny start
i=0
while [ $i -lt 40 ]; do
	i=$((i + 1))
	printf '{"messages": [{"role": "user", "content": "what is %d"}, {"role": "assistant", "content": "<|begin_of_audio|><|audio_%d|><|audio_%d|><|end_of_audio|> it is %d"}]}\n' \
		$i $i $((i + 1)) $((i + 1))
done >data.jsonl
head -5 data.jsonl >held.jsonl
cat >common.ini <<'INI'
[train]
init = start
data = data.jsonl
max_length = 256
learning_rate = 3e-3
warmup = 2
[backend]
name = auto
INI

train() { # output, stage, steps, further arguments
	output=$1 stage=$2 steps=$3
	shift 3
	"$vita" train -c common.ini -s train.output="$output" -s train.stage="$stage" -s train.steps="$steps" --json "$@"
}
# The same in the background: the process itself is what is then killed.
start() {
	output=$1 stage=$2 steps=$3
	shift 3
	exec "$vita" train -c common.ini -s train.output="$output" -s train.stage="$stage" -s train.steps="$steps" --json "$@"
}
losses() { sed 's/,"tokens_per_second":[^,]*//; s/,"seconds":[^}]*//' "$1/log.jsonl"; }
same_weights() { cmp -s "$1/model.safetensors" "$2/model.safetensors" || fail "$1 and $2 have other weights"; }

# ---- learning, and the same again ----------------------------------------------------------------
expect_exit 0 train whole alignment 12 -s train.save_every=4 -s train.eval=held.jsonl -s train.eval_every=6
for field in step loss main_ce learning_rate grad_norm tokens tokens_per_second seconds eval_loss; do
	expect_match "$scratch/out" "\"$field\":"
done
cp out whole.out
first=$(sed -n 's/^{"step":1,"loss":\([0-9]*\)\..*/\1/p' whole.out)
last=$(sed -n 's/^{"step":12,"loss":\([0-9]*\)\..*/\1/p' whole.out)
[ -n "$first" ] && [ "$last" -lt "$first" ] || fail "the loss went from $first to $last"
[ ! -e whole/checkpoint-4 ] && [ -e whole/checkpoint-8 ] && [ -e whole/checkpoint-12 ] ||
	fail "checkpoints: $(ls whole)"
expect_exit 0 "$vita" generate -s llm.model=whole --ids 300,301 --max-tokens 3
expect_exit 0 train again alignment 12 -s train.save_every=4 -s train.eval=held.jsonl -s train.eval_every=6
losses whole >whole.losses
losses again >again.losses
cmp -s whole.losses again.losses || fail "the same seed gave other losses"
same_weights whole again

# ---- stopped and gone on with --------------------------------------------------------------------
# A run that is killed ends with the weights of one that was not.
start killed alignment 12 -s train.save_every=4 -s train.eval=held.jsonl -s train.eval_every=6 >/dev/null 2>&1 &
while [ ! -e killed/checkpoint-4 ] && kill -0 $! 2>/dev/null; do sleep 0.02; done
kill -9 $! 2>/dev/null
wait $! 2>/dev/null
expect_exit 1 train killed alignment 12
expect_match err 'holds a run already'
expect_exit 0 train killed alignment 12 -s train.save_every=4 -s train.eval=held.jsonl -s train.eval_every=6 \
	-s train.resume=yes
expect_match err 'going on after step'
same_weights whole killed
losses killed >killed.losses
cmp -s whole.losses killed.losses || fail "the log of a killed run differs"
# A checkpoint of a step that there is takes the place of the earlier one.
touch killed/checkpoint-12/earlier
expect_exit 0 train killed alignment 12 -s train.resume=killed/checkpoint-8
[ -e killed/checkpoint-12/trainer_state.json ] && [ ! -e killed/checkpoint-12/earlier ] && [ ! -e killed/.checkpoint.partial ] ||
	fail "a second checkpoint of step 12: $(ls -A killed killed/checkpoint-12)"
same_weights whole killed
# So does one that is gone on with from elsewhere, and one that is stopped by the user, who gets a checkpoint.
expect_exit 0 train moved alignment 12 -s train.resume=whole/checkpoint-8
same_weights whole moved
expect_exit 2 train other alignment 12 -s train.resume=whole/checkpoint-8 -s train.dtype=bf16
expect_match err 'trained with .* dtype = f32, and cannot go on with bf16'
expect_exit 0 train rounded alignment 2 -s train.dtype=bf16
expect_exit 2 train other alignment 4 -s train.resume=rounded
expect_match err 'trained with .* dtype = bf16, and cannot go on with f32'
start stopped alignment 1000 >stopped.out 2>stopped.err &
while ! grep -q '"step":3,' stopped.out && kill -0 $! 2>/dev/null; do sleep 0.02; done
kill -TERM $!
wait $!
[ $? -gt 128 ] || fail "a stopped run says that it is done"
expect_match stopped.err 'goes on with'
ls stopped | grep -q '^checkpoint-' || fail "no checkpoint after a signal"

# ---- the four stages, one after the other --------------------------------------------------------
expect_exit 0 train one one-head 3 -s train.init=whole
expect_match out '"mtp_ce":\['
expect_exit 0 train many heads 3 -s train.init=one -s heads.count=3
expect_exit 0 train fine finetune 3 -s train.init=many -s train.accumulate=2
compact fine/config.json >config
expect_match config '"num_nextn_predict_layers":3'
expect_match config '"num_hidden_layers":5'
grep -q untrained fine/config.json && fail "a trained model is called untrained"
expect_exit 0 "$vita" generate -s llm.model=fine -s heads.schedule=1,3 --ids 300,301 --max-tokens 8

# ---- several processes ---------------------------------------------------------------------------
# Two of them do what one does with twice the sequences a step; only rounding differs.
if command -v mpirun >/dev/null && ldd "$vita" 2>/dev/null | grep -q libmpi; then
	numbers() { sed -n 's/.*"loss":\([0-9.]*\),.*/\1/p' "$1/log.jsonl" | sed 's/\(\.[0-9][0-9][0-9]\)[0-9]*/\1/'; }
	expect_exit 0 train alone alignment 6 -s train.accumulate=4
	expect_exit 0 mpirun --allow-run-as-root --oversubscribe -np 2 "$vita" train -c common.ini -s train.output=both \
		-s train.stage=alignment -s train.steps=6 -s train.accumulate=2 -s backend.threads=1
	numbers alone >alone.losses
	numbers both >both.losses
	[ "$(wc -l <both.losses)" = 6 ] && cmp -s alone.losses both.losses ||
		fail "two processes: $(tr '\n' ' ' <both.losses) one: $(tr '\n' ' ' <alone.losses)"
	# Told to stop, none of them ends before the first has saved.
	cat >member.sh <<-'END'
		echo $$ >"pid.$OMPI_COMM_WORLD_RANK"
		exec "$@"
	END
	mpirun --allow-run-as-root --oversubscribe -np 2 sh member.sh "$vita" train -c common.ini -s train.output=ended \
		-s train.stage=alignment -s train.steps=100000 -s backend.threads=1 >ended.out 2>ended.err &
	while ! grep -q '^step 3 ' ended.out && kill -0 $! 2>/dev/null; do sleep 0.02; done
	kill -INT "$(cat pid.0)" "$(cat pid.1)"
	wait $!
	expect_match ended.err 'goes on with ended/checkpoint-'
	ls ended | grep -q '^checkpoint-' || fail "no checkpoint of two processes"
	[ ! -e ended/.checkpoint.partial ] || fail "the checkpoint of two processes is unfinished"
	# Members that do not see the same checkpoints would train different weights.
	cat >apart.sh <<-'END'
		mkdir -p "machine$OMPI_COMM_WORLD_RANK" && cd "machine$OMPI_COMM_WORLD_RANK" || exit 99
		exec "$@" -c ../common.ini -s train.output="$PWD/run"
	END
	apart() {
		timeout 60 mpirun --allow-run-as-root --oversubscribe -np 2 sh apart.sh "$vita" train \
			-s train.stage=alignment -s backend.threads=1 "$@"
	}
	expect_exit 0 apart -s train.steps=2
	expect_exit 1 apart -s train.steps=4 -s train.resume=yes
	expect_match err 'process 2 of 2 would go on after step 0'
fi

# ---- what stops a run ----------------------------------------------------------------------------
# Weights that are no numbers, from the start and in a checkpoint.
spoil() { printf '\377\377\377\177\377\377\377\177' | dd of="$1" bs=1 seek=20000 conv=notrunc 2>/dev/null; }
cp -R start spoilt && spoil spoilt/model.safetensors
expect_exit 1 train blown alignment 4 -s train.init=spoilt
expect_match err 'step 1: the .* is not finite; there is no checkpoint yet'
cp -R whole/checkpoint-8 spoilt-8 && spoil spoilt-8/model.safetensors
expect_exit 1 train blown alignment 12 -s train.resume=spoilt-8
expect_match err 'step 9: the .* is not finite with the weights of spoilt-8, and this run has no good checkpoint'
# Weights that a step spoilt are no good checkpoint, although they were saved.
blow() { train "$1" finetune 6 -s heads.count=2 -s train.head_lr_multiplier=1e20 -s train.save_every="$2"; }
expect_exit 1 blow each 1
expect_match err 'step 4: the loss is not finite; the last good checkpoint is each/checkpoint-2, for the weights of each/checkpoint-3 give this'
expect_exit 1 blow second 2
expect_match err 'step 4: the loss is not finite; the last good checkpoint is second/checkpoint-2;'
expect_refusal train none alignment 3 -s train.data=missing.jsonl
expect_refusal train none alignment 3 -s train.resume=nowhere
expect_refusal train none alignment 3 -s train.eval=missing.jsonl
expect_match err 'missing.jsonl'
expect_refusal train whole alignment 3 -s train.resume=
expect_match err 'holds a run already'
expect_exit 2 train '' alignment 3
expect_exit 2 train none heads 3 -s heads.count=0
expect_match err 'count.*: is 0, and stage heads trains nothing else'
printf '{"messages": [{"role": "user"\n' >broken.jsonl
cat data.jsonl >>broken.jsonl
expect_exit 0 train broken alignment 12 -s train.data=broken.jsonl
expect_match err 'broken.jsonl:1'
expect_exit 1 train strict alignment 20 -s train.data=broken.jsonl -s train.strict=yes
(cat data.jsonl && yes '{' | head -103) >many.jsonl
expect_exit 0 train most alignment 12 -s train.data=held.jsonl -s train.eval=many.jsonl
[ "$(grep -c 'skipped many.jsonl' err)" = 100 ] || fail "named: $(grep -c 'skipped many' err) lines"
expect_match err 'skipped 3 more'
# Held-out lines are named too, and what no evaluation can use stops a run at its beginning.
expect_exit 0 train heard alignment 2 -s train.eval=broken.jsonl
expect_match err '1 held-out lines could not be used: 1 broken'
expect_match err 'skipped broken.jsonl:1'
head -1 broken.jsonl >hopeless.jsonl
expect_exit 1 train unheard alignment 2 -s train.eval=hopeless.jsonl
expect_match err 'hopeless.jsonl:1'
(cat data.jsonl && head -1 broken.jsonl) >late.jsonl
expect_exit 1 train unheard alignment 2 -s train.eval=late.jsonl -s train.strict=yes
expect_match err 'late.jsonl:41'
[ ! -s unheard/log.jsonl ] || fail "a run began whose held-out lines cannot be used"
# A full disk leaves the checkpoint before it: no file may be longer than the model's half.
size=$(wc -c <whole/model.safetensors)
(
	ulimit -f $((size / 1024)) 2>/dev/null || exit 0
	train whole alignment 14 -s train.resume=yes >full.out 2>full.err && exit 1
	grep -q 'checkpoint-12' full.err
) || fail "a full disk: $(cat full.err)"
[ -e whole/checkpoint-12/config.json ] && [ ! -e whole/checkpoint-14 ] && [ ! -e whole/.checkpoint.partial ] ||
	fail "after a full disk: $(ls -A whole)"
# So does one that is full before the log has been copied, of which nothing stays.
cp -R whole crowded
i=0
while [ $i -lt 100 ]; do
	i=$((i + 1))
	cat whole/log.jsonl
done >crowded/log.jsonl
(
	ulimit -f 8 2>/dev/null || exit 0
	train crowded alignment 14 -s train.resume=yes >full.out 2>full.err && exit 1
	grep -q 'log.jsonl' full.err
) || fail "a full disk at the beginning: $(cat full.err)"
set -- crowded/.vita-*
[ ! -e "$1" ] || fail "left behind: $1"

finish
