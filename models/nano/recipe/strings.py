#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the lists of what the small model is to hear, say and answer.

    strings.py [--seed N] [--scale X] OUT

OUT gets one file of JSON lines a list. A line is a job for `speak` (text, voice and how it is spoken); the fields
question, answer, family, content and voices are for those who read its index afterwards:

    questions      questions in many voices, through rooms and microphones, with their answers
    numbers        the shortest of them: a number said alone, to be said back
    repeats        those that take the best ears: words at random, to be said back
    transcripts    word strings in the same voices, to be written down
    speech         in the output voice: every answer to the above, every word alone, words at random, letters
    eval           questions to look at on the way: content seen or held out, voices seen, unseen, of an unseen engine
    test           others of the same kind, for the end: questions held out are of each family as often as the mixture
                   has it, and those that ask for a word that the output voice never says are a kind of their own, silent
    speech-held    in the output voice: strings that `speech` does not hold
    sentences      questions and answers in text alone (no jobs: nobody speaks them)
    sums, copies   the same of the families that take the most practice
    strings        words at random, to be copied: what a model learns to repeat by
    facts          how words are spelled, and opposites both ways round, those held out as well, stated in a sentence and
                   never asked for
    words          every word, for the tokenizer

What is held out is decided by a hash of the content (the pair of numbers, the words), never by the recording, so
that no list can disagree with another. Line i of a list depends on the seed and i alone: a longer list begins
with the shorter one.
"""
import argparse
import hashlib
import json
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))
DOMAIN = json.load(open(os.path.join(HERE, "domain.json"), encoding="utf-8"))
FAMILIES = DOMAIN["families"]
ONES, TENS = DOMAIN["numbers"]["ones"], DOMAIN["numbers"]["tens"]

# At scale 1; `eval` and `test` have so many of each of their kinds, `test` a fifth of the silent ones, `letters` are
# a part of `speech`, and `repeats` those of so many strings of `speech` that are of two to four words and not held out.
COUNTS = {"questions": 60000, "numbers": 8000, "repeats": 24000, "transcripts": 20000, "speech": 24000,
          "letters": 2400, "sentences": 100000, "sums": 220000, "copies": 150000, "strings": 40000,
          "facts": 20000, "eval": 200, "test": 150, "speech-held": 600, "words": 1}

# What takes the most practice: how much of each family.
DRILLS = {"sums": {"add": 0.36, "sub": 0.36, "compare": 0.12, "next": 0.05, "prev": 0.05, "count": 0.06},
          "copies": {"repeat": 0.75, "spell": 0.15, "count": 0.1}}

# ---- contents --------------------------------------------------------------------------------------------------


def say(number):
    """0 … 99 in words."""
    if number < 20:
        return ONES[number]
    return TENS[number // 10 - 2] + (" " + ONES[number % 10] if number % 10 else "")


def share(seed, *content):
    """A number in 0 … 1 that depends on the content alone."""
    digest = hashlib.sha256("|".join([str(seed), *map(str, content)]).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


class Content:
    """Draws one question and its answer. Each method gives (question, answer, held out?)."""

    def __init__(self, seed):
        self.seed = seed
        by_hash = lambda family, items: sorted(items, key=lambda x: share(seed, family, x))
        self.held_next = set(by_hash("next", range(99))[:10])
        self.held_prev = set(by_hash("prev", range(1, 100))[:10])
        said_elsewhere = {word for name, family in FAMILIES.items() for text in self.all_answers(name, family)
                          for word in text.split()}
        self.silent = set(by_hash("silent", [w for w in FAMILIES["repeat"]["words"] if w not in said_elsewhere])[:20])
        self.short = [w for w in FAMILIES["repeat"]["words"] if 3 <= len(w) <= 5]
        self.lexicon = sorted(self.words())

    @staticmethod
    def all_answers(name, family):
        """Answers of the families with lists of items."""
        if name == "calendar":
            return family["items"]["days"] + family["items"]["months"]
        if name == "greet":
            return family["a"]
        return [answer for _, answer in family.get("items", [])]

    def words(self):
        """Every word of the domain."""
        found = set(ONES + TENS + FAMILIES["repeat"]["words"])
        for name, family in FAMILIES.items():
            for text in family["q"] + family["a"] + self.all_answers(name, family):
                found.update(word for word in text.split() if "{" not in word and word != "...")
            items = [] if name == "calendar" else family.get("items", [])
            found.update(word for question, _ in items for word in question.split())
        return found - {"any", "other", "word", "string"}

    def held(self, part, *content):
        return share(self.seed, *content) < part

    def template(self, rng, family):
        return rng.randrange(len(FAMILIES[family]["q"]))

    def fill(self, family, number, **values):
        text = FAMILIES[family]["q"][number]
        for name, value in values.items():
            text = text.replace("{" + name + "}", value)
        return text

    def draw(self, rng, family):
        return getattr(self, family)(rng)

    def add(self, rng):
        total = rng.randrange(100)
        a = rng.randrange(total + 1)
        b = total - a
        return (self.fill("add", self.template(rng, "add"), A=say(a), B=say(b)), say(total),
                self.held(0.1, "add", min(a, b), max(a, b)))

    def sub(self, rng):
        a = rng.randrange(100)
        b = rng.randrange(a + 1)
        return (self.fill("sub", self.template(rng, "sub"), A=say(a), B=say(b)), say(a - b),
                self.held(0.1, "sub", a, b))

    def next(self, rng):
        n = rng.randrange(99)
        return self.fill("next", self.template(rng, "next"), N=say(n)), say(n + 1), n in self.held_next

    def prev(self, rng):
        n = rng.randrange(1, 100)
        return self.fill("prev", self.template(rng, "prev"), N=say(n)), say(n - 1), n in self.held_prev

    def compare(self, rng):
        a, b = rng.sample(range(100), 2)
        number = self.template(rng, "compare")
        best = max(a, b) if "bigger" in FAMILIES["compare"]["q"][number] else min(a, b)
        return (self.fill("compare", number, A=say(a), B=say(b)), say(best),
                self.held(0.1, "compare", min(a, b), max(a, b)))

    def calendar(self, rng):
        items = FAMILIES["calendar"]["items"][rng.choice(["days", "months"])]
        i, number = rng.randrange(len(items)), self.template(rng, "calendar")
        step = 1 if "after" in FAMILIES["calendar"]["q"][number] else -1
        return self.fill("calendar", number, D=items[i]), items[(i + step) % len(items)], False

    def opposite(self, rng):
        x, y = rng.choice(FAMILIES["opposite"]["items"])
        one_way = self.held(0.2, "opposite", x, y) and [x, y] != ["young", "old"]
        turned = self.held(0.5, "direction", x, y)
        if rng.random() < 0.5 and y != "old":
            return self.fill("opposite", self.template(rng, "opposite"), X=y), x, one_way and turned
        return self.fill("opposite", self.template(rng, "opposite"), X=x), y, one_way and not turned

    def fact(self, rng, family):
        x, y = rng.choice(FAMILIES[family]["items"])
        number = self.template(rng, family)
        held = self.held(0.2, family, x) and number == int(self.held(0.5, family, "template", x))
        return self.fill(family, number, X=x), y, held

    def capital(self, rng):
        return self.fact(rng, "capital")

    def colour(self, rng):
        return self.fact(rng, "colour")

    def repeat(self, rng):
        words = [rng.choice(FAMILIES["repeat"]["words"]) for _ in range(rng.randint(2, 4))]
        text = " ".join(words)
        held = self.held(0.1, "repeat", text) or bool(self.silent & set(words))
        return self.ask_to_repeat(rng, text), text, held

    def ask_to_repeat(self, rng, text):
        return self.fill("repeat", self.template(rng, "repeat")).replace("{W..}", text)

    def count(self, rng):
        a = rng.randrange(99)
        b = min(99, a + rng.randint(1, 4))
        return (self.fill("count", 0, A=say(a), B=say(b)), " ".join(say(n) for n in range(a, b + 1)),
                self.held(0.1, "count", a, b))

    def spell(self, rng):
        word = rng.choice(self.short)
        return self.fill("spell", self.template(rng, "spell"), W=word), " ".join(word), self.held(0.2, "spell", word)

    def greet(self, rng):
        i = self.template(rng, "greet")
        return FAMILIES["greet"]["q"][i], FAMILIES["greet"]["a"][i], False

    def unknown(self, rng):
        words = [rng.choice(FAMILIES["repeat"]["words"]) for _ in range(rng.randint(2, 4))]
        text = " ".join(words)
        return text, FAMILIES["unknown"]["a"][0], self.held(0.1, "unknown", text)

    def echo(self, rng):
        n = rng.randrange(10) if rng.random() < 0.5 else rng.randrange(100)
        return self.fill("echo", self.template(rng, "echo"), N=say(n)), say(n), False

    def question(self, rng, held=None, family=None):
        """One of the mixture, (family, question, answer, held out?); held: None for either."""
        names = list(DOMAIN["mixture"])
        weights = [DOMAIN["mixture"][name] for name in names]
        while True:
            name = family or rng.choices(names, weights)[0]
            text, answer, is_held = self.draw(rng, name)
            if held is None or held == is_held:
                return name, text, answer, is_held

    def question_held(self, rng, silent):
        """One held out, its family drawn before: more of one family's contents may be held out than of another's."""
        names = [name for name in DOMAIN["mixture"] if FAMILIES[name]["holdout"].split()[0] not in ("none", "voices")]
        name = "repeat" if silent else rng.choices(names, [DOMAIN["mixture"][name] for name in names])[0]
        while True:
            found = self.question(rng, held=True, family=name)
            if silent == (name == "repeat" and bool(self.silent & set(found[2].split()))):
                return found

    def string(self, rng, longest=8):
        """Words at random, or numbers: what neither question nor answer is."""
        if rng.random() < 0.25:
            return " ".join(say(rng.randrange(100)) for _ in range(rng.randint(1, 4)))
        return " ".join(rng.choice(self.lexicon) for _ in range(rng.choice([1, 2, 2, 3, 3, 4, 4, 5, 6, longest])))

    def letters(self, rng):
        """Letters at random: as often as a voice needs to say any after any other."""
        while True:
            text = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 5)))
            if not (text in self.short and self.held(0.2, "spell", text)):
                return " ".join(text)

    def never_said(self, text):
        """Kept out of the output voice's training."""
        words = text.split()
        return bool(self.silent & set(words)) or (len(words) > 2 and self.held(0.1, "speech", text)) or (
            self.held(0.1, "repeat", text) and len(words) > 1 and not set(words) & set(ONES + TENS))


# ---- voices ----------------------------------------------------------------------------------------------------

OUTPUT_VOICE = "flite:rms"
ACCENTS = ["en-us", "en-us", "en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc"]
VARIANTS = ("m1 m2 m3 m4 m5 m6 m8 f1 f2 f3 f5 Alex Alicia Andrea Andy Denis Diogo Gene Henrique Hugo Jacky Lee Marco "
            "Mario Mike adam anika antonio aunty belinda benjamin boris caleb david ed edward grandma grandpa iven "
            "john kaukovalta marcelo max michel miguel norbert pablo paul pedro quincy rob robert sandro shelby "
            "steph victor zac").split()
HELD_VARIANTS = "m7 f4 Annie Michael linda travis".split()
FLITE_VOICES = ["slt", "slt", "slt", "awb", "awb", "awb", "kal16", "kal16", "rms"]
ENGINE_VOICES = ["festival:kal_diphone", "festival:ked_diphone", "festival:cmu_us_slt_arctic_hts"]


def some(rng, low, high):
    return round(rng.uniform(low, high), 3)


def input_voice(rng, variants=VARIANTS, flite=0.45):
    """Who asks, and how: no two recordings alike."""
    if rng.random() < flite:
        return {"voice": "flite:" + rng.choice(FLITE_VOICES), "speed": some(rng, 0.85, 1.2),
                "pitch": some(rng, 0.8, 1.25), "warp": some(rng, 0.84, 1.2)}
    return {"voice": "espeak:%s+%s" % (rng.choice(ACCENTS), rng.choice(variants)), "speed": some(rng, 0.8, 1.2),
            "pitch": some(rng, 0.5, 1.4), "range": some(rng, 0.4, 1.6), "warp": some(rng, 0.88, 1.14)}


def microphone(rng):
    """What lies between a mouth and a file."""
    effects = {"seed": rng.randrange(2**31), "lead": some(rng, 0.02, 0.35), "tail": some(rng, 0.02, 0.45),
               "peak": some(rng, 0.15, 0.95)}
    if rng.random() < 0.6:
        effects["snr"] = some(rng, 8, 40)
    if rng.random() < 0.35:
        effects["room"] = some(rng, 0.08, 0.6)
    if rng.random() < 0.5:
        effects["tilt"] = some(rng, -0.8, 0.9)
    if rng.random() < 0.35:
        effects["band"] = some(rng, 3200, 4000) if rng.random() < 0.6 else some(rng, 4000, 7500)
    return effects


SPOKEN = {"vita": "veeta", "lima": "leema"}


def pronounced(text):
    """As a synthesiser must read it to say it right: letters by name, a name that it does not know."""
    words = text.split()
    letters = len(words) > 1 and all(len(word) == 1 for word in words)
    return " ".join("eigh" if letters and word == "a" else SPOKEN.get(word, word) for word in words)


# ---- lists -----------------------------------------------------------------------------------------------------


class Lists:
    def __init__(self, seed, scale):
        self.seed, self.scale, self.content = seed, scale, Content(seed)

    def rng(self, name, i):
        return random.Random("%s/%s/%d" % (self.seed, name, i))

    def count(self, name):
        return max(1, int(COUNTS[name] * self.scale))

    def questions(self, name="questions", only=None):
        for i in range(self.count(name)):
            rng = self.rng(name, i)
            family, question, answer, _ = self.content.question(rng, held=False, family=only)
            yield {"text": question, **input_voice(rng), **microphone(rng), "family": family, "question": question,
                   "answer": answer}

    def numbers(self):
        return self.questions("numbers", "echo")

    def speech_string(self, i):
        """String i of those that the output voice says beside the answers."""
        rng = self.rng("speech", i)
        string = self.content.string(rng)
        while self.content.never_said(string):
            string = self.content.string(rng)
        return string

    def repeats(self):
        """Of strings that the output voice says anyhow, so that each has its spoken answer."""
        for i in range(self.count("repeats")):
            string = self.speech_string(i)
            if not 2 <= len(string.split()) <= 4 or self.content.held(0.1, "repeat", string):
                continue
            rng = self.rng("repeats", i)
            question = self.content.ask_to_repeat(rng, string)
            yield {"text": question, **input_voice(rng), **microphone(rng), "family": "repeat", "question": question,
                   "answer": string}

    def transcripts(self):
        for i in range(self.count("transcripts")):
            rng = self.rng("transcripts", i)
            string = self.content.string(rng)
            while self.content.held(0.1, "transcript", string) and len(string.split()) > 2:
                string = self.content.string(rng)
            yield {"text": string, **input_voice(rng), **microphone(rng), "question": string}

    def spoken(self, text, **more):
        return {"text": pronounced(text), "voice": OUTPUT_VOICE, "answer": text, **more}

    def speech(self):
        said = set()
        for job in self.questions():
            if job["answer"] not in said:
                said.add(job["answer"])
                yield self.spoken(job["answer"], family=job["family"])
        for word in self.content.lexicon:
            if word not in said and word not in self.content.silent:
                said.add(word)
                yield self.spoken(word)
        for i in range(self.count("speech")):
            string = self.speech_string(i)
            if string not in said:
                said.add(string)
                yield self.spoken(string)
        for i in range(self.count("letters")):
            string = self.content.letters(self.rng("letters", i))
            if string not in said:
                said.add(string)
                yield self.spoken(string, family="letters")

    def speech_held(self):
        for i in range(self.count("speech-held")):
            rng = self.rng("speech-held", i)
            string = self.content.string(rng, longest=6)
            while not self.content.never_said(string):
                string = self.content.string(rng, longest=6)
            silent = bool(self.content.silent & set(string.split()))
            yield self.spoken(string, content="silent" if silent else "held")

    def sentences(self):
        for i in range(self.count("sentences")):
            family, question, answer, _ = self.content.question(self.rng("sentences", i), held=False)
            yield {"family": family, "question": question, "answer": answer}

    def drill(self, name):
        for i in range(self.count(name)):
            rng = self.rng(name, i)
            family = rng.choices(list(DRILLS[name]), list(DRILLS[name].values()))[0]
            family, question, answer, _ = self.content.question(rng, held=False, family=family)
            yield {"family": family, "question": question, "answer": answer}

    def sums(self):
        return self.drill("sums")

    def copies(self):
        return self.drill("copies")

    def strings(self):
        """Longer than any that is asked: where a long string is copied, what one word says of the next is of no use."""
        for i in range(self.count("strings")):
            rng = self.rng("strings", i)
            words = [say(rng.randrange(100)) if rng.random() < 0.1 else rng.choice(self.content.lexicon)
                     for _ in range(rng.randint(4, 24))]
            yield {"family": "string", "question": " ".join(words), "answer": " ".join(words)}

    def facts(self):
        """As a sentence, or as an entry of a dictionary, which is nearer to how answers follow questions."""
        for i in range(self.count("facts")):
            rng = self.rng("facts", i)
            if rng.random() < 0.3:
                x, y = rng.choice(FAMILIES["opposite"]["items"])
                if [x, y] != ["young", "old"] and rng.random() < 0.5:  # old has another opposite
                    x, y = y, x
                form = rng.choice(["the opposite of %s is %s", "the opposite of %s\n%s"])
                yield {"family": "opposite", "answer": form % (x, y)}
            else:
                word = rng.choice(self.content.short)
                form = rng.choice(["you spell %s %s", "to spell %s\n%s"])
                yield {"family": "spell", "answer": form % (word, " ".join(word))}

    def words(self):
        for word in self.content.lexicon:
            yield {"word": word}

    def asked(self, content, voices, i, rng, family, question, answer):
        if voices == "engine":
            how = {"voice": ENGINE_VOICES[i % len(ENGINE_VOICES)]}
        elif voices == "variant":
            how = input_voice(rng, HELD_VARIANTS, flite=0)
        else:
            how = input_voice(rng)
        return {"text": question, **how, "family": family, "question": question, "answer": answer,
                "content": content, "voices": voices}

    def eval(self):
        for content in ("seen", "held"):
            for voices in ("seen", "variant", "engine"):
                for i in range(self.count("eval")):
                    rng = self.rng("eval/%s" % content, i)  # the same questions for all voices
                    family, question, answer, _ = self.content.question(rng, held=content == "held")
                    rng = self.rng("eval/%s/%s" % (content, voices), i)
                    yield self.asked(content, voices, i, rng, family, question, answer)

    def test(self):
        for content, part in (("seen", 1), ("held", 1), ("silent", 5)):
            for voices in ("seen", "variant", "engine"):
                for i in range(max(1, self.count("test") // part)):
                    rng = self.rng("test/%s" % content, i)  # the same questions for all voices
                    family, question, answer, _ = (self.content.question(rng, held=False) if content == "seen" else
                                                   self.content.question_held(rng, content == "silent"))
                    rng = self.rng("test/%s/%s" % (content, voices), i)
                    yield self.asked(content, voices, i, rng, family, question, answer)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", metavar="OUT")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--scale", type=float, default=1.0, help="shorter or longer lists (default 1)")
    arguments = parser.parse_args()
    lists = Lists(arguments.seed, arguments.scale)
    os.makedirs(arguments.out, exist_ok=True)
    for name in (name for name in COUNTS if name != "letters"):
        path, n = os.path.join(arguments.out, name + ".jsonl"), 0
        with open(path + ".new", "w", encoding="utf-8") as out:
            for line in getattr(lists, name.replace("-", "_"))():
                out.write(json.dumps(line) + "\n")
                n += 1
        os.replace(path + ".new", path)
        print("%8d  %s" % (n, path))


if __name__ == "__main__":
    main()
