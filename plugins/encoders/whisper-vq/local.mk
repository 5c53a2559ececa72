# Encoder whisper-vq: the speech tokenizer of GLM-4-Voice.

if HAVE_KISSFFT
module_LTLIBRARIES += %D%/encoder-whisper-vq.la
%C%_encoder_whisper_vq_la_SOURCES = \
	%D%/config.c %D%/features.c %D%/pass.c %D%/stream.c %D%/weights.c %D%/whisper.c %D%/whisper.h
%C%_encoder_whisper_vq_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/common
%C%_encoder_whisper_vq_la_CFLAGS = $(AM_CFLAGS) -pthread
%C%_encoder_whisper_vq_la_LDFLAGS = $(module_ldflags)
%C%_encoder_whisper_vq_la_LIBADD = plugins/common/libsignal.la -lm -lpthread
endif
