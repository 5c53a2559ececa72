# Ready configurations; installed into $(datadir)/vita, with the small model's files where they look for them.

nobase_dist_vitadata_DATA += \
	%D%/nano.ini \
	%D%/train-alignment.ini \
	%D%/train-finetune.ini \
	%D%/train-heads.ini \
	%D%/train-one-head.ini \
	%D%/vita-audio-balance.ini \
	%D%/vita-audio-boost.ini \
	%D%/vita-audio-plus-boost.ini \
	%D%/vita-audio-plus-vanilla.ini \
	models/nano/README.md \
	models/nano/config.json \
	models/nano/generation_config.json \
	models/nano/model.safetensors \
	models/nano/tokenizer.json \
	models/nano/mel-vq/config.json \
	models/nano/mel-vq/model.safetensors \
	models/nano/question.wav \
	models/nano/questions/calendar.wav \
	models/nano/questions/capital.wav \
	models/nano/questions/difference.wav

EXTRA_DIST += \
	tests/data/README.md \
	tests/data/reading.wav \
	tests/data/small.pt \
	tests/data/wrapped.pt
