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
for x in read("a", "eval"):
    assert x["content"] != "held" or (x["question"], x["answer"]) not in trained, x
said = {x["answer"] for x in read("a", "speech")}
assert said >= {x["answer"] for x in read("a", "questions")}
held = read("a", "speech-held")
assert not said & {x["answer"] for x in held}
silent = {x["content"] for x in held}
assert silent == {"held", "silent"}, silent
assert {x["voices"] for x in read("a", "eval")} == {"seen", "variant", "engine"}
voices = {x["voice"] for x in read("a", "questions") + read("a", "transcripts")}
assert not voices & {x["voice"] for x in read("a", "eval") if x["voices"] != "seen"}
for x in read("a", "questions"):
    if x["family"] == "add" and x["question"].startswith("what is"):
        assert " plus " in x["question"]
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
