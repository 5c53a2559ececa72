# Head mctp: multiple cross-modal token prediction.

module_LTLIBRARIES += %D%/head-mctp.la
%C%_head_mctp_la_SOURCES = %D%/chain.c %D%/mctp.c %D%/mctp.h %D%/propose.c %D%/state.c %D%/train.c %D%/train.h
%C%_head_mctp_la_CFLAGS = $(AM_CFLAGS) -pthread
%C%_head_mctp_la_LDFLAGS = $(module_ldflags)
%C%_head_mctp_la_LIBADD = plugins/common/libcommon.la -lm -lpthread
