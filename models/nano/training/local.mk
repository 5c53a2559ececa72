# How the shipped language model was trained: configurations and logs; not installed.

EXTRA_DIST += \
	%D%/1a.ini \
	%D%/1a.jsonl \
	%D%/1b.ini \
	%D%/1b.jsonl \
	%D%/1c.ini \
	%D%/1c.jsonl \
	%D%/1d.ini \
	%D%/1d.jsonl \
	%D%/1e.ini \
	%D%/1e.jsonl \
	%D%/1f.ini \
	%D%/1f.jsonl \
	%D%/1g.ini \
	%D%/1g.jsonl \
	%D%/1h.ini \
	%D%/1h.jsonl \
	%D%/1i.ini \
	%D%/1i.jsonl \
	%D%/1j.ini \
	%D%/1j.jsonl \
	%D%/2.ini \
	%D%/2.jsonl \
	%D%/3.ini \
	%D%/3.jsonl \
	%D%/3b.ini \
	%D%/3b.jsonl \
	%D%/3c.ini \
	%D%/3c.jsonl \
	%D%/3d.ini \
	%D%/3d.jsonl \
	%D%/4.ini \
	%D%/4.jsonl \
	%D%/4b.ini \
	%D%/4b.jsonl \
	%D%/4c.ini \
	%D%/4c.jsonl \
	%D%/README.md \
	%D%/graft.py \
	%D%/loss.svg \
	%D%/split.py
