# Host: module loader, INI configuration, services for modules, fallback device.

libvita_libcore_la_SOURCES +=
# libvita_libcore_la_SOURCES += \
#	%D%/name.c \
#	%D%/name.h
