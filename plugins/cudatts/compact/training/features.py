# SPDX-License-Identifier: MPL-2.0
"""What the networks read: phones, words and clauses as numbers; and the excitation that their filters are for. The engine
computes the same (parity vectors show it)."""

from dataclasses import dataclass, field

import numpy as np

from model import ENDS, HOP, KNOTS, MIDDLE, PHONE, RATE

FRAMES_PER_SECOND = RATE / HOP
#: Where in a phone the points of its melody lie.
KNOTS_AT = (np.arange(KNOTS) + 0.5) / KNOTS


@dataclass
class Clause:
    """What is spoken in one breath: its phones, to which word each belongs (-1 for a pause), and what it ends with."""

    phones: list[str]
    words: list[int]
    end: str
    #: For each word its class (0: no function word).
    classes: list[int] = field(default_factory=list)
    #: Words before and behind, where no sentence ends between: their phones and their classes.
    before: list[tuple[list[str], int]] = field(default_factory=list)
    behind: list[tuple[list[str], int]] = field(default_factory=list)


def of_phones(clause: Clause) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of phones, their places, and the clause's end for each."""
    count = len(clause.phones)
    places = np.zeros((count, 6), np.float32)
    for at, word in enumerate(clause.words):
        before = at - next((n for n in range(at, -1, -1) if clause.words[n] != word), -1) - 1
        after = next((n for n in range(at, count) if clause.words[n] != word), count) - at - 1
        places[at] = (
            float(word >= 0 and before == 0),
            float(word >= 0 and after == 0),
            min(before, 8) / 8,
            min(after, 8) / 8,
            min(at, 20) / 20,
            min(count - 1 - at, 20) / 20,
        )
    phones = np.array([PHONE[phone] for phone in clause.phones], np.int64)
    return phones, places, np.full(count, ENDS.index(clause.end), np.int64)


def lengths_of(milliseconds: np.ndarray, rate: float = 1.0) -> np.ndarray:
    """Whole frames of phones that last so long, one at least each; what is rounded is made good by the next."""
    frames = np.zeros(len(milliseconds), np.int64)
    owed = 0.0
    for at, length in enumerate(milliseconds.astype(np.float64)):
        owed += length / (1_000 / FRAMES_PER_SECOND) / rate
        frames[at] = max(1, int(np.floor(owed + 0.5)))
        owed -= frames[at]
    return frames


def melody(frames: np.ndarray, knots: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """The logarithm of the fundamental, less MIDDLE, at these places of a clause in samples: straight lines from knot to knot."""
    begins = np.cumsum(frames) - frames
    at = (begins[:, None] + frames[:, None] * KNOTS_AT[None]) * HOP
    return np.interp(samples, at.reshape(-1), knots.astype(np.float64).reshape(-1))


def of_frames(frames: np.ndarray, knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each frame of a clause, whose phones last so many frames each: the place of its phone in the clause, and what `Sound.place` reads."""
    total = int(frames.sum())
    places = np.zeros((total, 5), np.float32)
    at = 0
    for count in frames:
        count = int(count)
        places[at : at + count, 0] = (np.arange(count) + 0.5) / max(count, 1)
        places[at : at + count, 1] = np.log(max(count, 1)) / 3
        at += count
    time = np.arange(total) / FRAMES_PER_SECOND
    places[:, 2] = np.minimum(time, 4.0) / 4
    places[:, 3] = np.minimum(total / FRAMES_PER_SECOND - time, 4.0) / 4
    places[:, 4] = 2 * melody(frames, knots, (np.arange(total) + 0.5) * HOP)
    return np.repeat(np.arange(len(frames)), frames), places


def pulses(fundamental: np.ndarray) -> np.ndarray:
    """Pulses of a power of 1 at this fundamental, in Hz, sample by sample. One that lies between two samples is shared by them."""
    phase = np.cumsum(fundamental.astype(np.float64) / RATE)
    out = np.zeros(len(phase) + 1)
    turns = np.floor(phase)
    fell = np.flatnonzero(np.diff(turns, prepend=0.0) > 0)
    step = fundamental[fell] / RATE
    late = (phase[fell] - turns[fell]) / step
    # It fell `late` samples before its sample.
    height = np.sqrt(1.0 / step)
    np.add.at(out, fell, height * late)
    np.add.at(out, fell + 1, height * (1.0 - late))
    return out[:-1].astype(np.float32)


def noise(count: int, seed: int) -> np.ndarray:
    """White noise of a power of 1: each sample from its number alone (a hash of 32 bits)."""
    x = np.arange(count, dtype=np.uint32) + np.uint32(seed) * np.uint32(0x9E3779B9)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    x = x ^ (x >> np.uint32(16))
    return ((x.astype(np.float64) / 2**31 - 1.0) * np.sqrt(3.0)).astype(np.float32)


def excitation(frames: np.ndarray, knots: np.ndarray, seed: int, pitch: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Pulses and noise of a clause."""
    total = int(frames.sum()) * HOP
    hertz = np.exp(melody(frames, knots, np.arange(total) + 0.5) + MIDDLE) * pitch
    return pulses(hertz), noise(total, seed)


def frames_of(ends: np.ndarray) -> np.ndarray:
    """Whole frames of phones that end at these seconds: each end goes to the nearest frame, so that nothing adds up."""
    marks = np.round(ends * FRAMES_PER_SECOND).astype(np.int64)
    return np.diff(np.concatenate([[0], marks]))
