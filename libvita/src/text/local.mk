
libvita_libcore_la_SOURCES += \
	%D%/added.c \
	%D%/added.h \
	%D%/bpe.c \
	%D%/bpe.h \
	%D%/buffer.h \
	%D%/normalize.c \
	%D%/normalize.h \
	%D%/pattern.c \
	%D%/pattern.h \
	%D%/split.c \
	%D%/split.h \
	%D%/utf8.c \
	%D%/utf8.h \
	%D%/vocab.c \
	%D%/vocab.h
