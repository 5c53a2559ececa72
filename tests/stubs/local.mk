# Modules for the loader's tests, good and bad ones; built by make check, found in %D%/.libs.

# check_LTLIBRARIES += %D%/good-c.la
# %C%_good_c_la_SOURCES = %D%/good-c.c
# %C%_good_c_la_LDFLAGS = $(test_module_ldflags)
#
# if HAVE_CXX
# check_LTLIBRARIES += %D%/good-cxx.la
# %C%_good_cxx_la_SOURCES = %D%/good-cxx.cc
# %C%_good_cxx_la_LDFLAGS = $(test_module_ldflags)
# endif
