# Encoder codec2: speech to Codec2 parameters as audio tokens.

if HAVE_CODEC2
module_LTLIBRARIES += %D%/encoder-codec2.la
%C%_encoder_codec2_la_SOURCES = %D%/codec2.c plugins/common/codec2_layout.c plugins/common/codec2_layout.h
%C%_encoder_codec2_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/common
%C%_encoder_codec2_la_CFLAGS = $(AM_CFLAGS) $(CODEC2_CFLAGS)
%C%_encoder_codec2_la_LDFLAGS = $(module_ldflags)
%C%_encoder_codec2_la_LIBADD = $(CODEC2_LIBS) -lm
endif
