# Code that the backends share, compiled into each.
noinst_LTLIBRARIES += %D%/libcommon.la
%C%_libcommon_la_SOURCES = %D%/op_check.c %D%/op_check.h %D%/op_expect.c %D%/op_expect.h %D%/op_rows.c %D%/op_time.c \
	%D%/slab.c %D%/slab.h %D%/train_check.c %D%/train_check.h
