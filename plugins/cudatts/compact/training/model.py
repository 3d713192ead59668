# SPDX-License-Identifier: MPL-2.0
"""The three networks of the voice, all of the same block, so that one implementation runs them.

letters → phones     `Letters`: three places for each letter, of which a place is a phone or nothing (CTC)
phones → durations   `Durations`: the logarithm of each phone's length in frames
frames → sound       `Sound`: for each frame of 10 ms magnitudes and phases of an inverse STFT

All look to both sides, over a distance that is bounded: whatever lies further away than `reach` changes nothing, so that a
text can be spoken in pieces that fit together to the sample.
"""

import torch
import torch.nn.functional as F
from torch import nn

HOP = 160
WINDOW = 640
KERNEL = 7
#: Places for each letter.
PLACES = 3

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
#: Of flite's voice; 0 is nothing.
PHONES = (
    "- pau aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh"
).split()
PHONE = {phone: number for number, phone in enumerate(PHONES)}
#: What a clause ends with.
ENDS = ["", ",", ".", "?", "!"]


class Block(nn.Module):
    """A depthwise convolution, and two layers for each place."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.along = nn.Conv1d(channels, channels, KERNEL, padding=KERNEL // 2 * dilation, dilation=dilation, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide = nn.Linear(channels, 2 * channels)
        self.back = nn.Linear(2 * channels, channels)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """[batch, places, channels]; places beyond a text's end are zeros by `mask` [batch, places, 1], as they are outside."""
        along = self.along(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.back(F.gelu(self.wide(self.norm(along)), approximate="tanh"))
        return x if mask is None else x * mask


class Blocks(nn.Module):
    """Blocks behind each other."""

    def __init__(self, channels: int, dilations: list[int]):
        super().__init__()
        self.blocks = nn.ModuleList(Block(channels, dilation) for dilation in dilations)
        self.norm = nn.LayerNorm(channels)
        self.reach = sum(dilations) * (KERNEL // 2)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        if mask is not None:
            x = x * mask
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)


class Letters(nn.Module):
    """The phones of a word by its letters."""

    def __init__(self, channels: int = 192):
        super().__init__()
        self.letter = nn.Embedding(len(LETTERS) + 1, channels)
        self.body = Blocks(channels, [1] * 8)
        self.out = nn.Linear(channels, PLACES * len(PHONES))

    def forward(self, letters: torch.Tensor) -> torch.Tensor:
        """Numbers of letters [batch, letters], 0 where there is none → log-probabilities [batch, places, phones]."""
        mask = (letters > 0).unsqueeze(2).float()
        hidden = self.body(self.letter(letters), mask)
        logits = self.out(hidden).reshape(letters.shape[0], -1, len(PHONES))
        return logits.log_softmax(2)


class Durations(nn.Module):
    """How long each phone of a clause lasts."""

    #: Besides the phone: whether a word begins with it, whether one ends, places in the word from both ends, and from both ends of the clause.
    FEATURES = 6

    def __init__(self, channels: int = 128):
        super().__init__()
        self.phone = nn.Embedding(len(PHONES), channels)
        self.end = nn.Embedding(len(ENDS), channels)
        self.place = nn.Linear(self.FEATURES, channels)
        self.body = Blocks(channels, [1, 1, 2, 2, 1, 1])
        self.out = nn.Linear(channels, 1)

    def forward(self, phones: torch.Tensor, places: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """[batch, phones], [batch, phones, FEATURES], [batch, phones] → logarithms of frames [batch, phones]."""
        mask = (phones > 0).unsqueeze(2).float()
        x = self.phone(phones) + self.place(places) + self.end(ends)
        return self.out(self.body(x, mask)).squeeze(2)


class Sound(nn.Module):
    """The sound of frames."""

    #: Place in the phone, logarithm of its length, seconds since the clause began and until it ends.
    FEATURES = 4

    def __init__(self, channels: int = 192):
        super().__init__()
        self.phone = nn.Embedding(len(PHONES), channels)
        self.end = nn.Embedding(len(ENDS), channels)
        self.place = nn.Linear(self.FEATURES, channels)
        self.body = Blocks(channels, [1, 2, 4, 1, 2, 4, 1, 2, 1, 1])
        self.out = nn.Linear(channels, WINDOW + 2)

    def spectrum(self, phones: torch.Tensor, places: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """[batch, frames], [batch, frames, FEATURES], [batch, frames] → complex [batch, bins, frames]."""
        x = self.phone(phones) + self.place(places) + self.end(ends)
        magnitude, phase = self.out(self.body(x)).transpose(1, 2).chunk(2, 1)
        magnitude = torch.exp(magnitude.clamp(max=6.0) - 2.0)
        return torch.complex(magnitude * phase.cos(), magnitude * phase.sin())

    def forward(self, phones: torch.Tensor, places: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """Samples, HOP for each frame. Each frame's window begins HOP · 1.5 before its own samples."""
        return overlap(self.spectrum(phones, places, ends))


def overlap(spectrum: torch.Tensor) -> torch.Tensor:
    """Windows of an inverse Fourier transform, added up and divided by the sum of the squared windows: [batch, frames · HOP]."""
    frames = spectrum.shape[2]
    window = torch.hann_window(WINDOW, device=spectrum.device)
    windows = torch.fft.irfft(spectrum, n=WINDOW, dim=1) * window[None, :, None]
    length = (frames - 1) * HOP + WINDOW
    summed = F.fold(windows, (1, length), (1, WINDOW), stride=(1, HOP)).squeeze(1).squeeze(1)
    squares = F.fold((window**2)[None, :, None].expand(1, -1, frames), (1, length), (1, WINDOW), stride=(1, HOP))
    summed = summed / squares.squeeze(1).squeeze(1).clamp(min=0.05)
    before = (WINDOW - HOP) // 2
    return summed[:, before : before + frames * HOP]
