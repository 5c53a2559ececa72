# Tests of the installed package. make check installs it into stage/ for them; make installcheck runs them on
# what make install installed. Each reads common.sh.

installed_tests = \
	%D%/answer.sh \
	%D%/bench.sh \
	%D%/codec2.sh \
	%D%/convert.sh \
	%D%/flow_hift.sh \
	%D%/golden.sh \
	%D%/installed.sh \
	%D%/layout.sh \
	%D%/long.sh \
	%D%/opencl.sh \
	%D%/mel-vq.sh \
	%D%/nano.sh \
	%D%/outside.sh \
	%D%/published.sh \
	%D%/plot.sh \
	%D%/probe.sh \
	%D%/refusals.sh \
	%D%/sensevoice.sh \
	%D%/text.sh \
	%D%/train.sh \
	%D%/train_data.sh \
	%D%/train_run.sh \
	%D%/verbs.sh \
	%D%/whisper.sh
dist_check_SCRIPTS += $(installed_tests)
EXTRA_DIST += %D%/common.sh %D%/outside/beep.c %D%/outside/liar.c %D%/outside/meter.cc

vita_stage = $(abs_top_builddir)/stage
AM_TESTS_ENVIRONMENT += \
	VITA_STAGE='$(vita_stage)'; export VITA_STAGE; \
	VITA_BINDIR='$(bindir)'; export VITA_BINDIR; \
	VITA_LIBDIR='$(libdir)'; export VITA_LIBDIR; \
	VITA_INCLUDEDIR='$(includedir)'; export VITA_INCLUDEDIR; \
	VITA_MODULEDIR='$(moduledir)'; export VITA_MODULEDIR;

check_DATA = stage/.stamp

# One writes models in the layouts of the published ones, one talks with them, one measures a command's memory.
EXTRA_PROGRAMS += %D%/peak %D%/published %D%/turns
%C%_turns_LDADD = libvita/libvita.la
%C%_published_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_published_LDADD = libvita/libvita.la $(JANSSON_LIBS)
check_DATA += %D%/peak$(EXEEXT) %D%/published$(EXEEXT) %D%/turns$(EXEEXT)
CLEANFILES += %D%/peak$(EXEEXT) %D%/published$(EXEEXT) %D%/turns$(EXEEXT)

stage/.stamp: $(lib_LTLIBRARIES) $(module_LTLIBRARIES) $(bin_PROGRAMS) $(vitainclude_HEADERS) vita.pc
	$(AM_V_GEN)rm -rf stage && $(MAKE) $(AM_MAKEFLAGS) -s install DESTDIR=$(vita_stage) >stage.log 2>&1 || \
		{ cat stage.log; exit 1; }; touch $@

installcheck-local:
	test -z '$(installed_tests)' || $(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(installed_tests)' vita_stage=
