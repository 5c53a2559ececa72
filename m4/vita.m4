# Macros of libvita's configure.ac.

# VITA_SUMMARY(WHAT, ANSWER): one line for the end of configure.
AC_DEFUN([VITA_SUMMARY], [
	vita_line=$(printf '    %-17s %s' "$1" "$2")
	vita_summary="$vita_summary
$vita_line"
])

# VITA_COMPILER: --enable-werror, warnings, hidden symbols, and whether the linker takes version scripts.
AC_DEFUN([VITA_COMPILER], [
	AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [stop at compiler warnings])])
	AX_APPEND_COMPILE_FLAGS([-Wall -Wextra -Wpedantic -Wstrict-prototypes -Wmissing-prototypes -Wvla],
		[WARNING_CFLAGS], [-Werror])
	AS_IF([test "x$enable_werror" = xyes], [AS_VAR_APPEND([WARNING_CFLAGS], [" -Werror"])])
	AX_APPEND_COMPILE_FLAGS([-fvisibility=hidden], [VISIBILITY_CFLAGS], [-Werror])
	AC_SUBST([WARNING_CFLAGS])
	AC_SUBST([VISIBILITY_CFLAGS])
	AX_CHECK_LINK_FLAG([-Wl,--version-script=$srcdir/libvita/libvita.map], [vita_version_script=yes],
		[vita_version_script=no])
	AM_CONDITIONAL([HAVE_VERSION_SCRIPT], [test $vita_version_script = yes])
])

# VITA_LIBRARY(NAME, PKG-CONFIG MODULES, WHAT IT IS FOR)
# An optional library: --with-NAME=auto|yes|no. Sets NAME_CFLAGS and NAME_LIBS and the conditional
# HAVE_NAME (names in capitals).
AC_DEFUN([VITA_LIBRARY], [
	m4_pushdef([NAME], m4_toupper(m4_translit([$1], [-.], [__])))
	AC_ARG_WITH([$1], [AS_HELP_STRING([--with-$1=auto|yes|no], [$1, for $3 @<:@auto@:>@])], [], [AS_TR_SH([with_$1])=auto])
	vita_have=no
	AS_IF([test "x$AS_TR_SH([with_$1])" != xno], [
		PKG_CHECK_MODULES(NAME, [$2], [vita_have=yes], [
			AS_IF([test "x$AS_TR_SH([with_$1])" = xyes],
				[AC_MSG_ERROR([--with-$1 was asked for, but pkg-config does not find $2: $]NAME[_PKG_ERRORS])])])])
	AM_CONDITIONAL([HAVE_]NAME, [test $vita_have = yes])
	VITA_SUMMARY([$1], [$vita_have ($3)])
	m4_popdef([NAME])
])

# VITA_FLITE: --with-flite=auto|yes|no, with its larger voices; sets HAVE_FLITE and FLITE_LIBS. It has no
# pkg-config file.
AC_DEFUN([VITA_FLITE], [
	AC_ARG_WITH([flite], [AS_HELP_STRING([--with-flite=auto|yes|no], [Flite, for making training data @<:@auto@:>@])],
		[], [with_flite=auto])
	vita_have=no
	vita_flite="-lflite_cmu_us_rms -lflite_cmu_us_slt -lflite_cmu_us_awb -lflite_cmu_us_kal16 -lflite_usenglish -lflite_cmulex"
	AS_IF([test "x$with_flite" != xno], [
		AC_CHECK_HEADER([flite/flite.h], [AC_CHECK_LIB([flite], [flite_init], [vita_have=yes], [], [$vita_flite -lm])])
		AS_IF([test "x$with_flite$vita_have" = xyesno],
			[AC_MSG_ERROR([--with-flite was asked for, but flite/flite.h or its voices were not found])])])
	AS_IF([test $vita_have = yes], [AC_SUBST([FLITE_LIBS], ["$vita_flite -lflite"])])
	AM_CONDITIONAL([HAVE_FLITE], [test $vita_have = yes])
	VITA_SUMMARY([flite], [$vita_have (making training data)])
])

# VITA_BACKEND(NAME, DEFAULT, [PKG-CONFIG MODULES])
# A backend module: --enable-backend-NAME=auto|yes|no. Sets the conditional BACKEND_NAME, and, where
# libraries are named, NAME_CFLAGS and NAME_LIBS (names in capitals).
AC_DEFUN([VITA_BACKEND], [
	m4_pushdef([NAME], m4_toupper([$1]))
	AC_ARG_ENABLE([backend-$1], [AS_HELP_STRING([--enable-backend-$1=auto|yes|no], [the $1 backend @<:@$2@:>@])],
		[], [enable_backend_$1=$2])
	vita_have=$enable_backend_$1
	m4_ifval([$3], [AS_IF([test "x$vita_have" != xno], [
		PKG_CHECK_MODULES(NAME, [$3], [vita_have=yes], [
			AS_IF([test "x$vita_have" = xyes],
				[AC_MSG_ERROR([--enable-backend-$1 was asked for, but pkg-config does not find $3])])
			vita_have=no])])])
	AM_CONDITIONAL([BACKEND_]NAME, [test "x$vita_have" != xno])
	AS_IF([test "x$vita_have" != xno], [vita_have=yes])
	VITA_SUMMARY([backend $1], [$vita_have])
	m4_popdef([NAME])
])

# VITA_CPU_KERNELS: the instruction sets that the compiler can write kernels for. What the
# machine at hand can run does not matter here: the backend asks at run time.
AC_DEFUN([VITA_CPU_KERNELS], [
	vita_kernels="plain C"
	# What -O3 adds is named: CFLAGS come last on the command line, and their -O2 would win.
	vita_vector_cflags="-fno-math-errno -fno-trapping-math"
	for vita_flag in -ftree-vectorize -fvect-cost-model=dynamic -fpeel-loops; do
		AX_CHECK_COMPILE_FLAG([$vita_flag], [AS_VAR_APPEND([vita_vector_cflags], [" $vita_flag"])], [], [-Werror])
	done
	AC_SUBST([CPU_VECTOR_CFLAGS], [$vita_vector_cflags])
	VITA_CPU_KERNEL([AVX2], [-mavx2 -mfma -mf16c])
	VITA_CPU_KERNEL([AVX512], [-mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512bf16])
	VITA_CPU_KERNEL([AVX512FP16], [-mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512bf16 -mavx512fp16])
	VITA_CPU_KERNEL([AMX], [-mamx-tile -mamx-bf16])
	VITA_ONEDNN
	VITA_SUMMARY([cpu kernels], [$vita_kernels])
])

# VITA_ONEDNN: --with-onednn=auto|yes|no; sets HAVE_ONEDNN and ONEDNN_LIBS. Debian's has no pkg-config file.
# Versions 2 and 3 have the functions that are called. A build whose threads are TBB's is left alone: it cannot be held to
# the calling thread.
AC_DEFUN([VITA_ONEDNN], [
	AC_ARG_WITH([onednn], [AS_HELP_STRING([--with-onednn=auto|yes|no], [oneDNN, for large products of the cpu backend @<:@auto@:>@])],
		[], [with_onednn=auto])
	vita_have=no
	AS_IF([test "x$with_onednn" != xno], [
		AC_CHECK_HEADER([oneapi/dnnl/dnnl.h], [AC_CHECK_LIB([dnnl], [dnnl_sgemm], [vita_have=yes])])
		AS_IF([test $vita_have = yes], [
			AC_CACHE_CHECK([whether oneDNN computes in the thread that calls it], [vita_cv_onednn_one_thread],
				[AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <oneapi/dnnl/dnnl.h>
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_TBB
#error threads of TBB
#endif]])], [vita_cv_onednn_one_thread=yes], [vita_cv_onednn_one_thread=no])])
			vita_have=$vita_cv_onednn_one_thread])
		AS_IF([test "x$with_onednn$vita_have" = xyesno],
			[AC_MSG_ERROR([--with-onednn was asked for, but oneapi/dnnl/dnnl.h or libdnnl was not found, or its threads are TBB's])])])
	AS_IF([test $vita_have = yes], [AC_SUBST([ONEDNN_LIBS], [-ldnnl])
		AS_VAR_APPEND([vita_kernels], [", oneDNN"])])
	AM_CONDITIONAL([HAVE_ONEDNN], [test $vita_have = yes])
])

# VITA_CPU_KERNEL(NAME, FLAGS): the conditional CPU_KERNELS_NAME and CPU_NAME_CFLAGS.
AC_DEFUN([VITA_CPU_KERNEL], [
	AX_CHECK_COMPILE_FLAG([$2], [vita_have=yes], [vita_have=no], [-Werror],
		[AC_LANG_PROGRAM([[#ifndef __x86_64__
#error not x86-64
#endif]])])
	AM_CONDITIONAL([CPU_KERNELS_$1], [test $vita_have = yes])
	AC_SUBST([CPU_$1_CFLAGS], ["$2"])
	AS_IF([test $vita_have = yes], [AS_VAR_APPEND([vita_kernels], [", $1"])])
])

# VITA_SANITIZERS: --enable-asan, -ubsan, -tsan, -fuzzing; added to CFLAGS, CXXFLAGS and LDFLAGS, so that
# every object and program is built alike.
AC_DEFUN([VITA_SANITIZERS], [
	AC_ARG_ENABLE([asan], [AS_HELP_STRING([--enable-asan], [build with AddressSanitizer])])
	AC_ARG_ENABLE([ubsan], [AS_HELP_STRING([--enable-ubsan], [build with UndefinedBehaviorSanitizer])])
	AC_ARG_ENABLE([tsan], [AS_HELP_STRING([--enable-tsan], [build with ThreadSanitizer])])
	AC_ARG_ENABLE([fuzzing], [AS_HELP_STRING([--enable-fuzzing], [build for libFuzzer (clang only)])])
	vita_flags=
	vita_instrumentation=
	AS_IF([test "x$enable_asan" = xyes],
		[AS_VAR_APPEND([vita_flags], [" -fsanitize=address"]); AS_VAR_APPEND([vita_instrumentation], ["asan "])])
	AS_IF([test "x$enable_ubsan" = xyes],
		[AS_VAR_APPEND([vita_flags], [" -fsanitize=undefined -fno-sanitize-recover=undefined"])
		 AS_VAR_APPEND([vita_instrumentation], ["ubsan "])])
	AS_IF([test "x$enable_tsan" = xyes],
		[AS_VAR_APPEND([vita_flags], [" -fsanitize=thread"]); AS_VAR_APPEND([vita_instrumentation], ["tsan "])])
	AS_IF([test "x$enable_fuzzing" = xyes],
		[AS_VAR_APPEND([vita_flags], [" -fsanitize=fuzzer-no-link"]); AS_VAR_APPEND([vita_instrumentation], ["fuzzing "])])
	AS_IF([test -n "$vita_flags"], [
		AS_VAR_APPEND([vita_flags], [" -fno-omit-frame-pointer"])
		AX_CHECK_LINK_FLAG([$vita_flags], [],
			[AC_MSG_ERROR([$CC cannot build with$vita_flags])])
		AS_VAR_APPEND([CFLAGS], ["$vita_flags"])
		AS_VAR_APPEND([CXXFLAGS], ["$vita_flags"])
		AS_VAR_APPEND([LDFLAGS], ["$vita_flags"])
		# clang keeps these two checks in a C++ run-time library, which programs in C do not have.
		AC_LANG_PUSH([C++])
		AX_CHECK_COMPILE_FLAG([-fno-sanitize=function,vptr],
			[AS_VAR_APPEND([CXXFLAGS], [" -fno-sanitize=function,vptr"])])
		AC_LANG_POP([C++])
	], [vita_instrumentation=none])
	AM_CONDITIONAL([FUZZING], [test "x$enable_fuzzing" = xyes])
])
