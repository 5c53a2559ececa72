# SPDX-License-Identifier: MIT
"""The front end of mel-vq: sound to rows of log mel values. The plug-in computes the same from config.json."""
import numpy as np
import scipy.fft
import scipy.sparse

# The keys of config.json that say how sound becomes rows.
FRONT_END = {"sample_rate": 16000, "n_fft": 1024, "window": 640, "hop": 160, "bands": 80, "low_hz": 40.0,
             "high_hz": 7800.0, "stack": 4,
             # the encoder's level: see level() below
             "level_ahead": 25, "level_decay": 0.001, "level_least": 0.0, "level_range": 6.5}
FLOOR = 1e-5  # of a band's magnitude


def mel_bank(c):
    """[bands, bins]: triangles that are straight over Hz, of height 1, equally spaced in HTK's mel."""
    mel = lambda hz: 2595 * np.log10(1 + hz / 700)
    edges = 700 * (10 ** (np.linspace(mel(c["low_hz"]), mel(c["high_hz"]), c["bands"] + 2) / 2595) - 1)
    hz = np.arange(c["n_fft"] // 2 + 1) * c["sample_rate"] / c["n_fft"]
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.maximum(0, np.minimum((hz - low) / (mid - low), (high - hz) / (high - mid)))


class FrontEnd:
    def __init__(self, config=FRONT_END):
        self.config = config
        self.bank = mel_bank(config)
        self.sparse = scipy.sparse.csr_matrix(self.bank.astype(np.float32))
        n = config["window"]
        self.window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)

    def frames(self, pcm):
        """Frame t is the samples around t · hop, silence outside; [n / hop + 1, window], windowed."""
        n, hop = self.config["window"], self.config["hop"]
        padded = np.concatenate([np.zeros(n // 2, np.float32), pcm.astype(np.float32), np.zeros(n, np.float32)])
        count = len(pcm) // hop + 1
        return np.lib.stride_tricks.sliding_window_view(padded, n)[::hop][:count] * self.window

    def log_mel(self, pcm):
        """[frames, bands]: natural logarithm of the magnitude in each band."""
        spectrum = np.abs(scipy.fft.rfft(self.frames(pcm), self.config["n_fft"], axis=1))
        return np.log(np.maximum(self.sparse.dot(spectrum.T).T, FLOOR))

    def level(self, mel):
        """[frames]: the loudest band of what was heard so far and a little ahead, slowly forgotten."""
        c = self.config
        loudest, n = mel.max(1), len(mel)
        level = np.empty(n, np.float32)
        now = max(c["level_least"], loudest[:c["level_ahead"]].max())
        for i in range(n):
            if i + c["level_ahead"] < n:
                now = max(now, loudest[i + c["level_ahead"]])
            level[i] = now
            now = max(now - c["level_decay"], c["level_least"])
        return level

    def relative(self, mel):
        """The encoder's input before stacking: each band against the level, -2 … 2 over level_range."""
        r = self.config["level_range"]
        return (np.maximum(mel - self.level(mel)[:, None], -r) + r / 2) * (4 / r)

    def shifted(self, mel, factor):
        """As a throat `factor` times as short would sound, its pitch apart: bands moved along the frequency axis."""
        c = self.config
        to_mel = lambda hz: 2595 * np.log10(1 + hz / 700)
        centres = np.linspace(to_mel(c["low_hz"]), to_mel(c["high_hz"]), c["bands"] + 2)[1:-1]
        wanted = to_mel(700 * (10 ** (centres / 2595) - 1) / factor)
        at = np.clip((wanted - centres[0]) / (centres[1] - centres[0]), 0, c["bands"] - 1.001)
        low = at.astype(int)
        part = (at - low).astype(np.float32)
        return mel[:, low] * (1 - part) + mel[:, low + 1] * part

    def stack(self, rows, fill):
        """[tokens, stack · bands], the last one filled up."""
        s = self.config["stack"]
        missing = -len(rows) % s
        rows = np.concatenate([rows, np.full((missing, rows.shape[1]), fill, rows.dtype)])
        return rows.reshape(len(rows) // s, -1).astype(np.float32)

    def encoder_input(self, pcm):
        return self.stack(self.relative(self.log_mel(pcm)), -2.0)
