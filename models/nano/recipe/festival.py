#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does what `speak` does, for lists whose voices may be Festival's too ("festival:ked_diphone").

    festival.py [--speak PROGRAM] [-j N] JOBS.jsonl OUT

Writes OUT.pcm and OUT.jsonl as speak does. Festival is a program of its own and slower; its voices are kept for the
evaluation. Of a job's settings only lead, tail and peak are heeded with them.
"""
import argparse
import array
import json
import os
import subprocess
import tempfile
import wave

RATE = 16000


def festival(jobs, folder):
    """One process for all jobs; gives each one's samples."""
    script = os.path.join(folder, "jobs.scm")
    with open(script, "w", encoding="utf-8") as out:
        for i, job in enumerate(jobs):
            text = job["text"].replace("\\", " ").replace('"', " ")
            out.write('(voice_%s)\n(set! u (utt.synth (Utterance Text "%s")))\n(utt.wave.resample u %d)\n'
                      "(utt.save.wave u \"%s/%d.wav\" 'riff)\n"
                      % (job["voice"].split(":", 1)[1], text, RATE, folder, i))
    subprocess.run(["festival", "-b", script], check=True)
    for i, job in enumerate(jobs):
        with wave.open(os.path.join(folder, "%d.wav" % i)) as sound:
            pcm = array.array("h", sound.readframes(sound.getnframes()))
            assert sound.getframerate() == RATE and sound.getnchannels() == 1
        yield finish(job, pcm)


def finish(job, pcm):
    """Silence at the ends and loudness as the job wants them."""
    most = max(map(abs, pcm)) or 1
    loud = [i for i, x in enumerate(pcm) if abs(x) > 0.02 * most]
    first, end = loud[0], loud[-1] + 1
    lead, tail = int(job.get("lead", 0.06) * RATE), int(job.get("tail", 0.06) * RATE)
    gain = job.get("peak", 0.7) * 32767 / most
    silence = array.array("h", [0])
    kept = silence * max(0, lead - first) + pcm[max(0, first - lead):end + tail]
    kept += silence * max(0, end + tail - len(pcm))
    return array.array("h", [round(x * gain) for x in kept])


def speak(program, processes, jobs, folder):
    path, out = os.path.join(folder, "jobs.jsonl"), os.path.join(folder, "spoken")
    with open(path, "w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(job) + "\n" for job in jobs)
    subprocess.run([program, "-j", str(processes), path, out], check=True)
    with open(out + ".pcm", "rb") as pcm, open(out + ".jsonl", encoding="utf-8") as index:
        for line in index:
            job = json.loads(line)
            job.pop("offset")
            yield job, array.array("h", pcm.read(2 * job["samples"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("jobs", metavar="JOBS.jsonl")
    parser.add_argument("out", metavar="OUT")
    parser.add_argument("--speak", default="models/nano/recipe/speak", help="the program (default: %(default)s)")
    parser.add_argument("-j", type=int, default=1, dest="processes")
    arguments = parser.parse_args()
    with open(arguments.jobs, encoding="utf-8") as lines:
        jobs = [json.loads(line) for line in lines]
    foreign = [job["voice"].startswith("festival:") for job in jobs]
    with tempfile.TemporaryDirectory() as folder:
        theirs = festival([job for job, is_foreign in zip(jobs, foreign) if is_foreign], folder)
        ours = speak(arguments.speak, arguments.processes,
                     [job for job, is_foreign in zip(jobs, foreign) if not is_foreign], folder)
        offset = 0
        with open(arguments.out + ".pcm.new", "wb") as pcm, open(arguments.out + ".jsonl.new", "w") as index:
            for job, is_foreign in zip(jobs, foreign):
                if is_foreign:
                    sound = next(theirs)
                    job["samples"] = len(sound)
                else:
                    job, sound = next(ours)
                job["offset"] = offset
                offset += len(sound)
                pcm.write(sound.tobytes())
                index.write(json.dumps(job) + "\n")
    os.replace(arguments.out + ".pcm.new", arguments.out + ".pcm")
    os.replace(arguments.out + ".jsonl.new", arguments.out + ".jsonl")


if __name__ == "__main__":
    main()
