# Converting: models in other formats and types.

libvita_libcore_la_SOURCES += \
	%D%/convert.c \
	%D%/directory.c \
	%D%/directory.h \
	%D%/gguf.c \
	%D%/gguf.h \
	%D%/gguf_tokenizer.c \
	%D%/plan.c \
	%D%/plan.h \
	%D%/tensors.c \
	%D%/tensors.h
