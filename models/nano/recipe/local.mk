# What the small model's data is made with: not installed.
#     make models/nano/recipe/speak

if HAVE_FLITE
if HAVE_ESPEAK_NG
noinst_PROGRAMS += %D%/speak
endif
endif
%C%_speak_SOURCES = \
	%D%/speak.c \
	%D%/speak.h \
	%D%/speak_espeak.c \
	%D%/speak_finish.c \
	%D%/speak_flite.c
%C%_speak_CPPFLAGS =
%C%_speak_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SAMPLERATE_CFLAGS) $(ESPEAK_NG_CFLAGS)
%C%_speak_LDADD = $(FLITE_LIBS) $(ESPEAK_NG_LIBS) $(SAMPLERATE_LIBS) $(JANSSON_LIBS) -lm

noinst_PROGRAMS += %D%/codes
%C%_codes_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_codes_LDADD = libvita/libvita.la $(JANSSON_LIBS)

EXTRA_DIST += \
	%D%/README.md \
	%D%/bpe.py \
	%D%/build.py \
	%D%/domain.json \
	%D%/festival.py \
	%D%/make \
	%D%/notice.py \
	%D%/stage1.ini \
	%D%/stage2.ini \
	%D%/stage3.ini \
	%D%/stage4.ini \
	%D%/start/config.json \
	%D%/start/generation_config.json \
	%D%/strings.py
