#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the lists of speech that the audio ends learn from: jobs.py OUT [QUESTIONS TRANSCRIPTS ANSWERS CHECKS].

Contents and voices are those of ../recipe/strings.py, the ones held out there are held out here; but every recording
is as clean as its synthesiser makes it. Rooms, microphones, noise and other throats are train.py's work, anew at every
look. OUT gets input.jsonl, speech.jsonl (the output voice), check-seen.jsonl and check-variant.jsonl, jobs for `speak`.
"""
import itertools
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "recipe"))
import strings  # noqa: E402

HOW = ("voice", "speed", "pitch", "range")


def dry(job, text):
    return {**{k: job[k] for k in HOW if k in job}, "text": strings.pronounced(text), "peak": 0.7}


def main():
    out = sys.argv[1]
    questions, transcripts, answers, checks = map(int, sys.argv[2:6] or (3000, 4000, 9000, 160))
    lists = strings.Lists("1", 1.0)
    heard = itertools.chain(itertools.islice(lists.questions(), questions),
                            itertools.islice(lists.transcripts(), transcripts))
    spoken = list(lists.speech())
    random.Random(1).shuffle(spoken)
    found = {"input": [dry(job, job["question"]) for job in heard],
             "speech": [{**job, "peak": 0.7} for job in spoken[:answers]]}
    for kind in ("seen", "variant"):
        jobs = (job for job in lists.eval() if job["voices"] == kind)
        found["check-" + kind] = [dry(job, job["question"]) for job in itertools.islice(jobs, checks)]
    os.makedirs(out, exist_ok=True)
    for name, jobs in found.items():
        with open(os.path.join(out, name + ".jsonl"), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(job) + "\n" for job in jobs)


if __name__ == "__main__":
    main()
