# Engine: schedule, sampling, prompts, the turn.

libvita_libcore_la_SOURCES += \
	%D%/answer.c \
	%D%/check.c \
	%D%/conversation.c \
	%D%/conversation.h \
	%D%/empty_device.c \
	%D%/empty_device.h \
	%D%/engine.c \
	%D%/engine_internal.h \
	%D%/fit.c \
	%D%/fit.h \
	%D%/generation.c \
	%D%/greedy.c \
	%D%/group_memory.c \
	%D%/markers.c \
	%D%/parts.c \
	%D%/prompt.c \
	%D%/question.c \
	%D%/room.c \
	%D%/room.h \
	%D%/running.h \
	%D%/sampling.c \
	%D%/sampling.h \
	%D%/schedule.c \
	%D%/schedule.h \
	%D%/speaker.c \
	%D%/turn.c \
	%D%/verify.c
