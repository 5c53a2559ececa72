# Codec mel-vq: codewords to the speech of one voice.

if HAVE_KISSFFT
# Its stages, for the tests as well.
noinst_LTLIBRARIES += %D%/libstages.la
%C%_libstages_la_SOURCES = \
	%D%/griffin_lim.c %D%/griffin_lim.h \
	%D%/mel_inverse.c \
	%D%/mel_vq.h \
	%D%/network.c
%C%_libstages_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/common

module_LTLIBRARIES += %D%/codec-mel-vq.la
%C%_codec_mel_vq_la_SOURCES = %D%/mel_vq.c %D%/mel_vq.h %D%/stream.c
%C%_codec_mel_vq_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/common
%C%_codec_mel_vq_la_LDFLAGS = $(module_ldflags)
%C%_codec_mel_vq_la_LIBADD = %D%/libstages.la plugins/common/libmelvq.la plugins/common/libsignal.la -lm
endif
