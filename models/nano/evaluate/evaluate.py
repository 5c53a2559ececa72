#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Asks the small model its questions and counts what it gets right, in text and in speech.

    evaluate.py --vita VITA -c CONFIG --pack EVAL [--digits FOLDER] [--strings LIST] [--most N] [--modes vanilla,…]
                -o OUT

EVAL is a list as `speak` writes it (EVAL.pcm, EVAL.jsonl with question, answer, family, content, voices, voice). FOLDER
holds recordings of people, DIGIT_SPEAKER_NUMBER.wav. LIST has strings to be read aloud (speech-held.jsonl). OUT gets
answers.jsonl, every answer with what was heard of it, and report.md and report.json: shares right with n and 95 %
intervals, ceilings, and failures. The judge of speech is PocketSphinx (judge.py). An interrupted run goes on behind its
last answer.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

import figures
import judge

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "recipe"))
import strings  # noqa: E402

MODES = {"vanilla": ["heads.schedule=vanilla"], **{name: ["heads.schedule=" + name, "heads.verify=off"]
                                                  for name in ("boost", "balance", "turbo")},
         "exact": ["heads.schedule=turbo", "heads.verify=exact"]}


# What a judge expects of an answer, and of one that is spelled.
JUDGES = {"heard": ("words", "letters"), "expected": ("answers", "letters")}
IN_SPEECH = "right in speech (%s)"
IN_VOICE = "right in the voice itself, of answers right in text (%s)"


# ---- asking ----------------------------------------------------------------------------------------------------


class Vita:
    def __init__(self, path, config):
        self.path, self.config = path, config
        modules = os.path.join(os.path.dirname(os.path.abspath(path)), "..", "..", "modules")
        if os.path.isdir(modules):  # a build tree
            os.environ.setdefault("VITA_PLUGIN_PATH", modules)

    def call(self, verb, *arguments, settings=(), source=None):
        overrides = [part for s in settings for part in ("-s", s)]
        done = subprocess.run([self.path, verb, "-c", self.config, *overrides, *arguments], input=source,
                              capture_output=True)
        if done.returncode != 0:
            raise RuntimeError("vita %s: %s" % (verb, done.stderr.decode(errors="replace").strip()))
        return done.stdout

    def answer(self, pcm, rate, settings):
        """(text, sound at 16 kHz, timing)"""
        with tempfile.TemporaryDirectory() as work:
            question, answer = os.path.join(work, "q.wav"), os.path.join(work, "a.wav")
            judge.write_wav(question, pcm, rate)
            said = json.loads(self.call("run", "--json", "-o", answer, question,
                                        settings=["generation.temperature=0", *settings]))
            sound = judge.read_wav(answer)[0] if os.path.exists(answer) else np.zeros(0, "<i2")
            return said["text"], sound, said.get("timing", {})

    def read_aloud(self, text):
        """Sound at 16 kHz."""
        with tempfile.TemporaryDirectory() as work:
            path = os.path.join(work, "a.wav")
            self.call("tts", "-o", path, "-", settings=["generation.temperature=0"], source=text.encode())
            return judge.read_wav(path)[0] if os.path.exists(path) else np.zeros(0, "<i2")

    def coded(self, pcm):
        """The recording through the model's encoder and codec."""
        with tempfile.TemporaryDirectory() as work:
            there, back = os.path.join(work, "q.wav"), os.path.join(work, "a.wav")
            judge.write_wav(there, pcm)
            self.call("decode", "-o", back, "-", source=self.call("encode", there))
            return judge.read_wav(back)[0]

    def drafts(self, pcm, rate):
        """Sources of an answer's tokens under verify = exact: 0 the model itself, k its head k."""
        with tempfile.TemporaryDirectory() as work:
            question = os.path.join(work, "q.wav")
            judge.write_wav(question, pcm, rate)
            tokens = json.loads(self.call("encode", "--json", question))["tokens"]
        sound = "".join("<|audio_%d|>" % t for t in tokens)
        prompt = ("<|im_start|>user\n<|begin_of_audio|>%s<|end_of_audio|><|im_end|>\n<|im_start|>assistant\n" % sound)
        ids = json.loads(self.call("tokenize", "--json", "-", source=prompt.encode()))["ids"]
        out = self.call("generate", "--json", "--ids", ",".join(map(str, ids)),
                        settings=["generation.temperature=0", *MODES["exact"]])
        return json.loads(out)["source"]


def parts(text):
    """What the model wrote: what it heard, its answer."""
    lines = [line.strip() for line in text.strip().split("\n")]
    return (lines + ["", ""])[0], (lines + ["", ""])[1]


# ---- questions -------------------------------------------------------------------------------------------------


def from_pack(pack, most):
    """Interleaved over the kinds (content, voices), so that a short run has all of them."""
    pcm, kinds = np.memmap(pack + ".pcm", "<i2", "r"), {}
    for line in open(pack + ".jsonl", encoding="utf-8"):
        job = json.loads(line)
        kinds.setdefault((job["content"], job["voices"]), []).append(job)
    for i in range(max(map(len, kinds.values()))):
        for (content, voices), jobs in kinds.items():
            if i < len(jobs) and (most is None or i < most):
                job = jobs[i]
                sound = np.array(pcm[job["offset"]:job["offset"] + job["samples"]])
                yield {"key": "%s/%s/%d" % (content, voices, i), "content": content, "voices": voices,
                       "voice": job["voice"], "family": job["family"], "question": job["question"],
                       "answer": job["answer"]}, sound, judge.RATE


def from_digits(folder, most):
    seen = {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".wav"):
            continue
        digit, speaker = name[:-4].split("_")[:2]
        seen[speaker, digit] = seen.get((speaker, digit), 0) + 1
        if most is not None and seen[speaker, digit] > max(1, most // 10):
            continue
        sound, rate = judge.read_wav(os.path.join(folder, name))
        said = strings.say(int(digit))
        yield {"key": "people/" + name, "content": "seen", "voices": "people", "voice": speaker, "family": "echo",
               "question": said, "answer": said}, sound, rate


def spelled(row):
    return row["family"] == "spell"


# ---- one run ---------------------------------------------------------------------------------------------------


def ask_all(args, vita, referee, path):
    done = set()
    if os.path.exists(path):
        done = {(row["mode"], row["key"]) for row in map(json.loads, open(path, encoding="utf-8"))}
    with open(path, "a", encoding="utf-8") as out:
        for mode in args.modes.split(","):
            sources = [from_pack(args.pack, args.most)] if args.pack else []
            if args.digits:
                sources.append(from_digits(args.digits, args.most))
            waiting = []
            for source in sources:
                for row, sound, rate in source:
                    if (mode, row["key"]) in done:
                        continue
                    text, answer, timing = vita.answer(sound, rate, MODES[mode])
                    waiting.append(({**row, "mode": mode, "text": text, "timing": timing}, answer))
                    if len(waiting) == 50:
                        waiting = judged(referee, waiting, out)
            judged(referee, waiting, out)


def judged(referee, waiting, out):
    """What the judges hear of each answer, written down."""
    for name, vocabularies in JUDGES.items():
        for spelling in (0, 1):
            some = [w for w in waiting if spelled(w[0]) == spelling]
            for (row, _), heard in zip(some, referee.hear([a for _, a in some], vocabularies[spelling])):
                row[name], row[name + " right"] = heard, referee.same(heard, row["answer"])
    for row, answer in waiting:
        row["transcript"], row["written"] = parts(row["text"])
        row["seconds"] = round(len(answer) / judge.RATE, 2)
        out.write(json.dumps(row, ensure_ascii=False) + "\n")
    out.flush()
    return []


def voice_itself(referee, path):
    """{judge: the answers that it hears right when the output voice itself says them}"""
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    texts = {spelling: list(dict.fromkeys(r["answer"] for r in rows if spelled(r) == spelling)) for spelling in (0, 1)}
    sounds = {spelling: [flite(text) for text in some] for spelling, some in texts.items()}
    return {name: {text for spelling in (0, 1)
                   for text, heard in zip(texts[spelling], referee.hear(sounds[spelling], vocabularies[spelling]))
                   if referee.same(heard, text)} for name, vocabularies in JUDGES.items()}


def ceilings(vita, referee, pack, most):
    """Answers in the output voice itself, and that voice through encoder and codec; no model in between."""
    jobs = [json.loads(line) for line in open(pack + ".jsonl", encoding="utf-8")]
    texts = list(dict.fromkeys(job["answer"] for job in jobs if not spelled(job)))[:most]
    voice = [flite(text) for text in texts]
    found = {}
    for name, sounds in (("the voice", voice), ("the voice, coded", [vita.coded(s) for s in voice])):
        heard, expected = referee.hear(sounds), referee.hear(sounds, "answers")
        found[name] = {"right (heard)": figures.share(sum(map(referee.same, heard, texts)), len(texts)),
                       "right (expected)": figures.share(sum(map(referee.same, expected, texts)), len(texts)),
                       "word error": figures.word_error(heard, texts),
                       "word error, stock model": figures.word_error(referee.hear(sounds, "open"), texts)}
    return found


def reading(vita, referee, path, most):
    """Strings that the output voice never said in training, read aloud, and beside them the voice itself."""
    found, groups = {}, {}
    for line in open(path, encoding="utf-8"):
        job = json.loads(line)
        groups.setdefault(job["content"], []).append(job["answer"])
    for content, texts in sorted(groups.items()):
        texts = texts[:most]
        name = {"held": "strings held out, read aloud",
                "silent": "strings with a word that the voice never said, read aloud"}.get(content, content)
        for who, sounds in ((name, [vita.read_aloud(text) for text in texts]),
                            (name + ": the voice itself", [flite(text) for text in texts])):
            heard = referee.hear(sounds)
            found[who] = {"right": figures.share(sum(map(referee.same, heard, texts)), len(texts)),
                          "word error": figures.word_error(heard, texts)}
    return found


def flite(text):
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "a.wav")
        subprocess.run(["flite", "-voice", "rms", "-t", strings.pronounced(text), "-o", path], check=True,
                       capture_output=True)
        return judge.read_wav(path)[0]


def heads(vita, args):
    """How many of each head's drafts the model itself would have said, of those that it looked at."""
    kept, asked = {}, {}
    for row, sound, rate in from_pack(args.pack, max(1, (args.most or 40) // 4)):
        del row
        run = []
        for source in [*vita.drafts(sound, rate), 0]:
            if source:
                run.append(source)
                continue
            for k in run:
                kept[k] = kept.get(k, 0) + 1
                asked[k] = asked.get(k, 0) + 1
            if run and len(run) < 10:
                asked[len(run) + 1] = asked.get(len(run) + 1, 0) + 1
            run = []
    return {"head %d" % k: figures.share(kept.get(k, 0), asked[k]) for k in sorted(asked)}


# ---- the report ------------------------------------------------------------------------------------------------


def rows_of(rows, voice):
    right = [r["written"] == r["answer"] for r in rows]
    said = [r for r, ok in zip(rows, right) if ok]
    transcripts, questions = [r["transcript"] for r in rows], [r["question"] for r in rows]
    table = {"heard exactly": figures.share(sum(t == q for t, q in zip(transcripts, questions)), len(rows)),
             "word error of hearing": figures.word_error(transcripts, questions),
             "right in text": figures.share(sum(right), len(rows))}
    for name in JUDGES:
        table[IN_SPEECH % name] = figures.share(sum(r[name + " right"] for r in rows), len(rows))
        table[IN_VOICE % name] = figures.share(sum(r["answer"] in voice[name] for r in said), len(said))
    words = [r for r in said if not spelled(r)]
    table["word error of speaking"] = figures.word_error([r["heard"] for r in words], [r["answer"] for r in words])
    return table


def drop(table, name):
    """From text to speech, in percent of what was right in text; of the model, and of the voice itself."""
    text, speech, voice = (table[key] for key in ("right in text", IN_SPEECH % name, IN_VOICE % name))
    if not text.get("percent"):
        return None
    return 100 * (1 - speech["percent"] / text["percent"]), 100 - voice["percent"]


def report(args, path, voice, extra):
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    tables = {}
    for mode in dict.fromkeys(r["mode"] for r in rows):
        mine = [r for r in rows if r["mode"] == mode]
        groups = {"%s voices, %s questions" % (r["voices"], r["content"]): (r["voices"], r["content"]) for r in mine}
        for name, (voices, content) in sorted(groups.items()):
            some = [r for r in mine if (r["voices"], r["content"]) == (voices, content)]
            tables[mode + ": " + name] = rows_of(some, voice)
            for part in ("voice", "family"):
                for value in sorted({r[part] for r in some}) if mode == args.modes.split(",")[0] else []:
                    tables["%s: %s, %s %s" % (mode, name, part, value)] = rows_of(
                        [r for r in some if r[part] == value], voice)
    failures = [r for r in rows if not r["expected right"]][:60]
    with open(os.path.join(args.output, "report.json"), "w", encoding="utf-8") as out:
        json.dump({"tables": tables, **extra}, out, indent=1)
    with open(os.path.join(args.output, "report.md"), "w", encoding="utf-8") as out:
        out.write("Percent (95 % interval), n. Judges are PocketSphinx over the domain's words, one that expects any "
                  "word anywhere (heard) and one that expects answers of the kinds that there are (expected).\n")
        for title, table in [*extra.get("ceilings", {}).items(), *extra.get("reading", {}).items(), *tables.items()]:
            out.write("\n## %s\n\n| | percent | n |\n| --- | --- | --- |\n" % title)
            out.writelines(figures.line(name, figure) + "\n" for name, figure in table.items())
            for name in JUDGES if "right in text" in table else []:
                if drop(table, name) is not None:
                    out.write("\nFrom text to speech %.1f %% are lost (%s); the voice itself would lose %.1f %%.\n" %
                              (drop(table, name)[0], name, drop(table, name)[1]))
        if extra.get("heads"):
            out.write("\n## Drafts that the model itself would have said\n\n| | percent | n |\n| --- | --- | --- |\n")
            out.writelines(figures.line(name, figure) + "\n" for name, figure in extra["heads"].items())
        out.write("\n## Failures\n\n| mode | voice | question | it heard | it wrote | the judge heard | right |\n"
                  "| --- | --- | --- | --- | --- | --- | --- |\n")
        for r in failures:
            out.write("| " + " | ".join((r["mode"], r["voice"], r["question"], r["transcript"], r["written"],
                                         r["expected"], r["answer"])) + " |\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vita", default=os.path.join(HERE, "..", "..", "..", "build", "apps", "vita", "vita"))
    parser.add_argument("-c", "--config", default=os.path.join(HERE, "..", "..", "..", "configs", "nano.ini"))
    parser.add_argument("--pack", help="the list of questions, as speak wrote it")
    parser.add_argument("--digits", help="folder of people's recordings; never trained on")
    parser.add_argument("--strings", help="list of strings to be read aloud")
    parser.add_argument("--most", type=int, help="questions of each kind (default all)")
    parser.add_argument("--modes", default=",".join(MODES), help="of " + ", ".join(MODES))
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    unknown = [mode for mode in args.modes.split(",") if mode not in MODES]
    if unknown or not (args.pack or args.digits or args.strings):
        parser.error("there is no mode " + unknown[0] if unknown else "name a --pack, --digits or --strings")
    os.makedirs(args.output, exist_ok=True)
    vita, path = Vita(args.vita, args.config), os.path.join(args.output, "answers.jsonl")
    referee = judge.Judge(strings.Content("1").words(), os.path.join(args.output, "judge"),
                          [line["answer"] for line in strings.Lists("1", 0.2).sentences()])
    ask_all(args, vita, referee, path)
    extra = {}
    if args.pack:
        extra = {"ceilings": ceilings(vita, referee, args.pack, args.most or 300),
                 "heads": heads(vita, args)}
    if args.strings:
        extra["reading"] = reading(vita, referee, args.strings, args.most or 300)
    report(args, path, voice_itself(referee, path), extra)
    print(open(os.path.join(args.output, "report.md"), encoding="utf-8").read())


if __name__ == "__main__":
    main()
