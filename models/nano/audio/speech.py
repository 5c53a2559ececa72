# SPDX-License-Identifier: MIT
"""Synthesised speech as `speak` writes it (NAME.pcm and NAME.jsonl), and its phones."""
import json

import numpy as np

# PocketSphinx's copy of the CMU Pronouncing Dictionary (package pocketsphinx-en-us).
DICTIONARY = "/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict"
# Letters by name, and names as the synthesisers are told to say them.
SAID = {"_a": "EY", "eigh": "EY", "vita": "V IY T AH", "lima": "L IY M AH", "veeta": "V IY T AH", "leema": "L IY M AH"}
PHONES = ("AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z "
          "ZH").split()


class Lexicon:
    def __init__(self, path=DICTIONARY):
        number = {phone: i + 1 for i, phone in enumerate(PHONES)}  # 0: CTC's blank
        self.words = {}
        for line in open(path, encoding="utf-8"):
            word, *phones = line.split()
            if all(phone in number for phone in phones):
                self.words[word] = [number[phone] for phone in phones]
        for word, phones in SAID.items():
            self.words[word] = [number[phone] for phone in phones.split()]

    def phones(self, text):
        """Of a text as the synthesiser was given it; None with a word that the dictionary lacks."""
        words = text.split()
        return None if any(w not in self.words for w in words) else [p for w in words for p in self.words[w]]


class Recording:
    __slots__ = ("pcm", "phones", "voice", "text")

    def __init__(self, pcm, phones, voice, text):
        self.pcm, self.phones, self.voice, self.text = pcm, phones, voice, text

    def sound(self):
        return self.pcm.astype(np.float32) / 32768


def load(names, lexicon, most=None):
    """Recordings of several lists, those with unknown words left out."""
    found = []
    for name in names:
        pcm = np.memmap(name + ".pcm", dtype="<i2", mode="r")
        for i, line in enumerate(open(name + ".jsonl", encoding="utf-8")):
            if most is not None and i >= most:
                break
            job = json.loads(line)
            phones = lexicon.phones(job["text"])
            if phones:
                at = job["offset"]
                found.append(Recording(pcm[at:at + job["samples"]], phones, job["voice"], job["text"]))
    return found
