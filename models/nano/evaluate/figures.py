# SPDX-License-Identifier: MIT
"""Shares and error rates with their 95 % intervals."""
import math
import random


def edits(a, b):
    """Levenshtein's distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def share(right, n):
    """Percent with Wilson's interval (1927)."""
    if n == 0:
        return {"n": 0}
    p, z = right / n, 1.96
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return {"n": n, "percent": round(100 * p, 1), "low": round(100 * max(0, centre - half), 1),
            "high": round(100 * min(1, centre + half), 1)}


def word_error(heard, said, draws=1000):
    """Percent of wrong words, its interval by drawing utterances anew (seeded bootstrap)."""
    pairs = [(edits(h.split(), s.split()), len(s.split())) for h, s in zip(heard, said)]
    words = sum(n for _, n in pairs)
    if words == 0:
        return {"n": 0}
    rng, rates = random.Random(1), []
    for _ in range(draws):
        drawn = rng.choices(pairs, k=len(pairs))
        rates.append(sum(e for e, _ in drawn) / max(1, sum(n for _, n in drawn)))
    rates.sort()
    return {"n": len(pairs), "words": words, "percent": round(100 * sum(e for e, _ in pairs) / words, 1),
            "low": round(100 * rates[int(0.025 * draws)], 1), "high": round(100 * rates[int(0.975 * draws)], 1)}


def line(name, figure):
    if figure.get("n", 0) == 0:
        return "| %s | – | 0 |" % name
    return "| %s | %.1f (%.1f–%.1f) | %d |" % (name, figure["percent"], figure["low"], figure["high"], figure["n"])
