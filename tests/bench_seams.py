#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How far speech in chunks is from the same speech at once: the table of doc/architecture.md.

    tests/bench_seams.py [--vita VITA] [--model DIR] [--codes N] [--steps N] [--seed N]

Random codes go through `vita decode` whole, and then for each plan of chunks, context and overlap, with the same noise.
What is compared are log-mel spectra (80 bands up to 8 kHz, windows of 1024 samples, 256 apart): the mean difference in dB
around the joints of chunks alone (the faded frames and 5 more on either side), the worst joint, and over the whole.
Needs NumPy (Debian: python3-numpy).
"""
import argparse
import json
import os
import struct
import subprocess
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
RATE_HZ, HOP, BANDS = 22050, 256, 80
PLANS = ["8", "8,16,32,64", "25", "25,50,100"]
ROWS = [(plan, context, 2) for plan in PLANS for context in (0, 10, 30, 60)] + [("25", 30, overlap) for overlap in (0, 1, 5)]


def frames_of(codes):
    """Frames that so many codes stand for, in f32 as the reference counts them."""
    f = np.float32
    return int(f(f(f(codes) / f(12.5)) * f(RATE_HZ)) / f(HOP))


def write_noise(path, z):
    data = z.astype("<f4").tobytes()
    header = json.dumps({"z": {"dtype": "F32", "shape": list(z.shape), "data_offsets": [0, len(data)]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + data)


def mel_bank():
    """Slaney's mel scale: linear up to 1 kHz."""

    def hz(m):
        return np.where(m < 15, m * 200 / 3, 1000 * np.exp((m - 15) * np.log(6.4) / 27))

    edge = hz(np.linspace(0, 15 + np.log(8) * 27 / np.log(6.4), BANDS + 2))
    bin_hz = np.arange(513) * RATE_HZ / 1024
    rise = [(bin_hz - edge[i]) / (edge[i + 1] - edge[i]) for i in range(BANDS)]
    fall = [(edge[i + 2] - bin_hz) / (edge[i + 2] - edge[i + 1]) for i in range(BANDS)]
    return np.maximum(0, np.minimum(rise, fall))


def log_mel(pcm, bank):
    padded = np.pad(pcm, 512)
    starts = range(0, len(padded) - 1023, HOP)
    spectrum = np.abs(np.fft.rfft(np.stack([padded[s : s + 1024] for s in starts]) * np.hanning(1025)[:1024], axis=1))
    return 20 * np.log10(np.maximum(spectrum @ bank.T, 1e-5))


def joints(plan, n_codes):
    sizes, end, found = [int(size) for size in plan.split(",")], 0, []
    while True:
        end += sizes[min(len(found), len(sizes) - 1)]
        if end >= n_codes:
            return found
        found.append(frames_of(end))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vita", default="vita")
    parser.add_argument("--model", default=os.path.join(HERE, "golden", "decoder"))
    parser.add_argument("--codes", type=int, default=100)
    parser.add_argument("--vocabulary", type=int, default=128, help="codes are below this")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    ids = ",".join(str(code) for code in random.integers(0, options.vocabulary, options.codes))
    bank = mel_bank()
    with tempfile.TemporaryDirectory() as folder:
        noise, sound = os.path.join(folder, "noise.safetensors"), os.path.join(folder, "sound.wav")
        write_noise(noise, random.standard_normal((BANDS, frames_of(options.codes))))

        def decode(context=0, overlap=2, plan=None, steps=options.steps):
            command = [options.vita, "decode", "--float", "-o", sound, "-s", "codec.plugin=flow-hift"]
            for key, value in [("model", options.model), ("noise", noise), ("context", context), ("overlap", overlap), ("steps", steps)]:
                command += ["-s", f"codec.{key}={value}"]
            if plan:
                command += ["-s", f"codec.chunk={plan}"]
            subprocess.run(command + [ids], check=True)
            with open(sound, "rb") as file:
                wave = file.read()
            return log_mel(np.frombuffer(wave[wave.index(b"data") + 8 :], "<f4").astype(float), bank)

        whole = decode()
        print(f"9 steps instead of 10, at once: {np.abs(decode(steps=9) - whole).mean():.2f} dB\n", flush=True)
        print("| chunks | context | overlap | seams | worst | all |\n| --- | --- | --- | --- | --- | --- |", flush=True)
        for plan, context, overlap in ROWS:
            away = np.abs(decode(context, overlap, plan) - whole).mean(axis=1)
            around = [away[max(0, at - 7 * overlap - 5) : at + 6].mean() for at in joints(plan, options.codes)]
            print(f"| {plan} | {context} | {overlap} | {np.mean(around):.2f} | {np.max(around):.2f} | {away.mean():.2f} |", flush=True)


if __name__ == "__main__":
    main()
