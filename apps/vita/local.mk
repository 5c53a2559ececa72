# The command vita: one file a verb, built on the installed headers alone.

bin_PROGRAMS += %D%/vita
%C%_vita_SOURCES = \
	%D%/asr.c \
	%D%/bench.c \
	%D%/bench.h \
	%D%/bench_quality.c \
	%D%/bench_save.c \
	%D%/bench_sound.c \
	%D%/bench_turns.c \
	%D%/common.c \
	%D%/common.h \
	%D%/convert.c \
	%D%/decode.c \
	%D%/encode.c \
	%D%/generate.c \
	%D%/ids.c \
	%D%/ids.h \
	%D%/info.c %D%/info_check.c %D%/info_check.h \
	%D%/init.c \
	%D%/init_tokenizer.c \
	%D%/init_tokenizer.h \
	%D%/main.c \
	%D%/plot.c \
	%D%/plot.h \
	%D%/plot_draw.c \
	%D%/plot_read.c \
	%D%/plugins.c \
	%D%/probe.c \
	%D%/probe.h \
	%D%/probe_draw.c \
	%D%/run.c \
	%D%/svg.c \
	%D%/svg.h \
	%D%/terminal.c \
	%D%/tokenize.c \
	%D%/train.c \
	%D%/train_mpi.c \
	%D%/train_mpi.h \
	%D%/tts.c \
	%D%/turn.c \
	%D%/turn.h
%C%_vita_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(MPI_CFLAGS)
%C%_vita_LDADD = libvita/libvita.la $(JANSSON_LIBS) $(MPI_LIBS) -lm
%C%_vita_CPPFLAGS = $(AM_CPPFLAGS)
if HAVE_MPI
%C%_vita_CPPFLAGS += -DHAVE_MPI
endif
