# The reference backend: what every op means, in plain C.

# Without the leading '# ', and with the real file names:
# if BACKEND_REFERENCE
# module_LTLIBRARIES += %D%/backend-reference.la
# %C%_backend_reference_la_SOURCES = %D%/reference.c
# %C%_backend_reference_la_LDFLAGS = $(module_ldflags)
# %C%_backend_reference_la_LIBADD = -lm
# endif
