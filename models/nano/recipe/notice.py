#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes into a model's config.json what every user of the small model is told.

    notice.py CONFIG.json
"""
import json
import os
import sys

NOTICE = ("This small model knows a few hundred words and the kinds of question in models/nano/README.md; "
          "anything else it answers wrongly.")


def main():
    path = sys.argv[1]
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["vita_notice"] = NOTICE
    with open(path + ".new", "w", encoding="utf-8") as out:
        json.dump(config, out, indent=1)
        out.write("\n")
    os.replace(path + ".new", path)


if __name__ == "__main__":
    main()
