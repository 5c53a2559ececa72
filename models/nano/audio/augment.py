# SPDX-License-Identifier: MIT
"""What lies between a mouth and a file: other throats, rooms, microphones, lines and noise."""
import numpy as np
import scipy.fft

RATE = 16000


def fast(n):
    return scipy.fft.next_fast_len(int(n) + int(n) % 2, real=True) // 2 * 2


def warp(pcm, factor):
    """As a tape played `factor` times as fast: pitch, formants and speed together."""
    n = scipy.fft.next_fast_len(len(pcm), real=True)
    m = scipy.fft.next_fast_len(int(round(n / factor)), real=True)
    spectrum = scipy.fft.rfft(pcm, n)
    out = np.zeros(m // 2 + 1, spectrum.dtype)
    k = min(len(out), len(spectrum))
    out[:k] = spectrum[:k]
    return (scipy.fft.irfft(out, m) * (m / n))[:int(len(pcm) * m / n)].astype(np.float32), n / m


def response(rng, hz):
    """A random transfer function over hz: tilt, a few broad peaks, an upper and a lower limit."""
    octave = np.log2(np.maximum(hz, 50) / 1000)
    db = np.zeros_like(hz)
    if rng.random() < 0.7:
        db += rng.uniform(-5, 5) * octave
    for _ in range(rng.integers(0, 4)):
        db += rng.uniform(-6, 6) * np.exp(-0.5 * ((octave - rng.uniform(-3, 3)) / rng.uniform(0.2, 1.0)) ** 2)
    gain = 10 ** (np.clip(db, -30, 30) / 20)
    if rng.random() < 0.45:
        limit = rng.uniform(3200, 4000) if rng.random() < 0.75 else rng.uniform(4000, 7500)
        gain = gain / np.sqrt(1 + (hz / limit) ** (2 * rng.uniform(12, 40)))
    if rng.random() < 0.4:
        gain = gain / np.sqrt(1 + (rng.uniform(60, 350) / np.maximum(hz, 1)) ** 6)
    return gain


def room(rng, n):
    """Spectrum of an impulse response: the direct sound and an exponential tail of noise (Polack 1988)."""
    seconds = rng.uniform(0.08, 0.6)
    tail = int(0.6 * RATE * seconds)
    t = np.arange(tail) / RATE
    h = rng.standard_normal(tail) * 10 ** (-3 * t / seconds)
    h *= 10 ** (rng.uniform(-24, -6) / 20) / np.sqrt((h ** 2).sum())
    delay = int(rng.uniform(0.001, 0.012) * RATE)
    full = np.zeros(n)
    full[0] = 1
    full[delay:delay + tail] += h[:max(0, n - delay)]
    return scipy.fft.rfft(full)


def mu_law(pcm):
    y = np.sign(pcm) * np.log1p(255 * np.abs(pcm)) / np.log(256)
    y = np.round(y * 127) / 127
    return np.sign(y) * np.expm1(np.abs(y) * np.log(256)) / 255


def augment(rng, pcm, strength=1.0):
    """Returns (heard, clean, warp factor). `clean` has the warp and the silence around it but no more."""
    factor = 1.0
    if rng.random() < 0.75 * strength:
        pcm, factor = warp(pcm, np.exp(rng.uniform(np.log(0.82), np.log(1.22))))
    lead, tail = (int(max(0, rng.uniform(-0.1, 0.35)) * RATE) for _ in range(2))
    n = fast(lead + len(pcm) + tail)
    clean = np.zeros(n, np.float32)
    clean[lead:lead + len(pcm)] = pcm
    if rng.random() > strength:
        return clean * np.float32(rng.uniform(0.5, 1.2)), clean, factor
    hz = np.arange(n // 2 + 1) * (RATE / n)
    spectrum = scipy.fft.rfft(clean)
    if rng.random() < 0.3:
        spectrum = spectrum * room(rng, n)
    if rng.random() < 0.65:
        noise = scipy.fft.rfft(rng.standard_normal(n).astype(np.float32))
        noise *= (np.maximum(hz, 40) / 1000) ** -rng.uniform(0, 1.2)
        ratio = np.sqrt((np.abs(spectrum) ** 2).sum() / (np.abs(noise) ** 2).sum())
        spectrum = spectrum + noise * (ratio * 10 ** (-rng.uniform(12, 50) / 20))
    heard = scipy.fft.irfft(spectrum * response(rng, hz), n)
    heard *= rng.uniform(0.3, 1.0) / (np.abs(heard).max() + 1e-6)
    kind = rng.random()
    if kind < 0.1:
        heard = mu_law(heard)
    elif kind < 0.16:
        heard = np.clip(heard * rng.uniform(1, 3), -1, 1)
    elif kind < 0.3:
        heard = np.round(heard * 127) / 127  # eight bits
    heard *= 10 ** (-rng.uniform(0, 24) / 20)
    return heard.astype(np.float32), clean, factor


def mask(rng, rows):
    """Bands and moments that are not heard (Park et al. 2019, "SpecAugment")."""
    rows = rows.copy()
    for _ in range(rng.integers(0, 3)):
        width = rng.integers(1, 11)
        first = rng.integers(0, rows.shape[1] - width)
        rows[:, first:first + width] = -2
    for _ in range(rng.integers(0, 3)):
        first = rng.integers(0, len(rows))
        rows[first:first + rng.integers(1, 5)] = -2
    return rows
