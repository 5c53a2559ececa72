# Tests. A test is a program or a .sh script that exits 0 (passed), 77 (skipped, with a reason) or else
# (failed). They find the tree and its modules through these variables.
# Under a sanitizer, absurd allocations are refused as malloc refuses them, other people's leaks are known, and
# nobody guesses the size of thread-local storage: LeakSanitizer crashed on that of OpenMP's threads.
# Two OpenMP threads that sleep while they wait: tests run side by side, and their models are tiny.
AM_TESTS_ENVIRONMENT = \
	VITA_SRCDIR='$(abs_top_srcdir)'; export VITA_SRCDIR; \
	VITA_BUILDDIR='$(abs_top_builddir)'; export VITA_BUILDDIR; \
	VITA_PLUGIN_PATH='$(abs_top_builddir)/modules'; export VITA_PLUGIN_PATH; \
	CC='$(CC)'; export CC; CXX='$(CXX)'; export CXX; \
	MAKE='$(MAKE)'; export MAKE; \
	LSAN_OPTIONS='suppressions=$(abs_top_srcdir)/tests/lsan.supp:print_suppressions=0'; export LSAN_OPTIONS; \
	ASAN_OPTIONS=allocator_may_return_null=1:intercept_tls_get_addr=0; export ASAN_OPTIONS; \
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-2}; export OMP_NUM_THREADS; \
	OMP_WAIT_POLICY=$${OMP_WAIT_POLICY:-passive}; export OMP_WAIT_POLICY;

EXTRA_DIST += %D%/lsan.supp

dist_check_SCRIPTS += %D%/recipe.sh

TEST_EXTENSIONS = .sh
SH_LOG_COMPILER = $(SHELL)
TESTS += $(check_PROGRAMS) $(dist_check_SCRIPTS)

# Measured, not tested: make tests/bench_tokenizer; tests/bench_train.py; tests/bench_ends.py; tests/bench_seams.py
EXTRA_DIST += %D%/bench_ends.py %D%/bench_seams.py %D%/bench_train.py
EXTRA_PROGRAMS += %D%/bench_tokenizer
%C%_bench_tokenizer_LDADD = libvita/libvita.la
CLEANFILES += %D%/bench_tokenizer

include %D%/golden/local.mk
include %D%/unit/local.mk
include %D%/ops/local.mk
include %D%/stubs/local.mk
include %D%/cli/local.mk
include %D%/fuzz/local.mk

# ---- the same tests under other tools, each in a build of its own or on this one ------------------
check-asan:
	$(MKDIR_P) asan
	cd asan && { test -f Makefile || '$(abs_top_srcdir)/configure' --enable-asan --enable-ubsan \
		CC='$(CC)' CXX='$(CXX)' CFLAGS='-g -O1'; } && $(MAKE) $(AM_MAKEFLAGS) check

# Those whose parts run in several threads; other people's threads (OpenCL drivers, OpenMP) cannot be looked into.
# doc/architecture.md says what each is there for, tests/unit/cpu_support.h what the two variables leave out.
tsan_tests = %D%/unit/test_cpu_ops %D%/unit/test_cpu_products %D%/unit/test_train_ops %D%/ops/cpu_threads.sh \
	%D%/unit/test_greedy %D%/unit/test_qwen2 %D%/unit/test_text_parts %D%/unit/test_turn %D%/unit/test_host \
	%D%/unit/test_model %D%/unit/test_model_convert %D%/unit/test_synthetic %D%/unit/test_tokenizer \
	%D%/unit/test_atomic_file
check-tsan:
	$(MKDIR_P) tsan
	cd tsan && { test -f Makefile || '$(abs_top_srcdir)/configure' --enable-tsan --disable-backend-opencl --without-onednn \
		CC='$(CC)' CXX='$(CXX)' CFLAGS='-g -O1'; } && \
		VITA_TEST_THREADS=3 VITA_TEST_KERNELS='plain avx2 avx512_fp16 avx512_amx' \
		$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(tsan_tests)'

valgrind = valgrind -q --error-exitcode=99 --leak-check=full --suppressions=$(abs_top_srcdir)/%D%/valgrind.supp
EXTRA_DIST += %D%/valgrind.supp

check-valgrind: all
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(check_PROGRAMS)' \
		LOG_COMPILER='$(abs_top_builddir)/libtool --mode=execute $(valgrind)'

.PHONY: check-asan check-tsan check-valgrind
