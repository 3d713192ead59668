# SPDX-License-Identifier: MPL-2.0
"""From phones to their melody, as it was heard."""

import random
from dataclasses import dataclass

import numpy as np
import torch

import data
import features
import pitch
from model import Melody
from schedule import Schedule, held_out, padded


@dataclass
class Heard:
    """What the networks read of a clause, and what they are to say."""

    phones: np.ndarray
    places: np.ndarray
    ends: np.ndarray
    frames: np.ndarray
    knots: np.ndarray
    voiced: np.ndarray


def heard(example: data.Example) -> Heard:
    phones, places, ends = features.of_phones(example.clause)
    found, voiced = pitch.track(example.samples.astype(np.float32) / 32_768)
    knots, where = pitch.knots_of(found, voiced, example.frames)
    return Heard(phones, places, ends, example.frames, knots, where)


def train(clauses: list[Heard], seconds: float, device: str) -> Melody:
    held = held_out(clauses)
    model = Melody().to(device)
    schedule = Schedule(seconds, model.parameters(), 2e-3)
    chance = random.Random(data.SEED)

    def batch(numbers: list[int]):
        rows = [clauses[n] for n in numbers]
        phones, places, ends = (padded([getattr(row, name) for row in rows]).to(device) for name in ("phones", "places", "ends"))
        knots = padded([row.knots for row in rows]).to(device)
        voiced = padded([row.voiced for row in rows]).to(device)
        return phones > 0, model(phones, places, ends), knots, voiced

    for _ in schedule:
        there, found, knots, voiced = batch([chance.randrange(held, len(clauses)) for _ in range(64)])
        weight = there[..., None] * (0.1 + 0.9 * voiced.float())
        schedule.learn(((found - knots).abs() * weight).sum() / weight.sum(), "melody")
    model.eval()
    with torch.no_grad():
        there, found, knots, voiced = batch(list(range(held)))
        off = (found - knots).abs()[voiced & there[..., None]] * 12 / np.log(2)
    print(f"melody: off by {off.mean():.2f} semitones in the mean", flush=True)
    return model
