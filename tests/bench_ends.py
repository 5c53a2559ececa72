#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""GLM-4-Voice's speech tokenizer and speech decoder beside PyTorch on layers of the same shapes, turn by turn.

    tests/bench_ends.py [--vita VITA] [--threads N] [--rounds N] [--dtype f32|f16] [--steps N] [tokenizer|decoder]...

PyTorch runs the layers below with random numbers, f32: for the tokenizer 30 s through convolutions, 16 layers of Whisper
large with attention that is causal by blocks of 4 s, pooling and the nearest codeword (no log-mel spectrum, which `vita
bench` has to make); for the decoder 25 codes (2 s) through six encoder layers, Euler steps of the U-Net with and without
condition together, and the vocoder's convolutions (no Fourier transforms and no random source). Each side is a fresh
process. Needs PyTorch (Debian: python3-torch). Prints the real-time factors' medians and their ratio.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOUND = {"tokenizer": 30.0, "decoder": 2.0}  # seconds


# ---- PyTorch ---------------------------------------------------------------------------------------------------


def layers_of(torch):
    """What both models are made of: functions of a tensor, their weights made at once."""
    import torch.nn.functional as F

    def weights(*shape):
        return torch.randn(shape) / (shape[1] if len(shape) > 1 else 1) ** 0.5

    def linear(n_in, n_out):
        w, b = weights(n_out, n_in), weights(n_out)
        return lambda x: F.linear(x, w, b)

    def conv(n_in, n_out, kernel, stride=1, dilation=1, pad=None):
        w, b = weights(n_out, n_in, kernel), weights(n_out)
        pad = dilation * (kernel - 1) // 2 if pad is None else pad
        return lambda x: F.conv1d(x, w, b, stride, pad, dilation)

    def norm(width):
        w, b = torch.ones(width), torch.zeros(width)
        return lambda x: F.layer_norm(x, (width,), w, b)

    def attention(width, heads, size):
        """On [batch, rows, width]; mask is added to the scores."""
        q, k, v = (linear(width, heads * size) for _ in range(3))
        out = linear(heads * size, width)

        def run(x, mask=None):
            split = [p(x).view(x.shape[0], x.shape[1], heads, size).transpose(1, 2) for p in (q, k, v)]
            scores = split[0] @ split[1].transpose(2, 3) * size ** -0.5
            scores = scores if mask is None else scores + mask
            y = torch.softmax(scores, -1) @ split[2]
            return out(y.transpose(1, 2).reshape(x.shape[0], x.shape[1], heads * size))
        return run

    def transformer(width, heads, size, inner):
        norm1, attend, norm2 = norm(width), attention(width, heads, size), norm(width)
        up, down = linear(width, inner), linear(inner, width)

        def run(x, mask=None):
            x = x + attend(norm1(x), mask)
            return x + down(F.gelu(up(norm2(x))))
        return run

    return F, weights, linear, conv, transformer


def tokenizer_of(torch, _steps):
    F, weights, _, conv, transformer = layers_of(torch)
    stem = conv(128, 1280, 3, pad=0), conv(1280, 1280, 3, stride=2, pad=0)
    layers = [transformer(1280, 20, 64, 5120) for _ in range(16)]
    codebook, mel, block = weights(16384, 1280), torch.randn(1, 128, 3000), torch.arange(1500) // 200
    mask = torch.zeros(1500, 1500).masked_fill(block[None, :] > block[:, None], float("-inf"))

    def run():
        x = mel
        for layer in stem:
            x = F.gelu(layer(F.pad(x, (2, 0))))
        x = x.transpose(1, 2)
        for layer in layers:
            x = layer(x, mask)
        x = F.avg_pool1d(x.transpose(1, 2), 4)[0].T
        return torch.cdist(x, codebook).argmin(1)
    return run


def estimator_of(torch):
    F, weights, linear, conv, transformer = layers_of(torch)

    def block(n_in):
        first, second, aside, time_layer = conv(n_in, 256, 3), conv(256, 256, 3), conv(n_in, 256, 1), linear(1024, 256)
        layers, w, b = [transformer(256, 8, 64, 1024) for _ in range(4)], torch.ones(256), torch.zeros(256)

        def run(x, when):
            y = F.mish(F.group_norm(first(x), 8, w, b)) + time_layer(when)[:, :, None]
            y = (F.mish(F.group_norm(second(y), 8, w, b)) + aside(x)).transpose(1, 2)
            for layer in layers:
                y = layer(y)
            return y.transpose(1, 2)
        return run

    down = block(320), block(256)
    middle, up = [block(256) for _ in range(12)], (block(512), block(512))
    halve, same, end, last = conv(256, 256, 3, stride=2), conv(256, 256, 3), conv(256, 256, 3), conv(256, 80, 1)
    final, double, when = conv(256, 256, 3), weights(256, 256, 4), torch.randn(2, 1024)

    def run(x):
        skip0 = down[0](x, when)
        skip1 = down[1](halve(skip0), when)
        x = same(skip1)
        for layer in middle:
            x = layer(x, when)
        x = F.conv_transpose1d(up[0](torch.cat((x, skip1), 1), when), double, None, 2, 1)
        x = end(up[1](torch.cat((x[..., :skip0.shape[2]], skip0), 1), when))
        return last(F.mish(F.group_norm(final(x), 8)))
    return run


def vocoder_of(torch):
    F, weights, _, conv, _ = layers_of(torch)

    def residual(width, kernel):
        pairs = [(conv(width, width, kernel, dilation=d), conv(width, width, kernel), torch.ones(2, width, 1)) for d in (1, 3, 5)]

        def run(x):
            for first, second, alpha in pairs:
                y = first(x + torch.sin(alpha[0] * x) ** 2 / alpha[0])
                x = x + second(y + torch.sin(alpha[1] * y) ** 2 / alpha[1])
            return x
        return run

    pitch = [conv(80, 512, 3)] + [conv(512, 512, 3) for _ in range(4)]
    before, after = conv(80, 512, 7), conv(128, 18, 7)
    ups, sources = (weights(512, 256, 16), weights(256, 128, 16)), (conv(18, 256, 16, stride=8, pad=4), conv(18, 128, 1))
    of_source, blocks = (residual(256, 7), residual(128, 11)), [[residual(w, k) for k in (3, 7, 11)] for w in (256, 128)]

    def run(mel):
        y = mel
        for layer in pitch:
            y = F.elu(layer(y))
        spectrum, x = torch.randn(1, 18, 64 * mel.shape[2] + 1), before(mel)
        for up, source, aside, level in zip(ups, sources, of_source, blocks):
            x = F.conv_transpose1d(F.leaky_relu(x, 0.1), up, None, 8, 4)
            y = aside(source(spectrum))
            x = F.pad(x, (y.shape[2] - x.shape[2], 0), mode="reflect") + y if y.shape[2] > x.shape[2] else x + y
            x = sum(layer(x) for layer in level) / 3
        return after(F.leaky_relu(x, 0.01))
    return run


def decoder_of(torch, steps):
    _, _, _, _, transformer = layers_of(torch)
    encoder, estimate, vocoder = [transformer(512, 8, 64, 2048) for _ in range(6)], estimator_of(torch), vocoder_of(torch)
    codes, x, rest = torch.randn(1, 25, 512), torch.randn(1, 80, 172), torch.randn(2, 240, 172)

    def run():
        y, mel = codes, x
        for layer in encoder:
            y = layer(y)
        for _ in range(steps):
            v = estimate(torch.cat((mel.expand(2, -1, -1), rest), 1))
            mel = mel + (1.7 * v[:1] - 0.7 * v[1:]) / steps
        return vocoder(mel)
    return run


def torch_factor(what, threads, steps):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    with torch.no_grad():
        run = {"tokenizer": tokenizer_of, "decoder": decoder_of}[what](torch, steps)
        run()
        start = time.monotonic()
        run()
        return (time.monotonic() - start) / SOUND[what]


# ---- vita, and both in turns ----------------------------------------------------------------------------------------


def vita_factor(vita, what, threads, steps, dtype):
    section, key = ("encoder", "encoder_rtf") if what == "tokenizer" else ("codec", "codec_rtf")
    command = [vita, "bench", "--synthetic", f"glm4-voice-{what}", "--json", "--runs", "1", "-s", "backend.name=cpu",
               "-s", f"backend.threads={threads}", "-s", f"{section}.dtype={dtype}"]
    if what == "decoder":
        command += ["-s", f"codec.steps={steps}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)[key]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vita", default=os.path.join(HERE, "../build/apps/vita/vita"))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="f32", choices=["f32", "f16", "bf16"], help="vita's weights; PyTorch's are f32")
    parser.add_argument("--steps", type=int, default=3, help="Euler steps of the decoder")
    parser.add_argument("--torch-alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("models", nargs="*", metavar="tokenizer|decoder")
    options = parser.parse_args()
    models = options.models or list(SOUND)
    for what in models:
        if what not in SOUND:
            parser.error(f'"{what}": expected tokenizer or decoder')
    if options.torch_alone:
        print(torch_factor(models[0], options.threads, options.steps))
        return
    alone = [sys.executable, os.path.abspath(__file__), "--torch-alone", "--threads", str(options.threads)]
    alone += ["--steps", str(options.steps)]
    if subprocess.run([sys.executable, "-c", "import torch"], capture_output=True, check=False).returncode != 0:
        sys.exit(f"{sys.executable} has no PyTorch, which this compares with: install python3-torch")
    for what in models:
        ours, theirs = [], []
        for _ in range(options.rounds):
            theirs.append(float(subprocess.run(alone + [what], check=True, capture_output=True, text=True).stdout))
            ours.append(vita_factor(options.vita, what, options.threads, options.steps, options.dtype))
        print(f"{what}: vita {statistics.median(ours):.3f} ({options.dtype}), PyTorch {statistics.median(theirs):.3f}; "
              f"{statistics.median(theirs) / statistics.median(ours):.2f} times as fast "
              f"(turn by turn {', '.join(f'{b / a:.2f}' for a, b in zip(ours, theirs))})")


if __name__ == "__main__":
    main()
