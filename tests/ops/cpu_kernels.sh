#!/bin/sh
# Every op of the cpu backend against the reference backend over random cases, with each set of kernels that
# this machine runs, and with oneDNN left out. (compare_ops alone looks at what the backend chooses by itself.)
for kernels in plain avx2 avx512 avx512_bf16; do
	VITA_CPU_KERNELS=$kernels ./tests/ops/compare_ops -n 60 -s 1000 cpu reference || exit 1
done
VITA_CPU_ONEDNN=0 ./tests/ops/compare_ops -n 60 -s 2000 cpu reference
