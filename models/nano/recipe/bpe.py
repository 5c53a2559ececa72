#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Learns a byte-level BPE from text and writes it as a tokenizer.json in Qwen2's form.

    bpe.py [--size N] [--audio N] LISTS -o tokenizer.json

LISTS is a folder of strings.py. Text tokens come first: 256 bytes, then merges learnt from the lists (Sennrich, Haddow
and Birch 2016), until there are N or every word is a token; behind them the chat and audio markers and the audio tokens. A word's count enters
as its square root, so that words of rare questions get tokens of their own too.
"""
import argparse
import collections
import json
import os
import re

MARKERS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_audio|>", "<|end_of_audio|>",
           "<|context_of_audio|>", "<|audio|>"]
# Qwen2's way to cut text before merging.
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
# The same on the lists' alphabet, in Python's regular expressions.
PIECES = re.compile(r" ?[a-zA-Z]+| ?[^\sa-zA-Z]+\n*|\s*\n+|\s+")
FIXED = ["Convert the speech to text.\n", "Convert the text to speech.\n", "user", "assistant", "system", "\n"]


def byte_alphabet():
    """GPT-2's: printable bytes stand for themselves, the others for characters from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(hidden)}}


ALPHABET = byte_alphabet()


def texts(folder):
    """All that messages will say: alone, and as one line behind another, where words lose their space."""
    for name in ("questions", "transcripts", "speech", "sentences"):
        with open(os.path.join(folder, name + ".jsonl"), encoding="utf-8") as lines:
            for line in lines:
                fields = json.loads(line)
                for key in ("question", "answer"):
                    if key in fields:
                        yield fields[key]


def count_words(folder):
    counts = collections.Counter()
    for text in texts(folder):
        counts.update(PIECES.findall(text))
    for text in FIXED:
        for piece in PIECES.findall(text):
            counts[piece] += 1000000
    return {tuple(ALPHABET[b] for b in word.encode()): n ** 0.5 for word, n in counts.items()}


def learn(words, n_merges):
    """The n_merges most frequent pairs, one after the other; ties by the pair itself, so that all runs agree."""
    merges = []
    while len(merges) < n_merges:
        pairs = collections.Counter()
        for word, n in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = {joined(word, best): n for word, n in words.items()}
    return merges


def joined(word, pair):
    out, i = [], 0
    while i < len(word):
        if word[i:i + 2] == pair:
            out.append(pair[0] + pair[1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)


def tokenizer(merges, n_audio):
    vocabulary = {ALPHABET[b]: i for i, b in enumerate(sorted(ALPHABET, key=lambda b: ALPHABET[b]))}
    for a, b in merges:
        vocabulary.setdefault(a + b, len(vocabulary))
    added = [(name, True) for name in MARKERS] + [("<|audio_%d|>" % i, False) for i in range(n_audio)]
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}
    to_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": len(vocabulary) + i, "content": name, "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False, "special": special}
                         for i, (name, special) in enumerate(added)],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, to_bytes]},
        "post_processor": to_bytes, "decoder": to_bytes,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary,
                  "merges": [list(pair) for pair in merges]},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lists", metavar="LISTS")
    parser.add_argument("-o", dest="out", required=True)
    parser.add_argument("--size", type=int, default=2048, help="text tokens at most (default %(default)s)")
    parser.add_argument("--audio", type=int, default=512, help="audio tokens (default %(default)s)")
    arguments = parser.parse_args()
    merges = learn(count_words(arguments.lists), arguments.size - 256)
    document = tokenizer(merges, arguments.audio)
    with open(arguments.out + ".new", "w", encoding="utf-8") as out:
        json.dump(document, out, ensure_ascii=False, separators=(",", ":"))
        out.write("\n")
    os.replace(arguments.out + ".new", arguments.out)
    text = len(document["model"]["vocab"])
    print("%d text tokens, markers from %d, audio tokens %d to %d" % (
        text, text, text + len(MARKERS), text + len(MARKERS) + arguments.audio - 1))


if __name__ == "__main__":
    main()
