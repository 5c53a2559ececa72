# The reference backend: what every op means, in plain C.

if BACKEND_REFERENCE
module_LTLIBRARIES += %D%/backend-reference.la
%C%_backend_reference_la_SOURCES = \
	%D%/reference.h %D%/module.c %D%/memory.c %D%/submit.c %D%/view.c \
	%D%/matmul.c %D%/rows.c %D%/norm.c %D%/attention.c %D%/unary.c %D%/elementwise.c %D%/conv.c \
	%D%/time.c %D%/select.c %D%/move.c %D%/train.h %D%/train.c %D%/train_attention.c \
	%D%/train_loss.c
# The same results from every compiler: no products fused with sums behind our back. Unrolling lets plain
# loops over sixteen partial sums become vector code.
%C%_backend_reference_la_CFLAGS = $(AM_CFLAGS) -ffp-contract=off -funroll-loops
%C%_backend_reference_la_LDFLAGS = $(module_ldflags)
%C%_backend_reference_la_LIBADD = backends/common/libcommon.la -lm
endif
