# SPDX-License-Identifier: MIT
"""An ear from outside: PocketSphinx with its own acoustic model of American English, which never heard our data.

Closed: any words of the domain in any order, each as likely (a unigram loop, language weight 6.5). Letters are words only
where a spelling is expected. Open: its stock language model of general English, as a check.
"""
import math
import os
import shutil
import subprocess
import tempfile
import wave

MODEL = "/usr/share/pocketsphinx/model/en-us"
DICTIONARY = os.path.join(MODEL, "cmudict-en-us.dict")
RATE = 16000
PAUSE = RATE // 5  # of silence around each recording


def write_wav(path, pcm, rate=RATE):
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm.astype("<i2").tobytes())


def read_wav(path):
    import numpy as np
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


class Judge:
    def __init__(self, words, folder):
        """words: of the domain. Files go to folder."""
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.letters = list("abcdefghijklmnopqrstuvwxyz")
        said = {}
        for line in open(DICTIONARY, encoding="utf-8"):
            word, phones = line.split(None, 1)
            said.setdefault(word.split("(")[0], []).append(phones.strip())
        said["a"] = ["AH", "EY"]
        self.missing = sorted(word for word in words if word not in said)
        self.lists = {"words": sorted(w for w in words if w in said and (len(w) > 1 or w in "ai")),
                      "letters": self.letters}
        for name, vocabulary in self.lists.items():
            self.write(name, vocabulary, said)

    def write(self, name, vocabulary, said):
        with open(os.path.join(self.folder, name + ".dict"), "w") as out:
            for word in vocabulary:
                for i, phones in enumerate(said[word]):
                    out.write("%s%s %s\n" % (word, "(%d)" % (i + 1) if i else "", phones))
        each = math.log10(1 / (len(vocabulary) + 1))
        with open(os.path.join(self.folder, name + ".lm"), "w") as out:
            out.write("\\data\\\nngram 1=%d\n\n\\1-grams:\n-99 <s>\n%.4f </s>\n" % (len(vocabulary) + 2, each))
            out.writelines("%.4f %s\n" % (each, word) for word in vocabulary)
            out.write("\n\\end\\\n")

    def hear(self, sounds, vocabulary="words"):
        """What each of the recordings (int16 at 16 kHz) says. vocabulary: words, letters, or open."""
        import numpy as np
        if not sounds:
            return []
        silence = np.zeros(PAUSE, "<i2")
        work = tempfile.mkdtemp(dir=self.folder)
        for i, pcm in enumerate(sounds):
            write_wav(os.path.join(work, "%d.wav" % i), np.concatenate([silence, pcm, silence]))
        with open(os.path.join(work, "list"), "w") as out:
            out.writelines("%d\n" % i for i in range(len(sounds)))
        if vocabulary == "open":
            language = ["-dict", DICTIONARY, "-lm", os.path.join(MODEL, "en-us.lm.bin")]
        else:
            path = os.path.join(self.folder, vocabulary)
            language = ["-dict", path + ".dict", "-lm", path + ".lm", "-lw", "6.5"]
        subprocess.run(["pocketsphinx_batch", "-hmm", os.path.join(MODEL, "en-us"), *language, "-adcin", "yes",
                        "-adchdr", "44", "-cepdir", work, "-cepext", ".wav", "-ctl", os.path.join(work, "list"),
                        "-hyp", os.path.join(work, "heard")], check=True, capture_output=True)
        with open(os.path.join(work, "heard"), encoding="utf-8") as lines:
            heard = [line.rsplit("(", 1)[0].strip() for line in lines]
        shutil.rmtree(work)
        return heard
