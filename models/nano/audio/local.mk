# What the small model's audio ends were trained with: not installed.

EXTRA_DIST += \
	%D%/README.md \
	%D%/augment.py \
	%D%/features.py \
	%D%/golden.py \
	%D%/jobs.py \
	%D%/model.py \
	%D%/speech.py \
	%D%/train.py
