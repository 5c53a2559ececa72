#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes what mel-vq's plug-ins must compute, for tests: golden.py DIR [--model MODEL] [--wav FILE].

Without --model a small random one is made in DIR, with unusual sizes. DIR/golden.json gets, for the wav (16 bits, mono,
at the model's rate): the codes, and how much nearer the nearest codeword was than the next in the closest case; for
these codes the rows of log mel that the decoder makes of them, as `mel` in DIR/golden.safetensors [rows, bands].
"""
import argparse
import json
import os
import wave

import numpy as np
import torch

import features
import model
import train

SMALL = {"model_type": "mel-vq", **features.FRONT_END, "sample_rate": 8000, "n_fft": 256, "window": 240, "hop": 80,
         "bands": 18, "low_hz": 60.0, "high_hz": 3900.0, "stack": 3, "level_ahead": 7, "level_decay": 0.01,
         "level_range": 5.0,
         "encoder": {"input": 54, "width": 20, "kernel": 3, "dilations": [1, 3], "code": 10, "codes": 37},
         "decoder": {"width": 14, "kernel": 4, "dilations": [2, 1], "ahead": [1, 0], "frame_width": 12,
                     "frame_dilations": [1], "frame_ahead": [1], "mel_shift": -1.0, "mel_scale": 2.0,
                     "mel_floor": -6.0}}


def networks(directory):
    """The plug-ins' files as PyTorch modules."""
    config = json.load(open(os.path.join(directory, "config.json")))
    tensors = train.read_safetensors(os.path.join(directory, "model.safetensors"))
    encoder = model.Encoder(config["encoder"]).eval()
    codebook = model.Codebook(config["encoder"])
    decoder = model.Decoder(config["encoder"]["codes"], config["bands"], config["stack"], config["decoder"]).eval() \
        if "decoder" in config else None
    for prefix, net in (("encoder.", encoder), ("decoder.", decoder)):
        if net is not None:
            net.load_state_dict({k: tensors[prefix + k].view(v.shape) for k, v in net.state_dict().items()})
    codebook.weight.copy_(tensors["codebook.weight"])
    return config, encoder, codebook, decoder


def small(directory):
    torch.manual_seed(1)
    c = SMALL
    nets = {"encoder": model.Encoder(c["encoder"]), "codebook": model.Codebook(c["encoder"]),
            "decoder": model.Decoder(c["encoder"]["codes"], c["bands"], c["stack"], c["decoder"])}
    for name, value in nets["encoder"].named_parameters():
        if "norm" in name:
            value.data += 0.2 * torch.randn(value.shape)
    with torch.no_grad():
        nets["codebook"].weight.mul_(0.3)
    state = {"%s.%s" % (part, name): value.detach() for part, net in nets.items()
             for name, value in net.state_dict().items() if name not in ("count", "total")}
    train.write_model(directory, c, state)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("--model")
    parser.add_argument("--wav", required=True)
    args = parser.parse_args()
    os.makedirs(args.directory, exist_ok=True)
    if not args.model:
        small(args.directory)
    config, encoder, codebook, decoder = networks(args.model or args.directory)
    with wave.open(args.wav) as w:
        pcm = np.frombuffer(w.readframes(w.getnframes()), "<i2").astype(np.float32) / 32768
    front = features.FrontEnd(config)
    z = encoder(torch.from_numpy(front.encoder_input(pcm).T[None].copy()))[1][0].t()
    distance = (z[:, None] - codebook.weight[None]).pow(2).sum(2)
    nearest = distance.topk(2, largest=False)
    codes = nearest.indices[:, 0]
    margin = ((nearest.values[:, 1] - nearest.values[:, 0]) / nearest.values[:, 1]).min().item()
    golden = {"wav": os.path.basename(args.wav), "tokens": codes.tolist(), "margin": margin}
    if decoder is not None:
        mel = decoder(codes[None])[0].t() * config["decoder"]["mel_scale"] + config["decoder"]["mel_shift"]
        train.write_safetensors(os.path.join(args.directory, "golden.safetensors"), {"mel": mel.contiguous().numpy()})
    with open(os.path.join(args.directory, "golden.json"), "w") as out:
        json.dump(golden, out)
        out.write("\n")
    print("%d codes, %d different, margin %.2g" % (len(codes), len(set(codes.tolist())), margin))


if __name__ == "__main__":
    main()
