# Training: data, gradients, optimizer, the loop.

libvita_libcore_la_SOURCES += \
	%D%/batch.h \
	%D%/data.c \
	%D%/data.h \
	%D%/data_codes.c \
	%D%/data_files.c \
	%D%/data_interleave.c \
	%D%/data_internal.h \
	%D%/data_sample.c
