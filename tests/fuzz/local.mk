# Fuzz targets. With --enable-fuzzing they are libFuzzer programs (make fuzz); otherwise make check replays their
# seeds, whole, cut off and changed.

fuzz_targets = \
	%D%/fuzz_audio \
	%D%/fuzz_checkpoint \
	%D%/fuzz_config \
	%D%/fuzz_gguf \
	%D%/fuzz_ids \
	%D%/fuzz_index \
	%D%/fuzz_ini \
	%D%/fuzz_lists \
	%D%/fuzz_mvn \
	%D%/fuzz_pattern \
	%D%/fuzz_safetensors \
	%D%/fuzz_text \
	%D%/fuzz_tokenizer \
	%D%/fuzz_train_data \
	%D%/fuzz_yaml

check_LTLIBRARIES += %D%/libfuzz.la
%C%_libfuzz_la_SOURCES = %D%/fuzz.c %D%/fuzz.h
if FUZZING
noinst_PROGRAMS += $(fuzz_targets)
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
else
check_PROGRAMS += $(fuzz_targets)
%C%_libfuzz_la_SOURCES += %D%/replay.c
fuzz_ldflags = $(AM_LDFLAGS)
endif
fuzz_ldadd = %D%/libfuzz.la libvita/libcore.la

%C%_fuzz_audio_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_audio_LDADD = $(fuzz_ldadd)
%C%_fuzz_checkpoint_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_checkpoint_LDADD = $(fuzz_ldadd)
%C%_fuzz_config_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_config_LDADD = $(fuzz_ldadd)
%C%_fuzz_gguf_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_gguf_LDADD = $(fuzz_ldadd)
%C%_fuzz_ids_SOURCES = %D%/fuzz_ids.c apps/vita/ids.c apps/vita/ids.h
%C%_fuzz_ids_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/apps/vita
%C%_fuzz_ids_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_ids_LDADD = $(fuzz_ldadd)
%C%_fuzz_index_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_index_LDADD = $(fuzz_ldadd)
%C%_fuzz_ini_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_ini_LDADD = $(fuzz_ldadd)
%C%_fuzz_lists_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/libvita/src
%C%_fuzz_lists_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_fuzz_lists_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_lists_LDADD = $(fuzz_ldadd) $(JANSSON_LIBS)
%C%_fuzz_mvn_SOURCES = %D%/fuzz_mvn.c plugins/encoders/sensevoice/cmvn.c plugins/encoders/sensevoice/cmvn.h
%C%_fuzz_mvn_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/encoders/sensevoice
%C%_fuzz_mvn_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_mvn_LDADD = $(fuzz_ldadd)
%C%_fuzz_pattern_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/libvita/src
%C%_fuzz_pattern_CFLAGS = $(AM_CFLAGS) $(PCRE2_CFLAGS)
%C%_fuzz_pattern_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_pattern_LDADD = $(fuzz_ldadd)
%C%_fuzz_safetensors_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_safetensors_LDADD = $(fuzz_ldadd)
%C%_fuzz_text_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_text_LDADD = $(fuzz_ldadd)
%C%_fuzz_tokenizer_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_tokenizer_LDADD = $(fuzz_ldadd)
%C%_fuzz_train_data_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/libvita/src
%C%_fuzz_train_data_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_fuzz_train_data_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_train_data_LDADD = $(fuzz_ldadd)
%C%_fuzz_yaml_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/libvita/src
%C%_fuzz_yaml_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_fuzz_yaml_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_yaml_LDADD = $(fuzz_ldadd) $(JANSSON_LIBS)

EXTRA_DIST += %D%/seeds.sh %D%/run.sh

# The seeds: small inputs, made from the golden data and by hand.
AM_TESTS_ENVIRONMENT += VITA_FUZZ_SEEDS='$(abs_top_builddir)/seeds'; export VITA_FUZZ_SEEDS;
check_DATA += seeds/.stamp
seeds/.stamp: %D%/seeds.sh
	$(AM_V_GEN)rm -rf seeds && $(SHELL) $(srcdir)/tests/fuzz/seeds.sh '$(abs_top_srcdir)' seeds && touch $@

# Seconds for each target.
FUZZ_SECONDS = 60

# In a build of its own, with clang.
fuzz:
	$(MKDIR_P) fuzzing
	cd fuzzing && { test -f Makefile || '$(abs_top_srcdir)/configure' --enable-fuzzing --enable-asan --enable-ubsan \
		CC=clang CXX=clang++ CFLAGS='-g -O1'; } && $(MAKE) $(AM_MAKEFLAGS) FUZZ_SECONDS=$(FUZZ_SECONDS) fuzz-run

fuzz-run: $(fuzz_targets) seeds/.stamp
	VITA_SRCDIR='$(abs_top_srcdir)' $(SHELL) $(srcdir)/tests/fuzz/run.sh $(FUZZ_SECONDS) $(fuzz_targets)

.PHONY: fuzz fuzz-run
