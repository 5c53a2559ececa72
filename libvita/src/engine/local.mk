# Engine: schedule, sampling, prompts, the turn.

libvita_libcore_la_SOURCES += \
	%D%/sampling.c \
	%D%/sampling.h \
	%D%/schedule.c \
	%D%/schedule.h
