# The command vita: one file a verb, built on the installed headers alone.

# bin_PROGRAMS += %D%/vita
# %C%_vita_SOURCES = %D%/main.c %D%/run.c
# %C%_vita_LDADD = libvita/libvita.la
