# SPDX-License-Identifier: MPL-2.0
"""From phones to their lengths and their melody, as they were heard."""

import random
from dataclasses import dataclass

import numpy as np
import torch

import data
import features
import pitch
from model import HOP, Prosody
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


def train(clauses: list[Heard], seconds: float, device: str) -> Prosody:
    held = held_out(clauses)
    model = Prosody().to(device)
    schedule = Schedule(seconds, model.parameters(), 2e-3)
    chance = random.Random(data.SEED)

    def batch(numbers: list[int]):
        rows = [clauses[n] for n in numbers]
        phones, places, ends = (padded([getattr(row, name) for row in rows]).to(device) for name in ("phones", "places", "ends"))
        logarithms = padded([np.log(np.maximum(row.frames, 0.5)).astype(np.float32) for row in rows]).to(device)
        knots = padded([row.knots for row in rows]).to(device)
        voiced = padded([row.voiced for row in rows]).to(device)
        return phones > 0, model(phones, places, ends), logarithms, knots, voiced

    for _ in schedule:
        there, found, lengths, knots, voiced = batch([chance.randrange(held, len(clauses)) for _ in range(64)])
        off = (found[..., 1:] - knots).abs()
        weight = there[..., None] * (0.1 + 0.9 * voiced.float())
        # What lengths are wrong by adds up to the place of a word: the places count as well.
        ends, right = ((x.exp() * there).cumsum(1) for x in (found[..., 0], lengths))
        late = (ends - right).abs()[there].mean()
        loss = (found[..., 0] - lengths).abs()[there].mean() + 0.1 * late + 3 * (off * weight).sum() / weight.sum()
        schedule.learn(loss, "prosody")
    model.eval()
    with torch.no_grad():
        there, found, lengths, knots, voiced = batch(list(range(held)))
        off = (found[..., 0].exp() - lengths.exp()).abs()[there] * HOP / 16
        pitch_off = (found[..., 1:] - knots).abs()[voiced & there[..., None]] * 12 / np.log(2)
    print(
        f"prosody: lengths are off by {off.mean():.1f} ms in the mean, by {off.quantile(0.95):.1f} ms for one in twenty; "
        f"the melody by {pitch_off.mean():.2f} semitones in the mean",
        flush=True,
    )
    return model
