# Head mctp: multiple cross-modal token prediction.

# Without the leading '# ', and with the real file names:
# module_LTLIBRARIES += %D%/head-mctp.la
# %C%_head_mctp_la_SOURCES = %D%/mctp.c
# %C%_head_mctp_la_LDFLAGS = $(module_ldflags)
# %C%_head_mctp_la_LIBADD = plugins/common/libcommon.la -lm
