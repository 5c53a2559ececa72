# Code that several of our plugins share, linked statically into each.

# noinst_LTLIBRARIES += %D%/libcommon.la
# %C%_libcommon_la_SOURCES = %D%/name.c %D%/name.h
