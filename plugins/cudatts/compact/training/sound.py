# SPDX-License-Identifier: MPL-2.0
"""From frames to filters: what they make of the melody's pulses and of noise is compared with what was heard."""

import random

import numpy as np
import torch

import data
import features
from model import HOP, Sound, filtered
from melody import Heard
from schedule import Schedule, held_out, padded

#: Frames of a training example.
STRETCH = 96
BATCH = 12


def spectra(x: torch.Tensor, size: int) -> torch.Tensor:
    window = torch.hann_window(size, device=x.device)
    return torch.stft(x, size, size // 4, size, window, return_complex=True).abs() + 1e-4


def sound_loss(found: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    loss = 0.0
    for size in (256, 512, 1024):
        a, b = spectra(found, size), spectra(right, size)
        loss = loss + (a.log() - b.log()).abs().mean() + (a - b).norm() / b.norm()
    return loss / 3


def train(examples: list[data.Example], clauses: list[Heard], seconds: float, device: str) -> Sound:
    model = Sound().to(device)
    schedule = Schedule(seconds, model.parameters(), 2e-3)
    chance = random.Random(data.SEED)
    long_enough = [n for n, row in enumerate(clauses) if n >= held_out(examples) and row.frames.sum() > STRETCH]
    for _ in schedule:
        rows = [(examples[n], clauses[n]) for n in (chance.choice(long_enough) for _ in range(BATCH))]
        phones, places, ends = (padded([getattr(row, name) for _, row in rows]).to(device) for name in ("phones", "places", "ends"))
        of_phones = model.phones(phones, places, ends)
        wide, at, impulses, right = [], [], [], []
        for number, (example, row) in enumerate(rows):
            which, places = features.of_frames(row.frames, row.knots)
            first = chance.randrange(len(which) - STRETCH + 1)
            wide.append(of_phones[number, torch.from_numpy(which[first : first + STRETCH])])
            at.append(places[first : first + STRETCH])
            part = slice(first * HOP, (first + STRETCH) * HOP)
            impulses.append(features.excitation(row.frames, row.knots, 0)[0][part])
            right.append(example.samples[part].astype(np.float32) / 32_768)
        cepstra = model(torch.stack(wide), padded(at).to(device))
        impulses = padded(impulses).to(device)
        found = filtered(cepstra, impulses, torch.randn_like(impulses))
        schedule.learn(sound_loss(found, padded(right).to(device)), "sound")
    return model.eval()
