#!/bin/sh
# vita train --check: losses, gradients and AdamW steps of the reference implementation, in every case.
. "$VITA_SRCDIR/tests/cli/common.sh"

golden=$VITA_SRCDIR/tests/golden/llm

check() { # file, stage, model, further arguments
	file=$1 stage=$2 model=$3
	shift 3
	expect_exit 0 "$vita" train -s llm.model="$golden/$model" -s train.stage="$stage" \
		--check "$golden/train/$file.safetensors" --json "$@"
	compact "$scratch/out" >"$scratch/check"
	expect_match "$scratch/check" '"ok":true'
	expect_match "$scratch/check" '"tensors":{"'
	compared=$((compared + 1))
}

compared=0
for backend in reference cpu; do
	grep -q . "$plugindir/backend-$backend.so" 2>/dev/null || continue
	set -- -s backend.name=$backend
	check single_all finetune tiny "$@"
	check single_mtp heads tiny "$@"
	check single_all_num_items finetune tiny "$@"
	expect_match "$scratch/check" '"num_items":29'
	# The reference lets labels cross from one sample into the next.
	set -- "$@" -s train.mask_boundaries=no
	check packed_all finetune tiny "$@"
	check packed_all finetune tiny "$@" -s train.detach=off
	check packed_mtp heads tiny "$@"
	check packed_mtp heads tiny "$@" -s train.detach=on
	check packed_all_labels_everywhere finetune tiny "$@"
	check packed_short_all finetune tiny "$@"
	check tied_packed_all finetune tiny-tied "$@"
	check adamw_all finetune tiny "$@"
	check adamw_mtp heads tiny "$@"
done
echo "$compared files compared"

# What differs is told, and exit 1: another rule at the samples' borders, a gradient that is cut off, another model.
set -- -s backend.name=reference -s llm.model="$golden/tiny"
expect_exit 1 "$vita" train "$@" -s train.stage=finetune --check "$golden/train/packed_all.safetensors" --json
compact "$scratch/out" >"$scratch/check"
expect_match "$scratch/check" '"ok":false'
expect_exit 1 "$vita" train "$@" -s train.stage=finetune -s train.detach=on \
	--check "$golden/train/single_all.safetensors"
expect_match "$scratch/out" 'largest relative error'
expect_exit 1 "$vita" train -s backend.name=reference -s llm.model="$golden/tiny-tied" -s train.stage=finetune \
	--check "$golden/train/single_all.safetensors"

# Files that cannot be compared with.
expect_refusal "$vita" train "$@" -s train.stage=finetune --check "$golden/tiny/model.safetensors"
expect_match "$scratch/err" 'input_ids'
expect_refusal "$vita" train "$@" -s train.stage=finetune --check "$scratch/none.safetensors"
expect_refusal "$vita" train "$@" --check "$golden/train/single_all.safetensors"
expect_match "$scratch/err" 'one-head'
expect_refusal "$vita" train "$@" -s train.stage=alignment --check "$golden/train/single_all.safetensors"
expect_match "$scratch/err" 'mtp_projs\|model.layers.3'

finish
