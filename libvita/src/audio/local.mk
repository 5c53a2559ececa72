# Audio: recordings in and out, resampling.

libvita_libcore_la_SOURCES += \
	%D%/pipe.c %D%/pipe.h \
	%D%/reader.c \
	%D%/sinc.c %D%/sinc.h \
	%D%/writer.c
