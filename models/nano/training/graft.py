#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts a language model and heads that were trained on an earlier one of its kind together, or leaves heads away.

    graft.py HEADED OUT          the language model of HEADED alone
    graft.py LM HEADED OUT       the language model of LM with the heads of HEADED

Models are directories as `vita train` writes them, f32, of one shape. A language model that is trained on grows away
from its heads, but not far: they learn what has changed in a tenth of what they would take from the start.
"""
import json
import os
import shutil
import struct
import sys


def read(folder):
    """{name: (its entry of the header, its bytes)}"""
    with open(os.path.join(folder, "model.safetensors"), "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        header.pop("__metadata__", None)
        data = file.read()
    return {name: (entry, data[slice(*entry["data_offsets"])]) for name, entry in header.items()}


def write(path, tensors):
    header, at = {}, 0
    for name, (entry, data) in tensors.items():
        header[name] = {**entry, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".new", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.writelines(data for _, data in tensors.values())
    os.replace(path + ".new", path)


def layers_of_the_model(config):
    return config["num_hidden_layers"] - config["num_nextn_predict_layers"]


def is_head(name, config):
    """Heads are the layers behind the language model's own, and what joins them to it."""
    parts = name.split(".")
    return name.startswith("mtp_") or (
        parts[:2] == ["model", "layers"] and int(parts[2]) >= layers_of_the_model(config))


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    headed, out = sys.argv[-2:]
    with open(os.path.join(headed, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    tensors = read(headed)
    if len(sys.argv) == 3:
        tensors = {name: tensor for name, tensor in tensors.items() if not is_head(name, config)}
        config.update(num_hidden_layers=layers_of_the_model(config), num_nextn_predict_layers=0)
    else:
        tensors.update((name, tensor) for name, tensor in read(sys.argv[1]).items() if not is_head(name, config))
    os.makedirs(out, exist_ok=True)
    write(os.path.join(out, "model.safetensors"), tensors)
    with open(os.path.join(out, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
    for name in ("generation_config.json", "tokenizer.json"):
        shutil.copy(os.path.join(headed, name), out)


if __name__ == "__main__":
    main()
