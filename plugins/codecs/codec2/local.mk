# Codec codec2: audio tokens back to speech.

if HAVE_CODEC2
module_LTLIBRARIES += %D%/codec-codec2.la
%C%_codec_codec2_la_SOURCES = %D%/codec2.c plugins/common/codec2_layout.c plugins/common/codec2_layout.h
%C%_codec_codec2_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/common
%C%_codec_codec2_la_CFLAGS = $(AM_CFLAGS) $(CODEC2_CFLAGS)
%C%_codec_codec2_la_LDFLAGS = $(module_ldflags)
%C%_codec_codec2_la_LIBADD = $(CODEC2_LIBS) -lm
endif
