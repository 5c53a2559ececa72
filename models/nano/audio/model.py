# SPDX-License-Identifier: MIT
"""The two networks of mel-vq. Tensor names are those of model.safetensors. `mask` is 1 inside a recording and
0 behind its end in a batch, so that a batch computes what each recording alone would.

Linear layers are written as convolutions of width 1: PyTorch's CPU builds without MKL are slow otherwise.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

ENCODER = {"input": 320, "width": 192, "kernel": 5, "dilations": [1, 2, 1], "code": 48, "codes": 512}
DECODER = {"width": 240, "kernel": 5, "dilations": [1, 2, 1], "ahead": [1, 1, 1], "frame_width": 128,
           "frame_dilations": [1, 1], "frame_ahead": [2, 2]}


class LayerNorm(nn.LayerNorm):
    def forward(self, x):  # [n, channels, time]
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class Block(nn.Module):
    """x + linear(relu(conv(norm(x)))); `ahead` taps of the convolution reach into the future."""

    def __init__(self, width, kernel, dilation, ahead, dropout=0.05):
        super().__init__()
        self.dropout = dropout
        self.norm = LayerNorm(width)
        self.conv = nn.Conv1d(width, width, kernel, dilation=dilation)
        self.linear = nn.Conv1d(width, width, 1)
        self.pad = ((kernel - 1 - ahead) * dilation, ahead * dilation)

    def forward(self, x, mask=1.0):
        inner = F.relu(self.conv(F.pad(self.norm(x) * mask, self.pad)))
        return x + self.linear(F.dropout(inner, self.dropout, self.training))


class Encoder(nn.Module):
    def __init__(self, c=ENCODER):
        super().__init__()
        self.input = nn.Conv1d(c["input"], c["width"], 3, padding=1)
        self.blocks = nn.ModuleList(Block(c["width"], c["kernel"], d, c["kernel"] // 2) for d in c["dilations"])
        self.output = nn.Conv1d(c["width"], c["code"], 1)

    def forward(self, x, mask=1.0):  # [n, input, time] -> hidden, [n, code, time]
        x = F.relu(self.input(x * mask))
        for block in self.blocks:
            x = block(x, mask)
        return x, self.output(x)


class Codebook(nn.Module):
    """Nearest row by Euclidean distance; rows are moving averages of what fell to them, and rows that
    nothing falls to start anew from the batch (van den Oord et al. 2017; Razavi et al. 2019)."""

    def __init__(self, c=ENCODER, decay=0.98):
        super().__init__()
        self.decay = decay
        self.register_buffer("weight", torch.randn(c["codes"], c["code"]))
        self.register_buffer("count", torch.ones(c["codes"]))
        self.register_buffer("total", self.weight.clone())

    def codes(self, z):  # [n, code] -> [n]
        return (z.pow(2).sum(1, True) - 2 * z @ self.weight.t() + self.weight.pow(2).sum(1)).argmin(1)

    @torch.no_grad()
    def seed(self, z, generator):
        rows = z[torch.randint(len(z), (len(self.weight),), generator=generator)]
        self.weight.copy_(rows + 0.01 * z.std() * torch.randn(rows.shape, generator=generator))
        self.count.fill_(1)
        self.total.copy_(self.weight)

    @torch.no_grad()
    def update(self, z, codes, generator, least=0.05):
        n = torch.zeros_like(self.count).index_add_(0, codes, torch.ones(len(codes)))
        self.count.mul_(self.decay).add_(n, alpha=1 - self.decay)
        total = torch.zeros_like(self.total).index_add_(0, codes, z)
        self.total.mul_(self.decay).add_(total, alpha=1 - self.decay)
        self.weight.copy_(self.total / self.count.clamp(min=1e-3)[:, None])
        dead = (self.count < least).nonzero()[:, 0]
        if len(dead):
            rows = z[torch.randint(len(z), (len(dead),), generator=generator)]
            self.weight[dead] = rows
            self.total[dead] = rows * 0.3
            self.count[dead] = 0.3


class Judge(nn.Module):
    """What the codes must still tell, in training only: phones, and the sound of the voice that spoke."""

    def __init__(self, voices, phones, stack_bands, c=ENCODER, speaker=48):
        super().__init__()
        self.phones = nn.Sequential(nn.Conv1d(c["code"], 128, 3, padding=1), nn.ReLU(), nn.Conv1d(128, phones + 1, 1))
        self.phones_early = nn.Conv1d(c["width"], phones + 1, 1)
        self.speaker = nn.Embedding(voices, speaker)
        self.sound = nn.Sequential(nn.Conv1d(c["code"] + speaker + 2, 160, 5, padding=2), nn.ReLU(),
                                   nn.Conv1d(160, 160, 3, padding=1), nn.ReLU(), nn.Conv1d(160, stack_bands, 1))

    def reconstruct(self, q, voice, throat):
        who = torch.cat([self.speaker(voice), throat], 1)
        return self.sound(torch.cat([q, who[:, :, None].expand(-1, -1, q.shape[2])], 1))


class Decoder(nn.Module):
    """Codes to rows of log mel of the one voice: blocks at the tokens' rate, then at the frames'."""

    def __init__(self, codes, bands, stack, c=DECODER):
        super().__init__()
        self.stack, self.frame_width = stack, c["frame_width"]
        self.embed = nn.Embedding(codes, c["width"])
        self.blocks = nn.ModuleList(Block(c["width"], c["kernel"], d, a) for d, a in zip(c["dilations"], c["ahead"]))
        self.spread = nn.Conv1d(c["width"], stack * c["frame_width"], 1)
        self.frame_blocks = nn.ModuleList(Block(c["frame_width"], c["kernel"], d, a)
                                          for d, a in zip(c["frame_dilations"], c["frame_ahead"]))
        self.output = nn.Conv1d(c["frame_width"], bands, 1)

    def forward(self, ids, mask=None):  # [n, tokens] -> [n, bands, tokens · stack]
        mask = torch.ones(1, 1, ids.shape[1]) if mask is None else mask
        x = self.embed(ids).transpose(1, 2)
        for block in self.blocks:
            x = block(x, mask)
        x = self.spread(x)  # [n, stack · width, tokens], frame-major
        n, _, t = x.shape
        x = x.view(n, self.stack, self.frame_width, t).permute(0, 2, 3, 1).reshape(n, self.frame_width, t * self.stack)
        mask = mask.repeat_interleave(self.stack, 2)
        for block in self.frame_blocks:
            x = block(x, mask)
        return self.output(x)
