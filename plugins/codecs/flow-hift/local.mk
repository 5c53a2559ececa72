# Codec flow-hift: the speech decoder of GLM-4-Voice and VITA-Audio. All but the module's own table is in a library,
# which tests link too.

noinst_LTLIBRARIES += %D%/libflow_hift.la
%C%_libflow_hift_la_SOURCES = \
	%D%/config.c %D%/config.h \
	%D%/encoder.c \
	%D%/estimator.c \
	%D%/flow.c %D%/flow.h \
	%D%/flow_hift.h \
	%D%/hift.c %D%/hift.h \
	%D%/noise.c %D%/noise.h \
	%D%/source.c %D%/source.h \
	%D%/space.h \
	%D%/stream.c \
	%D%/weights.c %D%/weights.h
%C%_libflow_hift_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/common
%C%_libflow_hift_la_LIBADD = plugins/common/libcommon.la -lm

module_LTLIBRARIES += %D%/codec-flow-hift.la
%C%_codec_flow_hift_la_SOURCES = %D%/flow_hift.c
%C%_codec_flow_hift_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/common
%C%_codec_flow_hift_la_LDFLAGS = $(module_ldflags)
%C%_codec_flow_hift_la_LIBADD = %D%/libflow_hift.la
