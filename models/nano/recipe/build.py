#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns what was said and how it sounds in codes into training data for `vita train`.

    build.py --lists LISTS --packs PACKS -o OUT

LISTS is a folder of strings.py; PACKS one of NAME.codes.jsonl, as `codes` writes them. OUT gets JSON lines of
conversations in which audio tokens stand written out:

    asr.jsonl       a recording; what it says
    asr-voice.jsonl the same of the output voice, which says more strings of words than all others
    tts.jsonl       a text; its words, each followed by its own sound
    alone.jsonl     the same of single words, to be read aloud and as the end of an answer, and
    letters.jsonl   of letters: in tts.jsonl they are too rare to be learnt
    txt.jsonl       a question in text; the question again and its answer
    worked.jsonl    those of them whose answers must be worked out
    sums.jsonl      more of these, and
    copies.jsonl    of words to be repeated or spelled, and
    strings.jsonl   of long strings; only what comes after the sound, and no question before it
    facts.jsonl     what is so, said outright, in text
    s2s.jsonl       a spoken question; the question in text, its answer in text, and the answer's words with their sound
    worn-asr.jsonl, worn-s2s.jsonl, worn-numbers.jsonl
                    the same, and those that are a number alone, with some of what was heard replaced, lost or doubled:
                    people differ from synthesisers more than these do from one another
    held-*.jsonl    the same of what is held out, to be evaluated on the way

An answer begins with what was heard because a small model reasons better about text than about sound.
"""
import argparse
import json
import os
import random

ASR = "Convert the speech to text.\n"
TTS = "Convert the text to speech.\n"
RATE = 16000
WORDS = 512  # of the codebook


def sound(codes):
    return "<|begin_of_audio|>" + "".join("<|audio_%d|>" % code for code in codes) + "<|end_of_audio|>"


def spoken(job):
    """The words of job["answer"], each with its sound. A token goes to the word in which most of it lies."""
    words, ends, codes = job["answer"].split(), [end for _, end in job["words"]], job["codes"]
    if len(words) != len(ends) or len(codes) < len(words):
        return None
    out, begin = [], 0
    for i, (word, end) in enumerate(zip(words, ends)):
        left = len(words) - 1 - i  # words that still need a token each
        at = len(codes) if left == 0 else round(end * job["rate"] / RATE)
        at = min(max(at, begin + 1), len(codes) - left)
        out.append(word + sound(codes[begin:at]))
        begin = at
    return " ".join(out)


def conversation(user, assistant):
    return {"messages": [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]}


def read(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def worn(codes, rng):
    """Codes of which up to a fifth are others, are missing or stand twice."""
    share, out = rng.uniform(0, 0.2), []
    for code in codes:
        if rng.random() >= share:
            out.append(code)
            continue
        change = rng.random()
        if change < 0.6:
            out.append(rng.randrange(WORDS))
        elif change < 0.8:
            out += [code, code]
    return out or codes


class Builder:
    def __init__(self, lists, packs):
        self.lists, self.packs = lists, packs
        self.voice = {}  # a text as the output voice says it
        self.spelled = []  # those of them that spell
        for job in read(packs, "speech.codes.jsonl"):
            text = spoken(job)
            if text:
                self.voice[job["answer"]] = text
                if job.get("family") in ("spell", "letters"):
                    self.spelled.append(job["answer"])

    def recordings(self, names, wear):
        rng = random.Random("/".join(names))
        for job in (job for name in names for job in read(self.packs, name + ".codes.jsonl")):
            yield job, sound(worn(job["codes"], rng) if wear else job["codes"])

    def asr(self, wear=False):
        for job, heard in self.recordings(["transcripts", "questions", "numbers", "repeats"], wear):
            yield conversation(ASR + heard, job["question"])

    def worn_asr(self):
        return self.asr(wear=True)

    def asr_voice(self):
        for job in read(self.packs, "speech.codes.jsonl"):
            yield conversation(ASR + sound(job["codes"]), job["answer"])

    def tts(self):
        for text, said in self.voice.items():
            yield conversation(TTS + text, said)

    def said(self, texts):
        """To be read aloud, and as an answer ends whose question is not told."""
        for text in texts:
            yield conversation(TTS + text, self.voice[text])
            yield conversation("", text + "\n" + self.voice[text])

    def alone(self):
        return self.said(text for text in self.voice if len(text.split()) == 1)

    def letters(self):
        return self.said(self.spelled)

    def txt(self, families=None):
        for line in read(self.lists, "sentences.jsonl"):
            if families is None or line["family"] in families:
                yield conversation(line["question"], line["question"] + "\n" + line["answer"])

    def worked(self):
        return self.txt(("add", "sub", "next", "prev", "compare", "count"))

    def drill(self, name):
        for line in read(self.lists, name + ".jsonl"):
            yield conversation("", line["question"] + "\n" + line["answer"])

    def sums(self):
        return self.drill("sums")

    def copies(self):
        return self.drill("copies")

    def strings(self):
        return self.drill("strings")

    def facts(self):
        for line in read(self.lists, "facts.jsonl"):
            yield conversation("", line["answer"])

    def questions(self, names, wanted=None, wear=False):
        for job, heard in self.recordings(names, wear):
            said = self.voice.get(job["answer"])
            if said and all(job.get(key) == value for key, value in (wanted or {}).items()):
                yield conversation(heard, "\n".join([job["question"], job["answer"], said]))

    def worn_s2s(self):
        return self.questions(["questions", "numbers", "repeats"], wear=True)

    def worn_numbers(self):
        return self.questions(["numbers"], wear=True)

    def s2s(self):
        return self.questions(["questions", "numbers", "repeats"])

    def held_s2s(self):
        return self.questions(["eval"], {"content": "held", "voices": "variant"})

    def held_asr(self):
        for job in read(self.packs, "eval.codes.jsonl"):
            if job["content"] == "held" and job["voices"] == "variant":
                yield conversation(ASR + sound(job["codes"]), job["question"])

    def held_tts(self):
        for job in read(self.packs, "speech-held.codes.jsonl"):
            said = spoken(job)
            if said and job["content"] == "held":
                yield conversation(TTS + job["answer"], said)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lists", required=True)
    parser.add_argument("--packs", required=True)
    parser.add_argument("-o", dest="out", required=True)
    arguments = parser.parse_args()
    builder = Builder(arguments.lists, arguments.packs)
    os.makedirs(arguments.out, exist_ok=True)
    for name in ("asr", "asr-voice", "tts", "alone", "letters", "txt", "worked", "sums", "copies", "strings", "facts",
                 "s2s", "worn-asr", "worn-s2s", "worn-numbers", "held-asr", "held-tts", "held-s2s"):
        path, n = os.path.join(arguments.out, name + ".jsonl"), 0
        with open(path + ".new", "w", encoding="utf-8") as out:
            for line in getattr(builder, name.replace("-", "_"))():
                out.write(json.dumps(line, separators=(",", ":")) + "\n")
                n += 1
        os.replace(path + ".new", path)
        print("%8d  %s" % (n, path))


if __name__ == "__main__":
    main()
