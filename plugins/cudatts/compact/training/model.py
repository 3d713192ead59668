# SPDX-License-Identifier: MPL-2.0
"""The networks of the voice, all of the same block, so that one implementation runs them, and the head that makes sound. (How
long phones last is decided by trees: see `lengths`.)

letters → phones     `Letters`: three places for each letter, of which a place is a phone or nothing (CTC)
phones → melody      `Melody`: for each phone three points of its fundamental
frames → sound       `Sound`: for each frame of 10 ms two minimum-phase filters, given as cepstra: one for the pulses of the
                     melody, one for noise. Filtered by an inverse STFT and added up, they are the sound.

All look to both sides, over a distance that is bounded: whatever lies further away than `reach` changes nothing, so that a
text can be spoken in pieces that fit together to the sample.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

RATE = 16_000
#: Samples of a frame.
HOP = 160
#: Samples of the excitation that a frame filters: its own and half a frame on both sides, by a Hann window.
WINDOW = 320
#: Points of the Fourier transform: room for what a filter rings after its window.
POINTS = 1_024
#: Numbers of the cepstrum of the pulses' filter and of the noise's.
VOICED, NOISE = 64, 40
KERNEL = 7
#: Places for each letter.
PLACES = 3
#: Points of a phone's melody, at 1/6, 3/6 and 5/6 of its length.
KNOTS = 3

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
#: Of flite's voice; 0 is nothing, and vowels with a 1 are stressed.
PHONES = (
    "- pau aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh "
    "aa1 ae1 ah1 ao1 aw1 ay1 eh1 er1 ey1 ih1 iy1 ow1 oy1 uh1 uw1"
).split()
PHONE = {phone: number for number, phone in enumerate(PHONES)}
#: What a clause ends with.
ENDS = [",", ".", "?", "!"]
#: Logarithm of a fundamental of 200 Hz: what melodies are relative to.
MIDDLE = float(np.log(200.0))


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


class OfPhones(nn.Module):
    """What phones, their places in the word and the clause, and the clause's end say together."""

    #: Whether a word begins with it, whether one ends, places in the word from both ends, and from both ends of the clause.
    FEATURES = 6

    def __init__(self, channels: int, dilations: list[int]):
        super().__init__()
        self.phone = nn.Embedding(len(PHONES), channels)
        self.end = nn.Embedding(len(ENDS), channels)
        self.place = nn.Linear(self.FEATURES, channels)
        self.body = Blocks(channels, dilations)

    def forward(self, phones: torch.Tensor, places: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """[batch, phones], [batch, phones, FEATURES], [batch, phones] → [batch, phones, channels]."""
        mask = (phones > 0).unsqueeze(2).float()
        return self.body(self.phone(phones) + self.place(places) + self.end(ends), mask)


class Melody(nn.Module):
    """At which pitch the phones of a clause are said."""

    def __init__(self, channels: int = 128):
        super().__init__()
        self.phones = OfPhones(channels, [1, 1, 2, 2, 1, 1])
        self.out = nn.Linear(channels, KNOTS)

    def forward(self, phones: torch.Tensor, places: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """As `OfPhones` → [batch, phones, KNOTS]: the logarithm of its fundamental, less MIDDLE."""
        return self.out(self.phones(phones, places, ends))


class Sound(nn.Module):
    """The filters of frames."""

    #: Place in the phone, logarithm of its length, seconds since the clause began and until it ends, the melody.
    FEATURES = 5

    def __init__(self, channels: int = 192):
        super().__init__()
        self.phones = OfPhones(channels, [1, 1, 1])
        self.place = nn.Linear(self.FEATURES, channels)
        self.body = Blocks(channels, [1, 1, 2, 1, 2, 1, 1])
        self.out = nn.Linear(channels, VOICED + NOISE)

    def forward(self, of_phones: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """For each frame what `phones` says of its phone [batch, frames, channels], and its place [batch, frames, FEATURES]
        → cepstra [batch, frames, VOICED + NOISE]."""
        return self.out(self.body(of_phones + self.place(places)))


def responses(cepstra: torch.Tensor) -> torch.Tensor:
    """Of causal cepstra [..., count]: exp of their Fourier transform, a filter of minimum phase [..., POINTS / 2 + 1]."""
    count = cepstra.shape[-1]
    turns = torch.arange(count)[:, None] * torch.arange(POINTS // 2 + 1)[None] % POINTS
    angle = turns.double() * (2 * np.pi / POINTS)
    real = (cepstra @ angle.cos().float().to(cepstra.device)).clamp(max=8.0)
    return torch.polar(real.exp(), -(cepstra @ angle.sin().float().to(cepstra.device)))


def filtered(cepstra: torch.Tensor, pulses: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """The sound: cepstra [batch, frames, VOICED + NOISE]; pulses and noise [batch, frames · HOP], of which each frame filters its
    own samples and half a frame on both sides (nothing lies outside) → [batch, frames · HOP]."""
    batch, frames, _ = cepstra.shape
    side = (WINDOW - HOP) // 2
    window = torch.hann_window(WINDOW, device=cepstra.device)

    def spectra(x: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft(F.pad(x, (side, side)).unfold(1, WINDOW, HOP) * window, POINTS)

    both = spectra(pulses) * responses(cepstra[..., :VOICED]) + spectra(noise) * responses(cepstra[..., VOICED:])
    pieces = torch.fft.irfft(both, POINTS)
    length = (frames - 1) * HOP + POINTS
    summed = F.fold(pieces.transpose(1, 2), (1, length), (1, POINTS), stride=(1, HOP)).reshape(batch, length)
    return summed[:, side : side + frames * HOP]
