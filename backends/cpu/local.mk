# The cpu backend. Each file of vector kernels is a library of its own, since it alone may be compiled
# with its instruction set; the rest runs on any processor and chooses.
if BACKEND_CPU
cpu_cppflags = $(AM_CPPFLAGS)
cpu_cflags = $(AM_CFLAGS) $(OPENMP_CFLAGS)
noinst_LTLIBRARIES += %D%/libplain.la
%C%_libplain_la_SOURCES = %D%/kernels_plain.c
cpu_kernels = %D%/libplain.la
if CPU_KERNELS_AVX2
noinst_LTLIBRARIES += %D%/libavx2.la
%C%_libavx2_la_SOURCES = %D%/kernels_avx2.c
%C%_libavx2_la_CFLAGS = $(AM_CFLAGS) $(CPU_AVX2_CFLAGS)
cpu_kernels += %D%/libavx2.la
cpu_cppflags += -DHAVE_KERNELS_AVX2
endif
if CPU_KERNELS_AVX512
noinst_LTLIBRARIES += %D%/libavx512.la
%C%_libavx512_la_SOURCES = %D%/kernels_avx512.c
%C%_libavx512_la_CFLAGS = $(AM_CFLAGS) $(CPU_AVX512_CFLAGS)
cpu_kernels += %D%/libavx512.la
cpu_cppflags += -DHAVE_KERNELS_AVX512
endif
if HAVE_ONEDNN
cpu_cppflags += -DHAVE_ONEDNN
endif
module_LTLIBRARIES += %D%/backend-cpu.la
%C%_backend_cpu_la_SOURCES = \
	%D%/attention.c %D%/cpu.h %D%/detect.c %D%/matmul.c %D%/memory.c %D%/module.c %D%/onednn.c \
	%D%/onednn.h %D%/ops.c %D%/ops.h %D%/pack.c %D%/roof.c %D%/roof.h %D%/submit.c
%C%_backend_cpu_la_CPPFLAGS = $(cpu_cppflags)
%C%_backend_cpu_la_CFLAGS = $(cpu_cflags)
%C%_backend_cpu_la_LDFLAGS = $(module_ldflags)
%C%_backend_cpu_la_LIBADD = $(cpu_kernels) $(ONEDNN_LIBS) -lm
endif
