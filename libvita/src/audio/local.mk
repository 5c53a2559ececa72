# Audio: recordings in and out, resampling.

libvita_libcore_la_SOURCES += \
	%D%/reader.c \
	%D%/sinc.c %D%/sinc.h \
	%D%/writer.c
