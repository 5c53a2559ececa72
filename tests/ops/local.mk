# Op tests: of the reference backend by hand (tests/unit/test_reference_*), and of any backend against
# another one, op by op, over random cases (compare_ops).

if HAVE_CMOCKA
if BACKEND_REFERENCE
op_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/ops
op_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
op_ldadd = tests/ops/libopfixture.la $(CMOCKA_LIBS) -lm

check_LTLIBRARIES += %D%/libopfixture.la
%C%_libopfixture_la_SOURCES = %D%/device.c %D%/device.h %D%/fixture.c %D%/fixture.h
%C%_libopfixture_la_CPPFLAGS = $(op_cppflags)
%C%_libopfixture_la_CFLAGS = $(op_cflags)

check_PROGRAMS += tests/unit/test_blocks
tests_unit_test_blocks_SOURCES = tests/unit/test_blocks.c
tests_unit_test_blocks_CPPFLAGS = $(op_cppflags)
tests_unit_test_blocks_CFLAGS = $(op_cflags)
tests_unit_test_blocks_LDADD = $(op_ldadd)

check_PROGRAMS += tests/unit/test_reference_backend
tests_unit_test_reference_backend_SOURCES = tests/unit/test_reference_backend.c
tests_unit_test_reference_backend_CPPFLAGS = $(op_cppflags)
tests_unit_test_reference_backend_CFLAGS = $(op_cflags)
tests_unit_test_reference_backend_LDADD = $(op_ldadd)

check_PROGRAMS += tests/unit/test_reference_ops_matrix
tests_unit_test_reference_ops_matrix_SOURCES = tests/unit/test_reference_ops_matrix.c
tests_unit_test_reference_ops_matrix_CPPFLAGS = $(op_cppflags)
tests_unit_test_reference_ops_matrix_CFLAGS = $(op_cflags)
tests_unit_test_reference_ops_matrix_LDADD = $(op_ldadd)

check_PROGRAMS += tests/unit/test_reference_ops_norm
tests_unit_test_reference_ops_norm_SOURCES = tests/unit/test_reference_ops_norm.c
tests_unit_test_reference_ops_norm_CPPFLAGS = $(op_cppflags)
tests_unit_test_reference_ops_norm_CFLAGS = $(op_cflags)
tests_unit_test_reference_ops_norm_LDADD = $(op_ldadd)

check_PROGRAMS += tests/unit/test_reference_ops_attention
tests_unit_test_reference_ops_attention_SOURCES = tests/unit/test_reference_ops_attention.c
tests_unit_test_reference_ops_attention_CPPFLAGS = $(op_cppflags)
tests_unit_test_reference_ops_attention_CFLAGS = $(op_cflags)
tests_unit_test_reference_ops_attention_LDADD = $(op_ldadd)

check_PROGRAMS += tests/unit/test_reference_ops_elementwise
tests_unit_test_reference_ops_elementwise_SOURCES = tests/unit/test_reference_ops_elementwise.c
tests_unit_test_reference_ops_elementwise_CPPFLAGS = $(op_cppflags)
tests_unit_test_reference_ops_elementwise_CFLAGS = $(op_cflags)
tests_unit_test_reference_ops_elementwise_LDADD = $(op_ldadd)

check_PROGRAMS += tests/unit/test_reference_ops_time
tests_unit_test_reference_ops_time_SOURCES = tests/unit/test_reference_ops_time.c
tests_unit_test_reference_ops_time_CPPFLAGS = $(op_cppflags)
tests_unit_test_reference_ops_time_CFLAGS = $(op_cflags)
tests_unit_test_reference_ops_time_LDADD = $(op_ldadd)

check_PROGRAMS += tests/unit/test_reference_ops_select
tests_unit_test_reference_ops_select_SOURCES = tests/unit/test_reference_ops_select.c
tests_unit_test_reference_ops_select_CPPFLAGS = $(op_cppflags)
tests_unit_test_reference_ops_select_CFLAGS = $(op_cflags)
tests_unit_test_reference_ops_select_LDADD = $(op_ldadd)

check_PROGRAMS += tests/unit/test_reference_ops_move
tests_unit_test_reference_ops_move_SOURCES = tests/unit/test_reference_ops_move.c
tests_unit_test_reference_ops_move_CPPFLAGS = $(op_cppflags)
tests_unit_test_reference_ops_move_CFLAGS = $(op_cflags)
tests_unit_test_reference_ops_move_LDADD = $(op_ldadd)

if BACKEND_CPU
dist_check_SCRIPTS += %D%/cpu_kernels.sh %D%/cpu_threads.sh
check_PROGRAMS += tests/unit/test_cpu_products
tests_unit_test_cpu_products_SOURCES = tests/unit/test_cpu_products.c tests/unit/cpu_support.c tests/unit/cpu_support.h
tests_unit_test_cpu_products_CPPFLAGS = $(op_cppflags)
tests_unit_test_cpu_products_CFLAGS = $(op_cflags)
tests_unit_test_cpu_products_LDADD = $(op_ldadd)

check_PROGRAMS += tests/unit/test_train_ops
tests_unit_test_train_ops_SOURCES = tests/unit/test_train_ops.c tests/unit/cpu_support.c tests/unit/cpu_support.h
tests_unit_test_train_ops_CPPFLAGS = $(op_cppflags)
tests_unit_test_train_ops_CFLAGS = $(op_cflags)
tests_unit_test_train_ops_LDADD = $(op_ldadd)

check_PROGRAMS += tests/unit/test_cpu_ops
tests_unit_test_cpu_ops_SOURCES = tests/unit/test_cpu_ops.c tests/unit/cpu_support.c tests/unit/cpu_support.h
tests_unit_test_cpu_ops_CPPFLAGS = $(op_cppflags)
tests_unit_test_cpu_ops_CFLAGS = $(op_cflags)
tests_unit_test_cpu_ops_LDADD = $(op_ldadd)
endif

if BACKEND_OPENCL
check_PROGRAMS += tests/unit/test_opencl_fused
tests_unit_test_opencl_fused_SOURCES = tests/unit/test_opencl_fused.c
tests_unit_test_opencl_fused_CPPFLAGS = $(op_cppflags)
tests_unit_test_opencl_fused_CFLAGS = $(op_cflags)
tests_unit_test_opencl_fused_LDADD = $(op_ldadd)

check_PROGRAMS += tests/unit/test_opencl_lost
tests_unit_test_opencl_lost_SOURCES = tests/unit/test_opencl_lost.c
tests_unit_test_opencl_lost_CPPFLAGS = $(op_cppflags)
tests_unit_test_opencl_lost_CFLAGS = $(op_cflags)
tests_unit_test_opencl_lost_LDADD = $(op_ldadd)
endif

endif
endif

if BACKEND_REFERENCE
check_LTLIBRARIES += %D%/libcases.la
%C%_libcases_la_SOURCES = %D%/run_case.c %D%/run_case.h %D%/cases.c %D%/cases.h %D%/naive.c %D%/naive_ops.c \
	%D%/naive.h %D%/device.c %D%/device.h

check_PROGRAMS += %D%/compare_ops %D%/hostile_ops
%C%_compare_ops_SOURCES = %D%/compare_ops.c
%C%_compare_ops_LDADD = %D%/libcases.la -lm
%C%_hostile_ops_SOURCES = %D%/hostile_ops.c
%C%_hostile_ops_LDADD = %D%/libcases.la -lm
endif

# The op tests of small shapes under Oclgrind, which sees invalid accesses and data races in kernels: an interpreter, so
# only a few cases of each op. `make check-oclgrind OCLGRIND_CASES=20` takes longer.
OCLGRIND = oclgrind
OCLGRIND_CASES = 6
check-oclgrind: all %D%/compare_ops
	for class in cpu gpu; do \
		VITA_OPENCL_CLASS=$$class VITA_OPENCL_CACHE=0 VITA_PLUGIN_PATH='$(abs_top_builddir)/modules' \
		$(OCLGRIND) --data-races --max-errors 20 --log oclgrind.log $(OCLGRIND_FLAGS) \
			./%D%/compare_ops -n $(OCLGRIND_CASES) opencl reference || exit 1; \
		if test -s oclgrind.log; then cat oclgrind.log; exit 1; fi; \
	done
CLEANFILES += oclgrind.log

# The tests of the opencl backend under the driver that the loader finds, with both classes of kernels and more cases of
# each op than make check has. doc/architecture.md has the commands for a second driver.
OPENCL_CASES = 150
opencl_tests = tests/unit/test_opencl_fused tests/unit/test_opencl_lost tests/unit/test_opencl_models \
	tests/unit/test_greedy tests/unit/test_whisper tests/unit/test_flow_hift tests/cli/opencl.sh
check-opencl: all %D%/compare_ops
	VITA_PLUGIN_PATH='$(abs_top_builddir)/modules' apps/vita/vita plugins opencl
	for class in cpu gpu; do \
		VITA_OPENCL_CLASS=$$class VITA_PLUGIN_PATH='$(abs_top_builddir)/modules' \
			./%D%/compare_ops -n $(OPENCL_CASES) opencl reference || exit 1; \
	done
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(opencl_tests)'
.PHONY: check-oclgrind check-opencl
