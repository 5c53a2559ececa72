# Audio: recordings in and out, resampling.

libvita_libcore_la_SOURCES +=
# libvita_libcore_la_SOURCES += \
#	%D%/name.c \
#	%D%/name.h
