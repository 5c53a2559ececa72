# Files: models, safetensors, JSON, atomic writing.

libvita_libcore_la_SOURCES += \
	%D%/atomic_file.c \
	%D%/atomic_file.h
