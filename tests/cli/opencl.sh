#!/bin/sh
# What the opencl backend says of machines without a driver, and of drivers whose answers cannot be true.
. "$VITA_SRCDIR/tests/cli/common.sh"

[ -e "$plugindir/backend-opencl.so" ] || { echo "skipped: built without the opencl backend"; exit 77; }
tiny=$VITA_SRCDIR/tests/golden/llm/tiny
vendors=${OCL_ICD_VENDORS:-/etc/OpenCL/vendors} # where the loader looks for drivers
driver=$(cat "$vendors"/*.icd 2>/dev/null | head -n 1)
[ ! -f "$vendors" ] || driver=$(head -n 1 "$vendors") # it may be one driver's file

# No driver at all: everything else works.
mkdir "$scratch/none"
OCL_ICD_VENDORS=$scratch/none expect_exit 0 "$vita" plugins
expect_match "$scratch/out" 'opencl: no OpenCL platform'
OCL_ICD_VENDORS=$scratch/none expect_exit 0 "$vita" generate -s llm.model="$tiny" --ids 1,5 --max-tokens 2
OCL_ICD_VENDORS=$scratch/none expect_exit 2 "$vita" generate -s llm.model="$tiny" -s backend.name=opencl --ids 1,5
expect_match "$scratch/err" 'no usable device of backend "opencl"; opencl: no OpenCL platform'

[ -n "$driver" ] || { echo "the rest is skipped: no OpenCL driver"; exit "$failures"; }
"$vita" plugins --json | tr -d ' \n' >"$scratch/json"
expect_match "$scratch/json" '"name":"opencl"[^}]*"available":true'
expect_match "$scratch/json" '"device":"[^"]*OpenCL[^"]*driver[^"]*GiB[^"]*extensionsused:'
expect_match "$scratch/json" '"device_name":"[^"][^"]*","device_index":0,"memory_bytes":[1-9][0-9]*'
expect_exit 2 "$vita" generate -s llm.model="$tiny" -s backend.name=opencl -s backend.device=banana --ids 1
expect_match "$scratch/err" 'banana.*found opencl 0'
for device in 0 auto ''; do
	expect_exit 0 "$vita" generate -s llm.model="$tiny" -s backend.name=opencl -s backend.device="$device" -s heads.count=0 \
		--ids 1 --max-tokens 1
done

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

# Sections on devices of their own: the same words and tokens wherever the parts are. PoCL shows a processor twice if
# asked; what it calls it depends on its version.
count_devices() { "$vita" plugins --json | tr -d ' \n' | grep -o '"name":"opencl"[^}]*"available":true' | wc -l; }
for POCL_DEVICES in "cpu cpu" "pthread pthread"; do
	export POCL_DEVICES
	devices=$(count_devices)
	[ "$devices" -eq 0 ] || break
done
if [ -e "$plugindir/codec-mel-vq.so" ]; then
	nano=$VITA_SRCDIR/models/nano
	expect_exit 0 "$vita" init tiny "$scratch/model" -q --audio-tokens 512
	answer() { # the recording, the codec's backend, the language model's, more
		speech=$1 codec=$2 llm=$3
		shift 3
		expect_exit 0 "$vita" run --json -q -s encoder.model="$nano/mel-vq" -s llm.model="$scratch/model" \
			-s codec.model="$nano/mel-vq" -s generation.temperature=0 --max-tokens 24 -s codec.backend="$codec" \
			-s llm.backend="$llm" -s heads.backend="$llm" "$@" -o "$scratch/answer.wav" "$speech"
		tr -d ' \n' <"$scratch/out" | sed 's/,"timing".*//' >"$scratch/answer"
		[ -s "$scratch/answer.wav" ] || fail "no sound with codec $codec and llm $llm"
	}
	# The model that ships says the same on any backend, to the last token.
	for backend in cpu opencl; do
		expect_exit 0 "$vita" run --json -q -c "$VITA_SRCDIR/configs/nano.ini" -s backend.name=$backend \
			-o "$scratch/$backend.wav" "$nano/questions/calendar.wav"
		tr -d ' \n' <"$scratch/out" | sed 's/,"timing".*//' >"$scratch/nano-$backend"
	done
	expect_match "$scratch/nano-cpu" 'saturday","audio_tokens":.[0-9]'
	cmp "$scratch/nano-cpu" "$scratch/nano-opencl" || fail "the small model answers otherwise on opencl"

	answer "$nano/question.wav" cpu cpu -s encoder.backend=cpu
	mv "$scratch/answer" "$scratch/on-cpu"
	expect_match "$scratch/on-cpu" '"audio_tokens":'
	for where in "cpu opencl" "opencl cpu" "opencl opencl"; do
		answer "$nano/question.wav" ${where% *} ${where#* } -s encoder.backend=${where% *}
		cmp "$scratch/on-cpu" "$scratch/answer" || fail "another answer with the codec and the model on $where"
	done
	if [ "$devices" -gt 1 ]; then
		answer "$nano/question.wav" opencl:0 opencl:1 -s heads.backend=opencl:0 -s encoder.backend=opencl:1
		cmp "$scratch/on-cpu" "$scratch/answer" || fail "another answer on two devices"
	fi
fi
# The published audio ends likewise: the same codes and tokens wherever encoder, model and decoder are, and samples that
# differ by what rounding leaves.
golden=$VITA_SRCDIR/tests/golden
if [ -e "$plugindir/encoder-whisper-vq.so" ] && [ -e "$plugindir/codec-flow-hift.so" ]; then
	expect_exit 0 "$vita" init tiny "$scratch/published" -q --audio-tokens 128
	for where in "cpu cpu" "cpu opencl" "opencl cpu" "opencl opencl"; do # the ends, the language model
		ends=${where% *} llm=${where#* }
		expect_exit 0 "$vita" run --json -q -s encoder.model="$golden/tokenizer/tiny" -s llm.model="$scratch/published" \
			-s codec.model="$golden/decoder" -s codec.noise="$golden/decoder/noise.safetensors" -s codec.steps=2 \
			-s generation.temperature=0 --max-tokens 24 -s encoder.backend=$ends -s codec.backend=$ends \
			-s llm.backend=$llm -s heads.backend=$llm -o "$scratch/ends-$ends-$llm.wav" "$golden/audio/speech.wav"
		tr -d ' \n' <"$scratch/out" | sed 's/,"timing".*//' >"$scratch/answer"
		[ -e "$scratch/ends-first" ] || cp "$scratch/answer" "$scratch/ends-first"
		cmp "$scratch/ends-first" "$scratch/answer" || fail "another answer with the ends on $ends, the model on $llm"
		expect_near "ends on $ends" "$scratch/ends-$ends-$llm.wav" "$scratch/ends-cpu-cpu.wav" 128
	done
	expect_match "$scratch/ends-first" '"audio_tokens":.[0-9]'
fi

expect_exit 2 generate -s llm.backend=opencl:banana
expect_match "$scratch/err" 'banana.*found opencl 0'
[ "$devices" -lt 2 ] || expect_exit 0 generate -s llm.backend=opencl:1 -s heads.backend=opencl:0 -s backend.name=reference
unset POCL_DEVICES

# The cache: two processes that start with none at once, one that is damaged, and a folder that nobody may write.
# Few kernels, for each is compiled several times.
few() { generate -s heads.count=0 --ids 5 --max-tokens 3; }
few >"$scratch/expected"
cached() { XDG_CACHE_HOME=$1 few; }
mkdir "$scratch/empty"
cached "$scratch/empty" >"$scratch/first" &
first=$!
cached "$scratch/empty" >"$scratch/second" || fail "a process beside another with an empty cache"
wait $first || fail "a process beside another with an empty cache"
for which in first second; do cmp "$scratch/expected" "$scratch/$which" || fail "other tokens beside another process"; done
n=$(find "$scratch/empty/vita" -name 'opencl-*' | wc -l)
[ "$n" -gt 3 ] || fail "only $n files in the cache"
find "$scratch/empty/vita" -name '*.??????' | grep -q . && fail "half-written files left in the cache"
n=0
for file in "$scratch"/empty/vita/opencl-*; do # a file for each kind of damage
	n=$((n + 1))
	case $n in
	1) : >"$file" ;;
	2) head -c 100 "$file" >"$scratch/cut" && cp "$scratch/cut" "$file" ;;
	3) printf spoilt | dd of="$file" bs=1 seek=900 conv=notrunc 2>/dev/null ;;
	4) cp "$before" "$file" ;;
	esac
	before=$file
done
cached "$scratch/empty" >"$scratch/first" || fail "a damaged cache"
cmp "$scratch/expected" "$scratch/first" || fail "other tokens with a damaged cache"
mkdir "$scratch/locked" "$scratch/file"
chmod 500 "$scratch/locked"
: >"$scratch/file/vita"
for folder in locked file; do
	cached "$scratch/$folder" >"$scratch/first" || fail "a cache that cannot be written ($folder)"
	cmp "$scratch/expected" "$scratch/first" || fail "other tokens without a cache ($folder)"
done
chmod 700 "$scratch/locked"

# Whose the cache is: a driver whose compiler fails shows where programs come from. A file or folder that others could
# have written is not believed, and a file is written anew.
mkdir "$scratch/stub"
echo "$VITA_BUILDDIR/tests/stubs/.libs/lying_icd.so" >"$scratch/stub/stub.icd"
OCL_ICD_VENDORS=$scratch/stub
VITA_STUB_DRIVER=$driver
export OCL_ICD_VENDORS VITA_STUB_DRIVER
cached "$scratch/empty" >"$scratch/first" # what was damaged is whole again
kept() { VITA_STUB_LIE=compile XDG_CACHE_HOME=$scratch/empty few; }
expect_exit 0 kept
distrusted() { # what was done to it
	expect_exit 1 kept
	grep -q 'does not compile' "$scratch/err" || fail "programs are taken from $1"
}
for file in "$scratch"/empty/vita/opencl-*; do
	chmod o+w "$file"
done
distrusted "files that anybody may write"
cached "$scratch/empty" >"$scratch/first" || fail "files that anybody may write"
expect_exit 0 kept
mode=$(find "$scratch"/empty/vita -perm -o+w)
[ -z "$mode" ] || fail "files that anybody may write are left as they were: $mode"
mv "$scratch/empty/vita" "$scratch/elsewhere"
mkdir "$scratch/empty/vita"
for file in "$scratch"/elsewhere/opencl-*; do ln -s "$file" "$scratch/empty/vita/"; done
distrusted "symbolic links"
rm -r "$scratch/empty/vita"
mv "$scratch/elsewhere" "$scratch/empty/vita"
for who in g o; do
	chmod $who+w "$scratch/empty/vita"
	distrusted "a folder that others may write to"
	chmod $who-w "$scratch/empty/vita"
	expect_match "$scratch/err" 'not kept in .*empty/vita: others may write to it'
done
expect_exit 0 kept
if chown 65534 "$scratch/empty/vita" 2>/dev/null; then # only root may
	distrusted "somebody else's folder"
	chown "$(id -u)" "$scratch/empty/vita"
	expect_match "$scratch/err" 'it belongs to another user'
	chown 65534 "$scratch"/empty/vita/opencl-*
	distrusted "somebody else's files"
	chown "$(id -u)" "$scratch"/empty/vita/opencl-*
fi
expect_exit 0 kept

lie() { # what about, what is said of it
	VITA_STUB_LIE=$1 expect_exit 0 "$vita" plugins
	expect_match "$scratch/out" "opencl.*$2"
}
lie platform-version 'OpenCL banana'
lie device-version 'OpenCL 1.0 old'
lie c-version 'OpenCL C 1.1'
lie number 'contradicts itself'
lie devices 'does not list its devices'

# A GPU comes before the cpu backend, a processor after it.
score_of() { "$vita" plugins --json | tr -d ' \n' | sed -n "s/.*\"name\":\"$1\",\"kind\":\"backend\"[^}]*\"score\":\([0-9]*\),.*/\1/p"; }
on_gpu=$(VITA_STUB_LIE=gpu score_of opencl)
on_processor=$(VITA_STUB_LIE=processor score_of opencl)
if [ -e "$plugindir/backend-cpu.so" ]; then
	[ "$on_processor" -lt "$(score_of cpu)" ] || fail "a processor's score is $on_processor"
	[ "$on_gpu" -gt "$(score_of cpu)" ] || fail "a GPU's score is $on_gpu"
fi

# Found out only when it is used: named by itself an error, by "auto" passed over.
VITA_STUB_LIE=sum expect_exit 1 "$vita" generate -s llm.model="$tiny" -s backend.name=opencl --ids 1,5 --max-tokens 2
expect_match "$scratch/err" 'adds 1 to 64 up to'
VITA_STUB_LIE=sum expect_exit 0 "$vita" generate -s llm.model="$tiny" --ids 1,5 --max-tokens 2
VITA_OPENCL_CACHE=0 VITA_STUB_LIE=compile expect_exit 1 "$vita" generate -s llm.model="$tiny" -s backend.name=opencl --ids 1,5
expect_match "$scratch/err" '[a-z]*.cl does not compile for .*: .*[a-z]*.cl:[0-9].*no_such_function'
VITA_STUB_LIE=lost VITA_STUB_LAUNCHES=9 expect_exit 1 "$vita" generate -s llm.model="$tiny" -s backend.name=opencl \
	--ids 1,5 --max-tokens 9
expect_match "$scratch/err" 'CL_OUT_OF_RESOURCES'

exit "$failures"
