# The cpu backend. Each set of vector kernels is a library of its own, since it alone may be compiled with its
# instructions; the rest runs on any processor and chooses. Loops over floats become vector code where no operation
# is expected to trap or to set errno.
if BACKEND_CPU
cpu_cppflags = $(AM_CPPFLAGS)
cpu_vector_cflags = $(AM_CFLAGS) $(CPU_VECTOR_CFLAGS)
noinst_LTLIBRARIES += %D%/libplain.la
%C%_libplain_la_SOURCES = %D%/kernels.h %D%/kernels_plain.c %D%/tiles.h %D%/vectors.h %D%/vectors_filter.h \
	%D%/vectors_train.h
%C%_libplain_la_CFLAGS = $(cpu_vector_cflags)
cpu_kernels = %D%/libplain.la
if CPU_KERNELS_AVX2
noinst_LTLIBRARIES += %D%/libavx2.la
%C%_libavx2_la_SOURCES = %D%/kernels_avx2.c
%C%_libavx2_la_CFLAGS = $(cpu_vector_cflags) $(CPU_AVX2_CFLAGS)
cpu_kernels += %D%/libavx2.la
cpu_cppflags += -DHAVE_KERNELS_AVX2
endif
if CPU_KERNELS_AVX512
noinst_LTLIBRARIES += %D%/libavx512.la
%C%_libavx512_la_SOURCES = %D%/kernels_avx512.c %D%/kernels_avx512.h %D%/kernels_avx512_bytes.c %D%/kernels_avx512_plain.c
%C%_libavx512_la_CPPFLAGS = $(cpu_cppflags)
%C%_libavx512_la_CFLAGS = $(cpu_vector_cflags) $(CPU_AVX512_CFLAGS)
cpu_kernels += %D%/libavx512.la
cpu_cppflags += -DHAVE_KERNELS_AVX512
endif
if CPU_KERNELS_AVX512FP16
noinst_LTLIBRARIES += %D%/libavx512fp16.la
%C%_libavx512fp16_la_SOURCES = %D%/kernels_avx512_fp16.c
%C%_libavx512fp16_la_CFLAGS = $(cpu_vector_cflags) $(CPU_AVX512FP16_CFLAGS)
cpu_kernels += %D%/libavx512fp16.la
cpu_cppflags += -DHAVE_KERNELS_AVX512FP16
endif
if CPU_KERNELS_AMX
noinst_LTLIBRARIES += %D%/libamx.la
%C%_libamx_la_SOURCES = %D%/kernels_amx.c %D%/kernels_amx.h
%C%_libamx_la_CFLAGS = $(cpu_vector_cflags) $(CPU_AMX_CFLAGS)
cpu_kernels += %D%/libamx.la
cpu_cppflags += -DHAVE_KERNELS_AMX
endif
if HAVE_ONEDNN
cpu_cppflags += -DHAVE_ONEDNN
endif
module_LTLIBRARIES += %D%/backend-cpu.la
%C%_backend_cpu_la_SOURCES = \
	%D%/attention.c %D%/attention.h %D%/attention_half.c %D%/conv.c %D%/conv.h %D%/conv_filter.c %D%/conv_half.c %D%/cpu.h %D%/detect.c %D%/elementwise.c \
	%D%/limits.c %D%/limits.h %D%/matmul.c %D%/matmul.h %D%/matmul_wide.c \
	%D%/memory.c %D%/module.c %D%/move.c %D%/norm.c %D%/onednn.c %D%/onednn.h %D%/pack.c %D%/plan.c %D%/roof.c %D%/roof.h \
	%D%/rope.c %D%/select.c %D%/team.c %D%/team.h %D%/timeline.c %D%/train.c %D%/train.h \
	%D%/train_attention.c %D%/train_loss.c %D%/train_product.c %D%/train_rows.c %D%/view.c
%C%_backend_cpu_la_CPPFLAGS = $(cpu_cppflags)
%C%_backend_cpu_la_LDFLAGS = $(module_ldflags)
%C%_backend_cpu_la_LIBADD = $(cpu_kernels) backends/common/libcommon.la $(ONEDNN_LIBS) -lpthread -lm
endif
