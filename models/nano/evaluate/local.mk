# How well the small model does: not installed.

EXTRA_DIST += \
	%D%/evaluate.py \
	%D%/figures.py \
	%D%/judge.py
