#!/bin/sh
# The recipe of the small model's data: the same seed gives the same lists and the same sound, a longer list begins
# with the shorter one, and nothing that is held out is trained on.
set -eu
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
recipe=$VITA_SRCDIR/models/nano/recipe
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

python3 "$recipe/strings.py" --scale 0.02 "$work/a" >/dev/null
python3 "$recipe/strings.py" --scale 0.01 "$work/b" >/dev/null
python3 - "$work" <<'END'
import json, sys
work = sys.argv[1]
read = lambda where, name: [json.loads(line) for line in open("%s/%s/%s.jsonl" % (work, where, name))]
for name in ("questions", "transcripts", "speech-held", "sentences"):
    long, short = read("a", name), read("b", name)
    assert short and len(short) < len(long) and long[:len(short)] == short, name
trained = {(x["question"], x["answer"]) for name in ("questions", "sentences") for x in read("a", name)}
for x in read("a", "eval") + read("a", "test"):
    assert x["content"] == "seen" or (x["question"], x["answer"]) not in trained, x
said = {x["answer"] for x in read("a", "speech")}
assert said >= {x["answer"] for x in read("a", "questions")}
held = read("a", "speech-held")
assert not said & {x["answer"] for x in held}
silent = {x["content"] for x in held}
assert silent == {"held", "silent"}, silent
never = {w for x in held if x["content"] == "silent" for w in x["answer"].split()} - {w for x in said for w in x.split()}
for name in ("eval", "test"):
    assert {x["voices"] for x in read("a", name)} == {"seen", "variant", "engine"}
for x in read("a", "test"):
    assert not never & set(x["answer"].split()) or x["content"] == "silent", x
voices = {x["voice"] for x in read("a", "questions") + read("a", "transcripts")}
assert not voices & {x["voice"] for x in read("a", "eval") if x["voices"] != "seen"}
for x in read("a", "questions"):
    if x["family"] == "add" and x["question"].startswith("what is"):
        assert " plus " in x["question"]
END

# The tokenizer: the same twice, and text comes back.
python3 "$recipe/bpe.py" --size 400 "$work/a" -o "$work/start" >/dev/null
python3 "$recipe/bpe.py" --size 400 "$work/a" -o "$work/again" >/dev/null
cmp "$work/start/tokenizer.json" "$work/again/tokenizer.json"
vita=$VITA_BUILDDIR/apps/vita/vita
text='what is the capital of peru'
ids=$("$vita" tokenize -s llm.model="$work/start" "$text")
[ "$("$vita" detokenize -s llm.model="$work/start" "$ids")" = "$text" ]
[ "$(echo "$ids" | tr ',' '\n' | wc -l)" -lt 15 ]
[ "$("$vita" tokenize -s llm.model="$work/start" '<|im_start|><|audio_511|>')" = 401,918 ]
grep -q '"vocab_size": 920' "$work/start/config.json"
grep -q '"eos_token_id": 402' "$work/start/config.json"

# Training data: each token of sound goes to its word, and none is lost.
mkdir "$work/packs"
cat >"$work/packs/speech.codes.jsonl" <<'END'
{"answer": "forty two", "rate": 25, "words": [["forty", 1900], ["two", 3300]], "codes": [1, 2, 3, 4, 5]}
{"answer": "a b", "rate": 25, "words": [["a", 10], ["b", 20]], "codes": [1, 2, 3]}
{"answer": "too short", "rate": 25, "words": [["too", 10], ["short", 20]], "codes": [1]}
END
cat >"$work/packs/questions.codes.jsonl" <<'END'
{"question": "one plus forty one", "answer": "forty two", "codes": [7, 8]}
{"question": "nobody says this", "answer": "too short", "codes": [7, 8]}
END
python3 "$recipe/build.py" --lists "$work/a" --packs "$work/packs" -o "$work/data" >/dev/null
python3 - "$work/data" <<'END'
import json, sys
read = lambda name: [[m["content"] for m in json.loads(line)["messages"]]
                     for line in open("%s/%s.jsonl" % (sys.argv[1], name))]
begin, end, audio = "<|begin_of_audio|>", "<|end_of_audio|>", "<|audio_%d|>"
sound = lambda *codes: begin + "".join(audio % code for code in codes) + end
said = "forty" + sound(1, 2, 3) + " two" + sound(4, 5)
assert read("tts") == [["Convert the text to speech.\nforty two", said],
                       ["Convert the text to speech.\na b", "a" + sound(1) + " b" + sound(2, 3)]]
assert read("s2s") == [[sound(7, 8), "one plus forty one\nforty two\n" + said]]
assert read("asr")[0] == ["Convert the speech to text.\n" + sound(7, 8), "one plus forty one"]
END

speak=$VITA_BUILDDIR/models/nano/recipe/speak
[ -x "$speak" ] || { echo "lists pass; skipped: speak was not built"; exit 77; }
head -6 "$work/a/questions.jsonl" >"$work/jobs"
head -2 "$work/a/speech.jsonl" >>"$work/jobs"
"$speak" "$work/jobs" "$work/once"
"$speak" -j 3 "$work/jobs" "$work/twice"
cmp "$work/once.pcm" "$work/twice.pcm"
cmp "$work/once.jsonl" "$work/twice.jsonl"
# What was spoken before makes no difference.
tail -1 "$work/jobs" | "$speak" - "$work/alone"
python3 - "$work" <<'END'
import json, sys
work = sys.argv[1]
last = [json.loads(line) for line in open(work + "/once.jsonl")][-1]
assert open(work + "/once.pcm", "rb").read()[2 * last["offset"]:] == open(work + "/alone.pcm", "rb").read()
assert last["samples"] > 4000
assert [word for word, _ in last["words"]] == last["text"].split()
ends = [end for _, end in last["words"]]
assert ends == sorted(ends) and 0 < ends[0] and ends[-1] <= last["samples"], ends
END
if echo '{"text": "x", "voice": "flite:nobody"}' | "$speak" - "$work/none" 2>"$work/said"; then
	echo "a voice that is not there was spoken"
	exit 1
fi
grep -q nobody "$work/said"
[ ! -e "$work/none.pcm" ]
