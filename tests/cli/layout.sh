#!/bin/sh
# vita info on models of the published layouts: whole, and with what may be wrong with a download.
. "$VITA_SRCDIR/tests/cli/common.sh"

golden=$VITA_SRCDIR/tests/golden/sensevoice/llm/model.safetensors
make_model() { # directory, kind, options
	folder=$scratch/$1 kind=$2
	shift 2
	"$VITA_BUILDDIR/tests/cli/published" "$kind" "$folder" "$golden" "$@" || fail "cannot make $kind"
}
info() { # exit status, directory; the document in $scratch/document
	expect_exit "$1" "$vita" info --json "$scratch/$2"
	compact "$scratch/out" | sed 's/.*,"layout"/"layout"/' >"$scratch/document"
}
# A model that fits: parts with as many tensors each.
fits() { # directory, tensors of llm, of heads
	info 0 "$1"
	expect_match "$scratch/document" '"layout":{"fits":true'
	expect_match "$scratch/document" "\"kind\":\"llm\",\"plugin\":\"qwen2\",\"tensors\":$2,\"fits\":true"
	[ "$3" = 0 ] || expect_match "$scratch/document" "\"kind\":\"heads\",\"plugin\":\"mctp\",\"tensors\":$3,\"fits\":true"
}
misfit() { # directory, pattern of the sentence
	info 1 "$1"
	expect_match "$scratch/document" '"fits":false'
	expect_match "$scratch/document" "$2"
	expect_exit 1 "$vita" info "$scratch/$1"
	expect_match "$scratch/out" 'does not fit'
	expect_match "$scratch/out" 'wrong:'
}

# Two layers of 12 tensors and embedding, norm, output; ten heads of a layer and three more.
make_model boost boost
fits boost 27 150
expect_match "$scratch/document" 'scheduleis1,10,4,10'
expect_match "$scratch/document" '<|audio_0|>is298,and128audiotokens'
expect_match "$scratch/document" 'hearsaudiotokens'
expect_match "$scratch/document" '"unused":\[\]'
make_model balance balance
fits balance 27 150
expect_match "$scratch/document" 'scheduleis1,4,3,8,4,10'
if [ -e "$plugindir/encoder-sensevoice.so" ]; then
	for kind in plus-vanilla plus-boost; do
		make_model $kind $kind
		heads=150
		[ $kind = plus-boost ] || heads=0
		fits $kind 27 $heads
		expect_match "$scratch/document" '<|audio_0|>is299,and128audiotokens'
		expect_match "$scratch/document" 'featurerows,at<|context_of_audio|>'
		expect_match "$scratch/document" '"kind":"encoder","plugin":"sensevoice","tensors":74,"fits":true'
		expect_match "$scratch/document" '"needs":\["[^"]*noam.mvn'
		expect_match "$scratch/document" '"unused":\["model.audio_model.model.ctc.ctc_lo.bias",'
	done
	expect_exit 0 "$vita" info "$scratch/plus-boost" -s encoder.cmvn="$VITA_SRCDIR/tests/golden/sensevoice/am.mvn"
	expect_match "$scratch/out" '^encoder  *sensevoice reads 74 tensors, fits$'
	grep -q needs: "$scratch/out" && fail "am.mvn is named, and still needed"
	make_model deaf plus-boost --without model.audio_model.model.encoder.tp_encoders.1.norm2.bias
	misfit deaf 'hasnotensor.*tp_encoders.1.norm2.bias'
fi

# ---- what may be wrong ---------------------------------------------------------------------------
make_model less boost --without model.layers.1.mlp.up_proj.weight
misfit less 'hasnotensor.*model.layers.1.mlp.up_proj.weight'
make_model lost-head boost --without mtp_projs.9.weight
misfit lost-head 'hasnotensor.*mtp_projs.9.weight'
make_model no-head boost --without mtp_projs.0.weight
misfit no-head 'num_nextn_predict_layers'
make_model narrow boost --narrow model.layers.11.self_attn.o_proj.weight
misfit narrow 'o_proj.weight.*musthavetheshape.*\[48,48\]'
make_model plain boost --plain-tokenizer --rows 432
misfit plain 'hasnotoken<|begin_of_audio|>'
make_model few boost --rows 300
misfit few 'tokenizer'
make_model none boost
rm "$scratch/none/tokenizer.json" # ids will do
info 0 none
expect_match "$scratch/document" '"needs":\["[^"]*none/tokenizer.json'
echo '{"model":' >"$scratch/none/tokenizer.json"
misfit none 'tokenizer.json'
make_model odd boost
sed -i 's/"hidden_size":48/"hidden_size":64/' "$scratch/odd/config.json"
misfit odd 'musthavetheshape'
[ "$(grep -o 'musthavetheshape' "$scratch/document" | wc -l)" -gt 50 ] || fail "not all wrong shapes were told"
make_model schedule boost
sed -i 's/"mtp_inference_mode":\[[^]]*\]/"mtp_inference_mode":[0,"x"]/' "$scratch/schedule/generation_config.json"
misfit schedule 'mtp_inference_mode'

# A file that is cut off cannot be opened at all.
head -c 100000 "$scratch/boost/model.safetensors" >"$scratch/none/model.safetensors"
expect_exit 1 "$vita" info "$scratch/none"

# ---- a config's models together ------------------------------------------------------------------
if [ -e "$plugindir/encoder-codec2.so" ]; then
	expect_exit 2 "$vita" info -s llm.model="$scratch/boost" -s encoder.plugin=codec2
	expect_match "$scratch/out" '5664 different tokens'
	expect_exit 0 "$vita" info --json -s llm.model="$scratch/boost"
	compact "$scratch/out" >"$scratch/document"
	expect_match "$scratch/document" '"layout":{"fits":true'
fi
# A model that hears tokens alone with an encoder of rows.
if [ -e "$plugindir/encoder-sensevoice.so" ]; then
	rows="-s encoder.plugin=sensevoice -s encoder.model=$VITA_SRCDIR/tests/golden/sensevoice"
	# shellcheck disable=SC2086 # a list of arguments
	expect_exit 2 "$vita" info --json -s llm.model="$scratch/boost" $rows
	compact "$scratch/out" >"$scratch/document"
	expect_match "$scratch/document" 'encodersensevoicegivesfeaturerows,butthetokenizerof.*hasnotoken<|context_of_audio|>'
	expect_match "$scratch/document" '"layout":{"fits":false'
	# shellcheck disable=SC2086
	expect_exit 2 "$vita" asr -s llm.model="$scratch/boost" $rows "$VITA_SRCDIR/tests/golden/sensevoice/speech.wav"
fi
# The directories of encoder and codec mistaken for each other.
if [ -e "$plugindir/codec-flow-hift.so" ] && [ -e "$plugindir/encoder-whisper-vq.so" ]; then
	expect_exit 1 "$vita" info -c "$VITA_SRCDIR/configs/vita-audio-boost.ini" -s llm.model="$scratch/boost" \
		-s encoder.model="$VITA_SRCDIR/tests/golden/decoder" -s codec.model="$VITA_SRCDIR/tests/golden/tokenizer/tiny"
	expect_match "$scratch/out" '^encoder  *whisper-vq does not fit'
	expect_match "$scratch/out" '^codec  *flow-hift does not fit'
	expect_match "$scratch/out" 'lacks what a speech decoder needs: config.yaml, flow'
fi

# What the config is at fault for is exit 2, as with every other verb, and all else is told even so.
for wrong in heads.count=99 heads.schedule=never llm.backend=nonesuch backend.device=no-such-device encoder.plugin=nonesuch; do
	expect_exit 2 "$vita" info --json -s llm.model="$scratch/boost" -s $wrong
	expect_match "$scratch/err" "^vita: .*${wrong#*.*=}"
	compact "$scratch/out" >"$scratch/document"
	expect_match "$scratch/document" '"layout":{"fits":false'
	expect_match "$scratch/document" '"kind":"tokenizer","plugin":"","tensors":0,"fits":true'
done
expect_exit 2 "$vita" info "$scratch/boost" -s backend.name=nonesuch
expect_match "$scratch/out" '^llm .*does not fit'

# ---- what a config names and is not there: every part of it, not the first alone ------------------
part() { # kind, plugin, fits, pattern of its sentence
	expect_match "$scratch/document" "$4\"\],\"needs\":\[\],\"notes\":\[[^]]*\],\"kind\":\"$1\",\"plugin\":\"$2\",\"tensors\":[0-9]*,\"fits\":$3"
}
missing='nosuchmodelfileordirectory'
if [ -e "$plugindir/codec-flow-hift.so" ] && [ -e "$plugindir/encoder-whisper-vq.so" ]; then
	config="-c $VITA_SRCDIR/configs/vita-audio-boost.ini"
	# shellcheck disable=SC2086 # lists of arguments
	expect_exit 1 "$vita" info --json $config
	compact "$scratch/out" >"$scratch/document"
	expect_match "$scratch/document" '"layout":{"fits":false'
	part llm '' false "VITA-Audio-Boost:thereis$missing"
	part heads mctp false 'languagemodelthatdoesnotopen'
	part encoder whisper-vq false "glm-4-voice-tokenizer:thereis$missing"
	part codec flow-hift false "glm-4-voice-decoder:thereis$missing"
	# shellcheck disable=SC2086
	expect_exit 1 "$vita" info $config
	[ "$(grep -c 'does not fit' "$scratch/out")" = 4 ] || fail "not four parts: $(cat "$scratch/out")"
	# One that is there among them, and one with a file that is not.
	mkdir "$scratch/no-hift"
	cp "$VITA_SRCDIR/tests/golden/decoder/config.yaml" "$VITA_SRCDIR/tests/golden/decoder/flow.pt" "$scratch/no-hift/"
	# shellcheck disable=SC2086
	expect_exit 1 "$vita" info $config -s encoder.model="$VITA_SRCDIR/tests/golden/tokenizer/tiny" -s codec.model="$scratch/no-hift"
	expect_match "$scratch/out" '^encoder  *whisper-vq reads 66 tensors, fits'
	expect_match "$scratch/out" '^codec  *flow-hift .*does not fit'
	expect_match "$scratch/out" 'wrong: .*no-hift.*hift'
fi
# A language model without weights may have its tokenizer.
rm "$scratch/boost/model.safetensors"
expect_exit 2 "$vita" info --json -s llm.model="$scratch/boost" -s encoder.plugin=nonesuch -s codec.model="$scratch"
compact "$scratch/out" >"$scratch/document"
expect_match "$scratch/document" '"kind":"llm","plugin":"","tensors":0,"fits":false'
expect_match "$scratch/document" '"kind":"tokenizer","plugin":"","tensors":0,"fits":true'
part encoder '' false 'noencoder\\"nonesuch\\".*'
part codec '' false 'nocodecplugin.*knowsthismodel.*'
# A config's tokenizer has to be there.
expect_exit 1 "$vita" info -s llm.model="$VITA_SRCDIR/tests/golden/llm/tiny"
expect_match "$scratch/out" 'wrong: .*tokenizer.json'

expect_exit 2 "$vita" info
expect_exit 2 "$vita" info -s vita.log=error
expect_exit 2 "$vita" info "$scratch/boost" "$scratch/balance"

finish
