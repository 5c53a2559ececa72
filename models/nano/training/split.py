#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""split.py DATA: parts asr, s2s and their worn forms in DATA into NAME-words.jsonl and NAME-rest.jsonl.

"words" are the lines whose recording is words at random: to be written down, or to be said back. They are what the
model heard worst, so the training from part 1i on took more of them.
"""
import json
import os
import re
import sys

MARKUP = re.compile(r"<\|[^|]*\|>")
ASKS = {"what", "which", "count", "spell", "how", "add", "take", "tell"}


def is_words(transcript):
    words = transcript.split()
    if words[:1] == ["say"] and len(words) > 2 or words[:3] == ["repeat", "after", "me"]:
        return True
    return len(words) > 1 and words[0] not in ASKS and not {"plus", "minus"} & set(words)


def main():
    for name in ("asr", "worn-asr", "s2s", "worn-s2s"):
        path = os.path.join(sys.argv[1], name)
        with open(path + ".jsonl", encoding="utf-8") as lines, \
             open(path + "-words.jsonl", "w", encoding="utf-8") as words, \
             open(path + "-rest.jsonl", "w", encoding="utf-8") as rest:
            for line in lines:
                answer = MARKUP.sub("", json.loads(line)["messages"][-1]["content"])
                (words if is_words(answer.split("\n")[0]) else rest).write(line)


if __name__ == "__main__":
    main()
