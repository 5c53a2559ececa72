#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Learns a byte-level BPE and writes what an untrained model consists of: tokenizer.json in Qwen2's form, config.json
and generation_config.json.

    bpe.py [--size N] [--audio N] [--shape FOLDER] LISTS -o FOLDER

LISTS is a folder of strings.py. Text tokens come first: 256 bytes, then merges learnt from the lists (Sennrich, Haddow
and Birch 2016), until there are N or every word is a token; behind them the chat and audio markers and the audio
tokens. A word's count enters as its square root, so that words of rare questions get tokens of their own too. The two
configs are those of the shape's folder with the number of tokens and the markers' ids put in.
"""
import argparse
import collections
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
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
    with open(os.path.join(folder, "words.jsonl"), encoding="utf-8") as lines:
        for line in lines:
            counts.update(form + json.loads(line)["word"] for form in ("", " "))
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


def write(folder, name, document, indent=None):
    path = os.path.join(folder, name)
    with open(path + ".new", "w", encoding="utf-8") as out:
        json.dump(document, out, ensure_ascii=False, indent=indent, separators=None if indent else (",", ":"))
        out.write("\n")
    os.replace(path + ".new", path)


def write_configs(shape, folder, ids, n_tokens):
    """The shape's configs for this tokenizer; rows of the embedding are a multiple of 8."""
    for name in ("config.json", "generation_config.json"):
        with open(os.path.join(shape, name), encoding="utf-8") as file:
            document = json.load(file)
        document["bos_token_id"] = ids["<|endoftext|>"]
        document["eos_token_id"] = ids["<|im_end|>"]
        if name == "config.json":
            document["vocab_size"] = -(-n_tokens // 8) * 8
        else:
            document["pad_token_id"] = ids["<|endoftext|>"]
            document["eos_token_id"] = [ids["<|im_end|>"], ids["<|endoftext|>"]]
        write(folder, name, document, 1)


def main():
    parser = argparse.ArgumentParser(description="Learns a byte-level BPE and writes an untrained model's files.")
    parser.add_argument("lists", metavar="LISTS")
    parser.add_argument("-o", dest="out", required=True)
    parser.add_argument("--size", type=int, default=2048, help="text tokens at most (default %(default)s)")
    parser.add_argument("--audio", type=int, default=512, help="audio tokens (default %(default)s)")
    parser.add_argument("--shape", default=os.path.join(HERE, "start"), help="folder of the configs to begin with")
    arguments = parser.parse_args()
    document = tokenizer(learn(count_words(arguments.lists), arguments.size - 256), arguments.audio)
    ids = {token["content"]: token["id"] for token in document["added_tokens"]}
    os.makedirs(arguments.out, exist_ok=True)
    write(arguments.out, "tokenizer.json", document)
    write_configs(arguments.shape, arguments.out, ids, max(ids.values()) + 1)
    print("%d text tokens, %d markers, %d audio tokens" % (len(document["model"]["vocab"]), len(MARKERS),
                                                           arguments.audio))


if __name__ == "__main__":
    main()
