# The opencl backend: any device with a driver, through the ICD loader. The kernels are text that the driver
# compiles; embed.sh makes a C file of them.
if BACKEND_OPENCL
opencl_kernels = \
	%D%/kernels/common.cl %D%/kernels/values.cl \
	%D%/kernels/attention.cl %D%/kernels/check.cl %D%/kernels/conv.cl %D%/kernels/elementwise.cl %D%/kernels/matmul.cl \
	%D%/kernels/move.cl %D%/kernels/norm.cl %D%/kernels/roof.cl %D%/kernels/rope.cl %D%/kernels/rows.cl %D%/kernels/select.cl %D%/kernels/tiles.cl %D%/kernels/timeline.cl
module_LTLIBRARIES += %D%/backend-opencl.la
%C%_backend_opencl_la_SOURCES = \
	%D%/cache.c %D%/convolutions.c %D%/devices.c %D%/errors.c %D%/launch.c %D%/matmul.c %D%/memory.c %D%/module.c \
	%D%/move.c %D%/norm.c %D%/opencl.h %D%/program.c %D%/attention.c %D%/elementwise.c %D%/select.c %D%/submit.c \
	%D%/timeline.c %D%/fuse.c %D%/fuse.h %D%/pack.c %D%/pack.h %D%/roof.c %D%/roof.h %D%/room.c %D%/room.h %D%/tiles.c %D%/tiles.h %D%/tune.c
nodist_%C%_backend_opencl_la_SOURCES = %D%/kernels.c
%C%_backend_opencl_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/%D%
%C%_backend_opencl_la_CFLAGS = $(AM_CFLAGS) $(OPENCL_CFLAGS)
%C%_backend_opencl_la_LDFLAGS = $(module_ldflags)
%C%_backend_opencl_la_LIBADD = backends/common/libcommon.la $(OPENCL_LIBS) -lpthread -lm
CLEANFILES += %D%/kernels.c
endif

EXTRA_DIST += %D%/embed.sh \
	%D%/kernels/common.cl %D%/kernels/values.cl \
	%D%/kernels/attention.cl %D%/kernels/check.cl %D%/kernels/conv.cl %D%/kernels/elementwise.cl %D%/kernels/matmul.cl \
	%D%/kernels/move.cl %D%/kernels/norm.cl %D%/kernels/roof.cl %D%/kernels/rope.cl %D%/kernels/rows.cl %D%/kernels/select.cl %D%/kernels/tiles.cl %D%/kernels/timeline.cl

%D%/kernels.c: $(opencl_kernels) %D%/embed.sh
	$(AM_V_GEN)$(MKDIR_P) %D% && cd '$(srcdir)' && \
	$(SHELL) backends/opencl/embed.sh $(opencl_kernels) >'$(abs_builddir)/$@.new' && \
	mv -f '$(abs_builddir)/$@.new' '$(abs_builddir)/$@'
