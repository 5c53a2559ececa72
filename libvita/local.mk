# libvita: everything is compiled into libcore, which libvita.so is made of and which unit tests link, so
# that they reach functions that the library hides.

vitainclude_HEADERS += \
	%D%/include/vita/attention.h \
	%D%/include/vita/audio.h \
	%D%/include/vita/backend.h \
	%D%/include/vita/blocks.h \
	%D%/include/vita/check.h \
	%D%/include/vita/codec.h \
	%D%/include/vita/config.h \
	%D%/include/vita/context.h \
	%D%/include/vita/convert.h \
	%D%/include/vita/encoder.h \
	%D%/include/vita/engine.h \
	%D%/include/vita/file.h \
	%D%/include/vita/greedy.h \
	%D%/include/vita/head.h \
	%D%/include/vita/host.h \
	%D%/include/vita/llm.h \
	%D%/include/vita/model.h \
	%D%/include/vita/module.h \
	%D%/include/vita/ops.h \
	%D%/include/vita/record.h \
	%D%/include/vita/roof.h \
	%D%/include/vita/room.h \
	%D%/include/vita/tokenizer.h \
	%D%/include/vita/train.h \
	%D%/include/vita/train_ops.h \
	%D%/include/vita/trainable.h \
	%D%/include/vita/types.h \
	%D%/include/vita/vita.h

noinst_LTLIBRARIES += %D%/libcore.la
# The folders below add their sources (headers too): %C%_libcore_la_SOURCES.
%C%_libcore_la_SOURCES =
%C%_libcore_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/%D%/src -DVITA_PLUGINDIR='"$(moduledir)"'
%C%_libcore_la_CFLAGS = $(AM_CFLAGS) $(SNDFILE_CFLAGS) $(SAMPLERATE_CFLAGS) $(INIH_CFLAGS) $(JANSSON_CFLAGS) $(YAML_CFLAGS) \
	$(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS) -pthread
%C%_libcore_la_LIBADD = $(SNDFILE_LIBS) $(SAMPLERATE_LIBS) $(INIH_LIBS) $(JANSSON_LIBS) $(YAML_LIBS) $(PCRE2_LIBS) \
	$(UTF8PROC_LIBS) -lpthread

lib_LTLIBRARIES += %D%/libvita.la
%C%_libvita_la_SOURCES =
%C%_libvita_la_LIBADD = %D%/libcore.la
%C%_libvita_la_LDFLAGS = -version-info $(VITA_SO_VERSION) -no-undefined
if HAVE_VERSION_SCRIPT
%C%_libvita_la_LDFLAGS += -Wl,--version-script=$(top_srcdir)/%D%/libvita.map
endif
EXTRA_%C%_libvita_la_DEPENDENCIES = %D%/libvita.map
EXTRA_DIST += %D%/libvita.map

include %D%/src/text/local.mk
include %D%/src/files/local.mk
include %D%/src/convert/local.mk
include %D%/src/audio/local.mk
include %D%/src/host/local.mk
include %D%/src/engine/local.mk
include %D%/src/train/local.mk
