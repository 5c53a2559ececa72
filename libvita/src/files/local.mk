# Files: models, safetensors, JSON, atomic writing.

libvita_libcore_la_SOURCES +=
# libvita_libcore_la_SOURCES += \
#	%D%/name.c \
#	%D%/name.h
