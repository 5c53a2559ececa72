# Code that several of our plugins share, linked statically into each.

noinst_LTLIBRARIES += %D%/libcommon.la
%C%_libcommon_la_SOURCES = \
	%D%/decoder_config.c %D%/decoder_config.h \
	%D%/decoder_layer.c %D%/decoder_layer.h \
	%D%/decoder_weights.c %D%/decoder_weights.h \
	%D%/plugin_memory.c %D%/plugin_memory.h
%C%_libcommon_la_CFLAGS = $(AM_CFLAGS) -pthread
