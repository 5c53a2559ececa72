# Encoder sensevoice: speech to feature rows for VITA-Audio-Plus.

if HAVE_KISSFFT
noinst_LTLIBRARIES += %D%/libsensevoice.la
%C%_libsensevoice_la_SOURCES = \
	%D%/cmvn.c %D%/cmvn.h \
	%D%/encode.c \
	%D%/fbank.c %D%/fbank.h \
	%D%/frontend.c %D%/frontend.h \
	%D%/sensevoice.c %D%/sensevoice.h \
	%D%/weights.c
%C%_libsensevoice_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/common
%C%_libsensevoice_la_LIBADD = plugins/common/libsignal.la -lm -lpthread

module_LTLIBRARIES += %D%/encoder-sensevoice.la
%C%_encoder_sensevoice_la_SOURCES =
%C%_encoder_sensevoice_la_LDFLAGS = $(module_ldflags)
%C%_encoder_sensevoice_la_LIBADD = %D%/libsensevoice.la
endif
