#!/bin/sh
# What the opencl backend says of machines without a driver, and of drivers whose answers cannot be true.
. "$VITA_SRCDIR/tests/cli/common.sh"

[ -e "$plugindir/backend-opencl.so" ] || { echo "skipped: built without the opencl backend"; exit 77; }
tiny=$VITA_SRCDIR/tests/golden/llm/tiny
driver=$(cat /etc/OpenCL/vendors/*.icd 2>/dev/null | head -n 1)

# No driver at all: everything else works.
mkdir "$scratch/none"
OCL_ICD_VENDORS=$scratch/none expect_exit 0 "$vita" plugins
expect_match "$scratch/out" 'opencl.*no OpenCL platform'
OCL_ICD_VENDORS=$scratch/none expect_exit 0 "$vita" generate -s llm.model="$tiny" --ids 1,5 --max-tokens 2
OCL_ICD_VENDORS=$scratch/none expect_exit 2 "$vita" generate -s llm.model="$tiny" -s backend.name=opencl --ids 1,5
expect_match "$scratch/err" 'no OpenCL platform'

[ -n "$driver" ] || { echo "the rest is skipped: no OpenCL driver"; exit "$failures"; }
"$vita" plugins --json | tr -d ' \n' >"$scratch/json"
expect_match "$scratch/json" '"name":"opencl"[^}]*"available":true'
expect_match "$scratch/json" 'extensionsused'
expect_exit 2 "$vita" generate -s llm.model="$tiny" -s backend.name=opencl -s backend.device=banana --ids 1
expect_match "$scratch/err" 'banana.*found opencl 0'

# What does not fit is refused before anything is uploaded, and says how much is missing; what the sum lets through fits.
generate() { "$vita" generate -s llm.model="$tiny" -s backend.name=opencl --ids 1,5 --max-tokens 8 "$@"; }
expect_exit 1 generate -s backend.memory=1
expect_match "$scratch/err" 'does not fit on .* MiB are needed (llm .* heads .*) and 1.0 of its 1.0 MiB are free: [0-9.]* MiB are missing'
needed=$(sed -n 's/.*: \([0-9]*\)[.0-9]* MiB are needed.*/\1/p' "$scratch/err")
expect_exit 0 generate -s backend.memory=$((needed + 1))
# A context that is named must find room for its caches, and heads and codec count where they are.
expect_exit 1 generate -s llm.context=200000 -s backend.memory=100
expect_match "$scratch/err" 'caches and working memory [0-9][0-9][0-9]'
expect_exit 0 generate -s llm.backend=reference -s heads.backend=reference -s backend.memory=1
expect_exit 1 "$vita" bench --synthetic vita-audio-7b -s backend.name=opencl -s llm.dtype=bf16 -s backend.memory=8000
expect_match "$scratch/err" 'are missing; with llm.dtype = q[0-9a-z_]* the weights would take'
expect_exit 1 "$vita" bench --synthetic glm4-voice-decoder -s backend.name=opencl -s backend.memory=100
expect_match "$scratch/err" 'does not fit on .*codec .*are missing'

mkdir "$scratch/stub"
echo "$VITA_BUILDDIR/tests/stubs/.libs/lying_icd.so" >"$scratch/stub/stub.icd"
OCL_ICD_VENDORS=$scratch/stub
VITA_STUB_DRIVER=$driver
export OCL_ICD_VENDORS VITA_STUB_DRIVER
lie() { # what about, what is said of it
	VITA_STUB_LIE=$1 expect_exit 0 "$vita" plugins
	expect_match "$scratch/out" "opencl.*$2"
}
lie platform-version 'OpenCL banana'
lie device-version 'OpenCL 1.0 old'
lie c-version 'OpenCL C 1.1'
lie number 'contradicts itself'
lie devices 'does not list its devices'

# Found out only when it is used: named by itself an error, by "auto" passed over.
VITA_STUB_LIE=sum expect_exit 1 "$vita" generate -s llm.model="$tiny" -s backend.name=opencl --ids 1,5 --max-tokens 2
expect_match "$scratch/err" 'adds 1 to 64 up to'
VITA_STUB_LIE=sum expect_exit 0 "$vita" generate -s llm.model="$tiny" --ids 1,5 --max-tokens 2
VITA_STUB_LIE=lost VITA_STUB_LAUNCHES=9 expect_exit 1 "$vita" generate -s llm.model="$tiny" -s backend.name=opencl \
	--ids 1,5 --max-tokens 9
expect_match "$scratch/err" 'CL_OUT_OF_RESOURCES'

exit "$failures"
