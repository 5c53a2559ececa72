# Files: models, safetensors, JSON, atomic writing.

libvita_libcore_la_SOURCES += \
	%D%/atomic_file.c \
	%D%/atomic_file.h \
	%D%/json.c \
	%D%/json.h \
	%D%/map.c \
	%D%/map.h
