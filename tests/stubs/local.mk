# Modules for the loader's tests, good and bad ones, and the toy backend; built by make check, found in
# %D%/.libs. Those that play several parts take their part from the name that a test copies them to.

if HAVE_CMOCKA
check_LTLIBRARIES += %D%/good_c.la %D%/sizes.la %D%/hostile.la %D%/empty.la %D%/toy_backend.la

%C%_good_c_la_SOURCES = %D%/good_c.c %D%/stub_codec.h
%C%_good_c_la_LDFLAGS = $(test_module_ldflags)
%C%_sizes_la_SOURCES = %D%/sizes.c %D%/stub_codec.h %D%/file_name.h
%C%_sizes_la_LDFLAGS = $(test_module_ldflags)
%C%_hostile_la_SOURCES = %D%/hostile.c %D%/stub_codec.h %D%/file_name.h
%C%_hostile_la_LDFLAGS = $(test_module_ldflags)
%C%_empty_la_SOURCES = %D%/empty.c
%C%_empty_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
%C%_toy_backend_la_SOURCES = %D%/toy_backend.c
%C%_toy_backend_la_LDFLAGS = $(test_module_ldflags)
%C%_toy_backend_la_LIBADD = -lm -lpthread

if HAVE_CXX
check_LTLIBRARIES += %D%/good_cxx.la
%C%_good_cxx_la_SOURCES = %D%/good_cxx.cc
%C%_good_cxx_la_LDFLAGS = $(test_module_ldflags)
endif

if BACKEND_OPENCL
check_LTLIBRARIES += %D%/lying_icd.la
%C%_lying_icd_la_SOURCES = %D%/lying_icd.c
%C%_lying_icd_la_CFLAGS = $(AM_CFLAGS) $(OPENCL_CFLAGS)
%C%_lying_icd_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
endif
endif
