# Code that several of our plugins share, linked statically into each.

noinst_LTLIBRARIES += %D%/libcommon.la
%C%_libcommon_la_SOURCES = \
	%D%/decoder_config.c %D%/decoder_config.h \
	%D%/decoder_layer.c %D%/decoder_layer.h \
	%D%/decoder_weights.c %D%/decoder_weights.h \
	%D%/likeliest.c %D%/likeliest.h \
	%D%/plugin_memory.c %D%/plugin_memory.h \
	%D%/train_layer.c %D%/train_layer.h
%C%_libcommon_la_CFLAGS = $(AM_CFLAGS) -pthread

# Spectra of sound, for those of our modules that hear or make it: needs KissFFT.
if HAVE_KISSFFT
noinst_LTLIBRARIES += %D%/libsignal.la
%C%_libsignal_la_SOURCES = \
	%D%/mel_bank.c %D%/mel_bank.h \
	%D%/real_fft.c %D%/real_fft.h \
	%D%/stft.c %D%/stft.h
%C%_libsignal_la_CFLAGS = $(AM_CFLAGS) $(KISSFFT_CFLAGS)
%C%_libsignal_la_LIBADD = %D%/libcommon.la $(KISSFFT_LIBS) -lm

# What the encoder and the codec mel-vq share.
noinst_LTLIBRARIES += %D%/libmelvq.la
%C%_libmelvq_la_SOURCES = \
	%D%/conv_stack.c %D%/conv_stack.h \
	%D%/mel_vq_front.c %D%/mel_vq_front.h
%C%_libmelvq_la_CFLAGS = $(AM_CFLAGS) -pthread
endif
