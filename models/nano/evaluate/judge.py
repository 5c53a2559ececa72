# SPDX-License-Identifier: MIT
"""An ear from outside: PocketSphinx with its own acoustic model of American English, which never heard our data.

"words": any words of the domain in any order, each as likely (a unigram loop, language weight 6.5). "answers": the same
words by a bigram of answers to questions of the kinds that there are, as a listener expects them who did not hear the
question. "letters", where a word is spelled. "open": its stock language model of general English, as a check. Words that
the dictionary has a pronunciation in common for are one word.
"""
import collections
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
    def __init__(self, words, folder, answers=()):
        """words: of the domain; answers: texts, for the bigram. Files go to folder."""
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
        self.said = {word: set(said[word]) for vocabulary in self.lists.values() for word in vocabulary}
        self.write_bigram("answers", self.lists["words"], answers)

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

    def write_bigram(self, name, vocabulary, texts):
        """Interpolated with the loop (Witten and Bell, 1991), no word after another by more than half."""
        after, known = collections.defaultdict(collections.Counter), {*vocabulary, "<s>", "</s>"}
        for text in texts:
            words = ["<s>", *text.split(), "</s>"]
            for a, b in zip(words, words[1:]):
                if a in known and b in known:
                    after[a][b] += 1
        each, pairs, rest = 1 / (len(vocabulary) + 1), [], {}
        for a, counts in sorted(after.items()):
            n = sum(counts.values())
            share = 0.5 * n / (n + len(counts))
            rest[a] = 1 - share
            pairs += [(share * count / n + (1 - share) * each, a, b) for b, count in sorted(counts.items())]
        with open(os.path.join(self.folder, name + ".lm"), "w") as out:
            out.write("\\data\\\nngram 1=%d\nngram 2=%d\n\n\\1-grams:\n" % (len(vocabulary) + 2, len(pairs)))
            out.write("-99 <s> %.4f\n%.4f </s>\n" % (math.log10(rest.get("<s>", 1)), math.log10(each)))
            out.writelines("%.4f %s %.4f\n" % (math.log10(each), w, math.log10(rest.get(w, 1))) for w in vocabulary)
            out.write("\n\\2-grams:\n")
            out.writelines("%.4f %s %s\n" % (math.log10(p), a, b) for p, a, b in pairs)
            out.write("\n\\end\\\n")

    def same(self, heard, text):
        """Is that what was to be said, or sounds like it?"""
        a, b = heard.split(), text.split()
        return len(a) == len(b) and all(
            x == y or self.said.get(x, set()) & self.said.get(y, set()) for x, y in zip(a, b))

    def hear(self, sounds, vocabulary="words"):
        """What each of the recordings (int16 at 16 kHz) says. vocabulary: words, letters, answers or open."""
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
            words = "letters" if vocabulary == "letters" else "words"
            language = ["-dict", os.path.join(self.folder, words + ".dict"),
                        "-lm", os.path.join(self.folder, vocabulary + ".lm"), "-lw", "6.5"]
        subprocess.run(["pocketsphinx_batch", "-hmm", os.path.join(MODEL, "en-us"), *language, "-adcin", "yes",
                        "-adchdr", "44", "-cepdir", work, "-cepext", ".wav", "-ctl", os.path.join(work, "list"),
                        "-hyp", os.path.join(work, "heard")], check=True, capture_output=True)
        with open(os.path.join(work, "heard"), encoding="utf-8") as lines:
            heard = [line.rsplit("(", 1)[0].strip() for line in lines]
        shutil.rmtree(work)
        return heard
