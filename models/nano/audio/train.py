#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains the audio ends of the small model, on one thread.

    train.py tokenizer --input LIST… --speech LIST… --check NAME=LIST… -o DIR     the encoder and its codebook
    train.py decoder   --speech LIST… -o DIR                                      codes to the one voice
    train.py check     --check NAME=LIST… -o DIR                                  phone errors, with 95 % intervals
    train.py export    -o DIR --model MODEL                                       both to the plug-ins' files

A LIST is what `speak` wrote: LIST.pcm and LIST.jsonl. DIR gets checkpoints, from which an interrupted run goes on, and
log.jsonl. The same lists, options and seed give the same weights on the same machine.
"""
import argparse
import json
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

import augment
import features
import model
import speech

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "evaluate"))
import figures  # noqa: E402

# Rows of log mel for the decoder: (ln magnitude - shift) / scale, nothing below ln 1e-3.
VOICE = {"mel_shift": -2.0, "mel_scale": 2.5, "mel_floor": -6.9}


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    types, found = {"F16": np.float16, "F32": np.float32}, {}
    for name, tensor in header.items():
        start, end = tensor["data_offsets"]
        values = np.frombuffer(data[start:end], types[tensor["dtype"]]).astype(np.float32)
        found[name] = torch.from_numpy(values.reshape(tensor["shape"]))
    return found


class Log:
    def __init__(self, directory):
        self.file = open(os.path.join(directory, "log.jsonl"), "a")
        self.start = time.process_time()

    def write(self, **fields):
        line = json.dumps({**fields, "cpu_s": round(time.process_time() - self.start, 1)})
        print(line, flush=True)
        self.file.write(line + "\n")
        self.file.flush()


def save(path, **parts):
    torch.save(parts, path + ".new")
    os.replace(path + ".new", path)


def batch(rows, fill):
    """[n, channels, time] and mask [n, 1, time] of arrays [time, channels]."""
    most = max(len(r) for r in rows)
    x = np.full((len(rows), most, rows[0].shape[1]), fill, np.float32)
    mask = np.zeros((len(rows), 1, most), np.float32)
    for i, r in enumerate(rows):
        x[i, :len(r)], mask[i, 0, :len(r)] = r, 1
    return torch.from_numpy(x).transpose(1, 2).contiguous(), torch.from_numpy(mask)


def collapse(ids):
    return [p for i, p in enumerate(ids) if p and (i == 0 or p != ids[i - 1])]


# ---- the tokenizer ---------------------------------------------------------------------------------------------


class Sample:
    """A recording as it was heard once."""

    def __init__(self, rng, recording, number, front, strength):
        heard, clean, warp = augment.augment(rng, recording.sound(), strength)
        heard, clean, shift = front.log_mel(heard), front.log_mel(clean), 1.0
        if rng.random() < 0.6 * strength:
            shift = np.exp(rng.uniform(-0.13, 0.13))
            heard, clean = front.shifted(heard, shift), front.shifted(clean, shift)
        heard = front.relative(heard)
        if rng.random() < 0.3 * strength:
            heard = augment.mask(rng, heard)
        self.x = front.stack(heard, -2.0)
        self.target = front.stack(front.relative(clean), -2.0)
        self.throat = 5 * np.log(warp), 5 * np.log(shift)
        self.phones, self.voice = recording.phones, number


class Feed:
    """Batches of fresh samples and of ones heard before: hearing costs more time than learning from it."""

    def __init__(self, args, front, recordings, voices, steps, start):
        self.front, self.recordings, self.voices = front, recordings, voices
        self.args, self.pool, self.steps, self.start = args, [], steps, start

    def sample(self, rng, step):
        """Short and clean ones first: CTC finds its first alignments there. Single words all the way."""
        progress = 1.0 if self.args.init else step / self.steps
        group = self.recordings[rng.choice(len(self.recordings), p=self.args.shares)]
        recording = group[rng.integers(len(group))]
        most = 1.0 if rng.random() < 0.2 else 1.0 + 8 * progress
        while len(recording.pcm) > augment.RATE * most:
            recording = group[rng.integers(len(group))]
        strength = min(1.0, 0.2 + 2.5 * progress)
        return Sample(rng, recording, self.voices[recording.voice], self.front, strength)

    def batches(self):
        """The pool at a step depends on the seed and the step alone, so a run can go on anywhere."""
        fresh, keep = self.args.fresh, self.args.pool
        for step in range(max(0, self.start - keep // fresh), self.steps):
            rng = np.random.default_rng([self.args.seed, step])
            new = [self.sample(rng, step) for _ in range(fresh)]
            if step >= self.start:
                known = [self.pool[i] for i in rng.integers(len(self.pool), size=self.args.batch - fresh)] \
                    if self.pool else []
                yield step, new + known
            self.pool = (self.pool + new)[-keep:]


class Tokenizer:
    def __init__(self, args, voices):
        torch.manual_seed(args.seed)
        self.encoder, self.codebook = model.Encoder(), model.Codebook()
        self.judge = model.Judge(len(voices), len(speech.PHONES), model.ENCODER["input"])
        self.parts = torch.nn.ModuleDict({"encoder": self.encoder, "codebook": self.codebook, "judge": self.judge})
        self.optimizer = torch.optim.AdamW(self.parts.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01)
        self.generator = torch.Generator().manual_seed(args.seed)

    def begin_from(self, parts):
        """Weights of another run. Who spoke there need not speak here, so another number of voices is learnt anew."""
        table = "judge.speaker.weight"
        if parts[table].shape != self.judge.speaker.weight.shape:
            parts = {**parts, table: self.judge.speaker.weight.detach()}
        self.parts.load_state_dict(parts)

    def begin_from_model(self, directory):
        """The encoder and codebook of what was exported, which has no judge: that is learnt anew, alone at first."""
        tensors = read_safetensors(os.path.join(directory, "model.safetensors"))
        parts = self.parts.state_dict()
        for name in parts:
            if name in tensors:
                parts[name] = tensors[name].reshape(parts[name].shape)
        parts["codebook.total"] = parts["codebook.weight"].clone()
        self.parts.load_state_dict(parts)

    def losses(self, samples, quantise):
        x, mask = batch([s.x for s in samples], -2.0)
        target, _ = batch([s.target for s in samples], -2.0)
        hidden, z = self.encoder(x, mask)
        inside = mask[:, 0].bool()
        if quantise:
            rows = z.transpose(1, 2)[inside]
            codes = self.codebook.codes(rows.detach())
            flat = torch.zeros_like(z.transpose(1, 2))
            flat[inside] = self.codebook.weight[codes]
            q = flat.transpose(1, 2)
            commit = ((z - q) * mask).pow(2).sum() / mask.sum() / z.shape[1]
            self.codebook.update(rows.detach(), codes, self.generator)
            q = z + (q - z).detach()
        else:
            q, commit = z, z.pow(2).mean() * 0.01
        voice = torch.tensor([s.voice for s in samples])
        throat = torch.tensor([s.throat for s in samples], dtype=torch.float32)
        sound = self.judge.reconstruct(q * mask, voice, throat)
        l1 = ((sound - target).abs() * mask).sum() / mask.sum() / target.shape[1]
        lengths = mask.sum((1, 2)).long()
        labels = torch.tensor([p for s in samples for p in s.phones])
        label_lengths = torch.tensor([len(s.phones) for s in samples])
        ctc = lambda logits: F.ctc_loss(logits.permute(2, 0, 1).log_softmax(2), labels, lengths, label_lengths,
                                        zero_infinity=True)
        late, early = ctc(self.judge.phones(q * mask)), ctc(self.judge.phones_early(hidden))
        return late + 0.3 * early + 1.0 * l1 + 0.25 * commit, {"ctc": late, "early": early, "l1": l1, "commit": commit}

    @torch.no_grad()
    def heard(self, x):
        """Phones of one recording's rows, through the codes."""
        _, z = self.encoder(torch.from_numpy(x.T[None].copy()))
        q = self.codebook.weight[self.codebook.codes(z[0].t())].t()[None]
        return collapse(self.judge.phones(q)[0].argmax(0).tolist())

    def phone_error(self, recordings, front):
        wrong = sum(figures.edits(self.heard(front.encoder_input(r.sound())), r.phones) for r in recordings)
        return wrong / sum(len(r.phones) for r in recordings)


def check(args, log):
    lexicon, front = speech.Lexicon(), features.FrontEnd()
    state = torch.load(os.path.join(args.output, "tokenizer.pt"))
    net = Tokenizer(args, range(len(state["parts"]["judge.speaker.weight"])))
    net.parts.load_state_dict(state["parts"])
    net.parts.eval()
    for name, path in (c.split("=", 1) for c in args.check):
        recordings = speech.load([path], lexicon, args.most)
        heard = [" ".join(map(str, net.heard(front.encoder_input(r.sound())))) for r in recordings]
        error = figures.word_error(heard, [" ".join(map(str, r.phones)) for r in recordings])
        log.write(check=name, recordings=error["n"], phones=error["words"],
                  **{key: error[key] for key in ("percent", "low", "high")})


def rate(step, steps, peak, warmup=60):
    return peak * min(1, (step + 1) / warmup) * max(0.02, 1 - step / steps)


def train_tokenizer(args, log):
    lexicon, front = speech.Lexicon(), features.FrontEnd()
    groups = [speech.load([name], lexicon) for name in args.input] + [speech.load(args.speech, lexicon)]
    checks = {name: speech.load([path], lexicon, args.most) for name, path in (c.split("=", 1) for c in args.check)}
    voices = {v: i for i, v in enumerate(sorted({r.voice for g in groups for r in g}))}
    log.write(recordings=[len(g) for g in groups], voices=len(voices), checks={k: len(v) for k, v in checks.items()})
    args.shares = np.array(args.share or [1] * len(groups), float) / sum(args.share or [1] * len(groups))
    net, start = Tokenizer(args, voices), 0
    path = os.path.join(args.output, "tokenizer.pt")
    if os.path.exists(path):
        state = torch.load(path)
        net.parts.load_state_dict(state["parts"])
        net.optimizer.load_state_dict(state["optimizer"])
        net.generator.set_state(state["generator"])
        start = state["step"]
    elif args.init:
        if os.path.isdir(args.init):
            net.begin_from_model(args.init)
        else:
            net.begin_from(torch.load(args.init)["parts"])
    sums = {}
    for step, samples in Feed(args, front, groups, voices, args.steps, start).batches():
        if step == args.unquantised and not args.init:
            with torch.no_grad():
                x, mask = batch([s.x for s in samples], -2.0)
                net.codebook.seed(net.encoder(x, mask)[1].transpose(1, 2)[mask[:, 0].bool()], net.generator)
        if args.init and os.path.isdir(args.init):
            net.encoder.requires_grad_(step >= args.unquantised)
        for group in net.optimizer.param_groups:
            group["lr"] = rate(step, args.steps, args.lr)
        loss, parts = net.losses(samples, args.init or step >= args.unquantised)
        net.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parts.parameters(), 1.0)
        net.optimizer.step()
        for name, value in parts.items():
            sums[name] = sums.get(name, 0) + value.item()
        if (step + 1) % args.every == 0:
            used = int((net.codebook.count > 0.3).sum())
            log.write(step=step + 1, **{k: round(v / args.every, 4) for k, v in sums.items()}, used=used)
            sums = {}
        if (step + 1) % args.save == 0 or step + 1 == args.steps:
            save(path, parts=net.parts.state_dict(), optimizer=net.optimizer.state_dict(),
                 generator=net.generator.get_state(), step=step + 1)
            net.parts.eval()
            log.write(step=step + 1, phone_error={k: round(net.phone_error(v, front), 4) for k, v in checks.items()})
            net.parts.train()


# ---- the decoder -----------------------------------------------------------------------------------------------


def voice_rows(mel):
    return (np.maximum(mel, VOICE["mel_floor"]) - VOICE["mel_shift"]) / VOICE["mel_scale"]


@torch.no_grad()
def coded(args, lexicon, front):
    """[(codes [tokens], rows [tokens · stack, bands])] of the voice, as the tokenizer hears it."""
    encoder, codebook = model.Encoder().eval(), model.Codebook()
    state = torch.load(os.path.join(args.output, "tokenizer.pt"))["parts"]
    encoder.load_state_dict({k[8:]: v for k, v in state.items() if k.startswith("encoder.")})
    codebook.load_state_dict({k[9:]: v for k, v in state.items() if k.startswith("codebook.")})
    found, stack = [], front.config["stack"]
    for r in speech.load(args.speech, lexicon):
        mel = front.log_mel(r.sound())
        x = front.stack(front.relative(mel), -2.0)
        ids = codebook.codes(encoder(torch.from_numpy(x.T[None].copy()))[1][0].t()).numpy()
        rows = front.stack(voice_rows(mel), voice_rows(np.float32(-99)))
        found.append((ids, rows.reshape(len(ids) * stack, -1)))
    return found


def train_decoder(args, log):
    lexicon, front = speech.Lexicon(), features.FrontEnd()
    stack = front.config["stack"]
    data = coded(args, lexicon, front)
    held, data = data[:100], data[100:]
    log.write(recordings=len(data), held=len(held))
    torch.manual_seed(args.seed)
    net = model.Decoder(model.ENCODER["codes"], front.config["bands"], stack)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01)
    path, start = os.path.join(args.output, "decoder.pt"), 0
    if os.path.exists(path):
        state = torch.load(path)
        net.load_state_dict(state["parts"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
    elif args.init:
        if os.path.isdir(args.init):
            tensors = read_safetensors(os.path.join(args.init, "model.safetensors"))
            net.load_state_dict({n: tensors["decoder." + n].reshape(v.shape) for n, v in net.state_dict().items()})
        else:
            net.load_state_dict(torch.load(args.init)["parts"])

    def losses(pairs):
        rows, frames = batch([r for _, r in pairs], 0.0)
        ids = np.zeros((len(pairs), rows.shape[2] // stack), np.int64)
        for i, (codes, _) in enumerate(pairs):
            ids[i, :len(codes)] = codes
        out = net(torch.from_numpy(ids), frames[:, :, ::stack])
        l1 = ((out - rows).abs() * frames).sum() / frames.sum() / rows.shape[1]
        steps = frames[:, :, 1:]
        moves = ((out.diff(dim=2) - rows.diff(dim=2)).abs() * steps).sum() / steps.sum() / rows.shape[1]
        return l1 + moves, l1

    total = 0.0
    for step in range(start, args.steps):
        rng = np.random.default_rng([args.seed, step])
        for group in optimizer.param_groups:
            group["lr"] = rate(step, args.steps, args.lr)
        loss, l1 = losses([data[i] for i in rng.integers(len(data), size=args.batch)])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        total += l1.item()
        if (step + 1) % args.every == 0:
            log.write(step=step + 1, l1=round(total / args.every, 4))
            total = 0.0
        if (step + 1) % args.save == 0 or step + 1 == args.steps:
            save(path, parts=net.state_dict(), optimizer=optimizer.state_dict(), step=step + 1)
            with torch.no_grad():
                log.write(step=step + 1, held_l1=round(losses(held)[1].item(), 4))


# ---- the plug-ins' files ---------------------------------------------------------------------------------------


def write_safetensors(path, tensors):
    header, at, blobs = {}, 0, []
    for name, array in tensors.items():
        blob = array.tobytes()
        header[name] = {"dtype": {"float16": "F16", "float32": "F32"}[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".new", "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text + b"".join(blobs))
    os.replace(path + ".new", path)


def write_model(directory, config, tensors):
    arrays = {}
    for name, value in tensors.items():
        value = value.numpy()
        if name.split(".")[-2] in ("linear", "output", "spread") and value.ndim == 3:
            value = value[:, :, 0]
        # Vectors and the codebook stay exact: they are small, and codes hang on them.
        exact = value.ndim == 1 or name == "codebook.weight"
        arrays[name] = np.ascontiguousarray(value, np.float32 if exact else np.float16)
    os.makedirs(directory, exist_ok=True)
    write_safetensors(os.path.join(directory, "model.safetensors"), arrays)
    path = os.path.join(directory, "config.json")
    with open(path + ".new", "w") as out:
        json.dump(config, out, indent=1)
        out.write("\n")
    os.replace(path + ".new", path)
    return sum(a.size for a in arrays.values())


def export(args, log):
    state = torch.load(os.path.join(args.output, "tokenizer.pt"))["parts"]
    tensors = {name: value for name, value in state.items() if name.startswith("encoder.")}
    tensors["codebook.weight"] = state["codebook.weight"]
    config = {"model_type": "mel-vq", **features.FRONT_END, "encoder": model.ENCODER}
    path = os.path.join(args.output, "decoder.pt")
    if os.path.exists(path):
        for name, value in torch.load(path)["parts"].items():
            tensors["decoder." + name] = value
        config["decoder"] = {**model.DECODER, **VOICE}
    log.write(exported=args.model, values=write_model(args.model, config, tensors))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["tokenizer", "decoder", "check", "export"])
    parser.add_argument("-o", "--output", required=True, help="directory of checkpoints and log")
    parser.add_argument("--input", nargs="*", default=[], help="lists of speech in many voices")
    parser.add_argument("--speech", nargs="*", default=[], help="lists of speech in the output voice")
    parser.add_argument("--share", nargs="*", type=float, help="of each input list, and of all speech lists together")
    parser.add_argument("--check", nargs="*", default=[], metavar="NAME=LIST", help="lists to measure phone error on")
    parser.add_argument("--most", type=int, default=80, help="recordings of a list to check (default 80)")
    parser.add_argument("--model", help="directory for the plug-ins' files")
    parser.add_argument("--init", help="tokenizer.pt or decoder.pt of another run, or what it exported, to go on from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--fresh", type=int, default=10, help="of a batch that were not heard before")
    parser.add_argument("--pool", type=int, default=600, help="samples that may be heard again")
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--unquantised", type=int, default=200,
                        help="steps before codes come in; from an exported model, the judge's alone")
    parser.add_argument("--every", type=int, default=20, help="steps between lines of the log")
    parser.add_argument("--save", type=int, default=200, help="steps between checkpoints")
    args = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(args.output, exist_ok=True)
    does = {"tokenizer": train_tokenizer, "decoder": train_decoder, "check": check, "export": export}
    does[args.what](args, Log(args.output))


if __name__ == "__main__":
    main()
