# Encoder mel-vq: speech to the codewords of a small network.

if HAVE_KISSFFT
module_LTLIBRARIES += %D%/encoder-mel-vq.la
%C%_encoder_mel_vq_la_SOURCES = %D%/mel_vq.c %D%/mel_vq.h %D%/stream.c
%C%_encoder_mel_vq_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/common
%C%_encoder_mel_vq_la_LDFLAGS = $(module_ldflags)
%C%_encoder_mel_vq_la_LIBADD = plugins/common/libmelvq.la plugins/common/libsignal.la -lm
endif
