#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tokens a second of `vita train` beside PyTorch's on the same model, turn by turn.

    tests/bench_train.py [--vita VITA] [--shape nano|100m] [--dtype f32|bf16] [--threads N] [--rounds N]
        [--length N] [--json]

Both train every parameter of a Qwen2-type language model without heads: forward, backward, gradient clipping and
AdamW, f32 or, for products, bf16 (PyTorch by autocast), one sample of --length tokens a step (what the packing of
`vita train` makes of short ones), labels on all but its question. PyTorch runs the plain model below, with its own
fused attention where it has one. Needs PyTorch (Debian: python3-torch). Prints the median of the rounds, the ratio,
and both as a share of the multiply-add rate that `vita bench` measures in between.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPES = {"nano": {"hidden_size": 256, "intermediate_size": 640, "num_hidden_layers": 6, "num_attention_heads": 4,
                   "num_key_value_heads": 2},
          "100m": {"hidden_size": 768, "intermediate_size": 2304, "num_hidden_layers": 13, "num_attention_heads": 12,
                   "num_key_value_heads": 4}}
STEPS = {"nano": (5, 40), "100m": (1, 5)}  # to warm up, to measure
RATE = 1e-4


# ---- PyTorch ---------------------------------------------------------------------------------------------------


def torch_rate(config, length, threads, steps, dtype):
    """Tokens a second; the process is a fresh one, so that neither side inherits the other's threads or memory."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    d, heads, pairs = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
    size = d // heads

    class Norm(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(d))

        def forward(self, x):
            return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight

    def turned(x, cos, sin):
        a, b = x.chunk(2, -1)
        return x * cos + torch.cat((-b, a), -1) * sin

    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.after = Norm(), Norm()
            self.q, self.o = torch.nn.Linear(d, d), torch.nn.Linear(d, d, bias=False)
            self.k, self.v = torch.nn.Linear(d, pairs * size), torch.nn.Linear(d, pairs * size)
            wide = config["intermediate_size"]
            self.gate, self.up = torch.nn.Linear(d, wide, bias=False), torch.nn.Linear(d, wide, bias=False)
            self.down = torch.nn.Linear(wide, d, bias=False)

        def forward(self, x, cos, sin, mask):
            y, n = self.before(x), x.shape[0]
            q = turned(self.q(y).view(n, heads, size).transpose(0, 1), cos, sin)
            k = turned(self.k(y).view(n, pairs, size).transpose(0, 1), cos, sin).repeat_interleave(heads // pairs, 0)
            v = self.v(y).view(n, pairs, size).transpose(0, 1).repeat_interleave(heads // pairs, 0)
            if hasattr(F, "scaled_dot_product_attention"):
                y = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
            else:
                y = torch.softmax(q @ k.transpose(1, 2) * size**-0.5 + mask, -1) @ v
            x = x + self.o(y.transpose(0, 1).reshape(n, d))
            y = self.after(x)
            return x + self.down(F.silu(self.gate(y)) * self.up(y))

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(config["vocab_size"], d)
            self.layers = torch.nn.ModuleList(Layer() for _ in range(config["num_hidden_layers"]))
            self.norm = Norm()
            angle = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(0, size, 2) / size)[None]
            self.cos, self.sin = torch.cat((angle, angle), -1).cos(), torch.cat((angle, angle), -1).sin()
            self.mask = torch.full((length, length), float("-inf")).triu(1)

        def forward(self, ids):
            x = self.embedding(ids)
            for layer in self.layers:
                x = layer(x, self.cos, self.sin, self.mask)
            return F.linear(self.norm(x), self.embedding.weight)

    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.05)
    for step in range(sum(steps)):
        if step == steps[0]:
            begin = time.monotonic()
        ids = torch.randint(config["vocab_size"], (length,))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
            loss = F.cross_entropy(model(ids)[:-1], ids[1:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return steps[1] * length / (time.monotonic() - begin)


# ---- vita ------------------------------------------------------------------------------------------------------


class Vita:
    def __init__(self, path, work, args):
        self.path, self.work, self.args = path, work, args
        modules = os.path.join(os.path.dirname(os.path.abspath(path)), "..", "..", "modules")
        if os.path.isdir(modules):  # a build tree
            os.environ.setdefault("VITA_PLUGIN_PATH", modules)
        model = os.path.join(work, "model")
        self.call("init", "nano", model, "-q")  # for its tokenizer
        os.remove(os.path.join(model, "model.safetensors"))
        with open(os.path.join(model, "config.json"), encoding="utf-8") as file:
            self.config = {**json.load(file), **SHAPES[args.shape], "num_nextn_predict_layers": 0, "vita_notice": ""}
        with open(os.path.join(model, "config.json"), "w", encoding="utf-8") as file:
            json.dump(self.config, file)
        # Letters at random: a token each, for a tokenizer that has few merges, or nearly so.
        rng = random.Random(1)
        with open(os.path.join(work, "data.jsonl"), "w", encoding="utf-8") as file:
            for _ in range(200):
                text = "".join(rng.choice("bcdfgjkmpqvxz") for _ in range(args.length - 64))
                file.write(json.dumps({"messages": [{"role": "user", "content": "q"},
                                                    {"role": "assistant", "content": text}]}) + "\n")

    def call(self, *arguments):
        return subprocess.run([self.path, *arguments], check=True, stdout=subprocess.PIPE).stdout

    def rate(self, steps):
        output = tempfile.mkdtemp(dir=self.work)
        settings = {"train.stage": "alignment", "train.init": os.path.join(self.work, "model"), "train.output": output,
                    "train.data": os.path.join(self.work, "data.jsonl"), "train.steps": sum(steps),
                    "train.max_length": self.args.length, "train.log_every": 1, "train.learning_rate": RATE,
                    "train.clip": 1, "train.dtype": self.args.dtype, "train.weight_decay": 0.05,
                    "train.save_every": 10**6,
                    "backend.name": "cpu", "backend.threads": self.args.threads}
        lines = self.call("train", "-q", "--json", *(part for item in settings.items() for part in ("-s", "%s=%s" % item)))
        log = [line for line in map(json.loads, lines.splitlines()) if "loss" in line]
        first, last = log[steps[0] - 1], log[-1]
        return (last["tokens"] - first["tokens"]) / (last["seconds"] - first["seconds"])

    def peak(self):
        """Floating-point operations a second in f32, as `vita bench` measures them."""
        report = self.call("bench", "--json", "--synthetic", "nano", "--runs", "1", "--prompt-tokens", "16", "--tokens",
                           "8", "-s", "backend.name=cpu", "-s", "backend.threads=%d" % self.args.threads)
        return json.loads(report)["f32_gflops"] * 1e9


def flop(config, length):
    """Of a token: twice its products forward and four times backward (Kaplan et al. 2020), attention with it."""
    d, size = config["hidden_size"], config["hidden_size"] // config["num_attention_heads"]
    layer = 2 * d * d + 2 * d * size * config["num_key_value_heads"] + 3 * d * config["intermediate_size"]
    return 6 * (config["num_hidden_layers"] * (layer + length * d) + config["vocab_size"] * d)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vita", default=os.path.join(HERE, "..", "build", "apps", "vita", "vita"))
    parser.add_argument("--shape", choices=sorted(SHAPES), default="nano")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--length", type=int, default=512, help="tokens a step")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--torch", help=argparse.SUPPRESS)  # this program's other half, in a process of its own
    args = parser.parse_args()
    steps = STEPS[args.shape]
    if args.torch:
        print(torch_rate(json.loads(args.torch), args.length, args.threads, steps, args.dtype))
        return
    with tempfile.TemporaryDirectory() as work:
        vita, ours, theirs, peaks = Vita(args.vita, work, args), [], [], []
        for _ in range(args.rounds):
            ours.append(vita.rate(steps))
            theirs.append(float(subprocess.run(
                [os.environ.get("PYTHON", "/usr/bin/python3"), __file__, "--torch", json.dumps(vita.config), "--shape",
                 args.shape, "--dtype", args.dtype, "--threads", str(args.threads), "--length", str(args.length)],
                check=True, stdout=subprocess.PIPE).stdout))
            peaks.append(vita.peak())
        work_per_token, peak = flop(vita.config, args.length), statistics.median(peaks)
    a, b = statistics.median(ours), statistics.median(theirs)
    found = {"shape": args.shape, "dtype": args.dtype, "threads": args.threads, "vita_tokens_per_second": round(a, 1),
             "torch_tokens_per_second": round(b, 1), "ratio": round(a / b, 2), "peak_gflops": round(peak / 1e9, 1),
             "vita_of_peak": round(a * work_per_token / peak, 3), "torch_of_peak": round(b * work_per_token / peak, 3)}
    print(json.dumps(found) if args.json else
          "{shape}, {dtype}, {threads} threads: vita {vita_tokens_per_second} tokens/s ({vita_of_peak:.0%} of "
          "{peak_gflops} GFLOP/s in f32), PyTorch {torch_tokens_per_second} ({torch_of_peak:.0%}); ratio {ratio}".format(**found))


if __name__ == "__main__":
    main()
