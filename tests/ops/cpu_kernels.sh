#!/bin/sh
# Every op of the cpu backend against the reference backend over random cases, with each set of kernels that
# this machine runs, and with large products through oneDNN and not. (compare_ops alone looks at what the backend
# chooses by itself.)
for kernels in plain avx2 avx512 avx512_bf16 avx512_fp16 avx512_amx; do
	VITA_CPU_KERNELS=$kernels ./tests/ops/compare_ops -n 60 -s 1000 cpu reference || exit 1
done
for onednn in yes no; do
	VITA_CPU_KERNELS=avx2 VITA_CPU_ONEDNN=$onednn ./tests/ops/compare_ops -n 60 -s 2000 cpu reference || exit 1
done
