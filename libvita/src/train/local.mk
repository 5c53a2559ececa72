# Training: data, gradients, optimizer, the loop.

libvita_libcore_la_SOURCES += \
	%D%/batch.h \
	%D%/check.c \
	%D%/checkpoint.c \
	%D%/data.c \
	%D%/data.h \
	%D%/data_codes.c \
	%D%/data_encoder_key.c \
	%D%/data_files.c \
	%D%/data_interleave.c \
	%D%/data_internal.h \
	%D%/data_sample.c \
	%D%/group.c \
	%D%/loop.c \
	%D%/model_save.c \
	%D%/optimizer.c \
	%D%/parameters.c \
	%D%/pass.c \
	%D%/random.h \
	%D%/report.c \
	%D%/report.h \
	%D%/run.h \
	%D%/run_settings.c \
	%D%/trainer.c \
	%D%/trainer.h
libvita_libcore_la_LIBADD += -lm
