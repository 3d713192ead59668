# SPDX-License-Identifier: MPL-2.0
"""What the networks read: phones, words and clauses as numbers. The engine computes the same (parity vectors show it)."""

from dataclasses import dataclass

import numpy as np

from model import ENDS, HOP, PHONE

FRAMES_PER_SECOND = 16_000 / HOP


@dataclass
class Clause:
    """What is spoken in one breath: its phones, to which word each belongs (-1 for a pause), and what it ends with."""

    phones: list[str]
    words: list[int]
    end: str


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


def of_frames(phones: np.ndarray, frames: np.ndarray, end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each frame of a clause, whose phones last so many frames each."""
    total = int(frames.sum())
    numbers = np.repeat(phones, frames)
    places = np.zeros((total, 4), np.float32)
    at = 0
    for count in frames:
        count = int(count)
        places[at : at + count, 0] = (np.arange(count) + 0.5) / max(count, 1)
        places[at : at + count, 1] = np.log(max(count, 1)) / 3
        at += count
    time = np.arange(total) / FRAMES_PER_SECOND
    places[:, 2] = np.minimum(time, 4.0) / 4
    places[:, 3] = np.minimum(total / FRAMES_PER_SECOND - time, 4.0) / 4
    return numbers, places, np.full(total, end, np.int64)


def frames_of(ends: np.ndarray) -> np.ndarray:
    """Whole frames of phones that end at these seconds: each end goes to the nearest frame, so that nothing adds up."""
    marks = np.round(ends * FRAMES_PER_SECOND).astype(np.int64)
    return np.diff(np.concatenate([[0], marks]))
