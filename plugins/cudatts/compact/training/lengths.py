# SPDX-License-Identifier: MPL-2.0
"""How long phones last. One tree says which syllables are accented, one how much longer than its mean each part of a phone is, in
spreads of that part."""

from dataclasses import dataclass
from itertools import chain
from multiprocessing import Pool

import numpy as np

import flite
import trees
from data import ALL_PHONES
from features import Clause
from model import PHONES
from syllables import ACCENT_NAMES, NAMES, Language, Sequence

#: Phones, stress apart.
PLAIN = [phone for phone in PHONES[1:] if not phone.endswith("1")]
#: What a leaf counts in, in spreads.
UNIT = 1 / 8_192
#: No part is shorter, in ms.
SHORTEST = 5.0
#: The source rounds ends; what it decided is known so well, in spreads: between two decisions there is more, but for a few.
ROUNDED = 1e-5
#: Decisions that are so near may count as one.
NEAR = 3e-5
#: See `trees`.
STRADDLE = 50.0


@dataclass
class Lengths:
    language: Language
    #: As `trees.learn` has them, leaves in units.
    accents: np.ndarray
    lengths: np.ndarray
    #: Mean and spread in ms of each part of each phone of `PLAIN`.
    parts: np.ndarray

    def accent(self, sequence: Sequence) -> None:
        for number, syllable in enumerate(sequence.syllables):
            syllable.accented = bool(trees.decide(self.accents, set(ACCENT_NAMES), sequence.accent_row(number)))

    def of(self, clause: Clause) -> np.ndarray:
        """Of each phone, in ms. A pause between two clauses is half of this one's, half of the other's."""
        sequence = Sequence.new(self.language, clause)
        self.accent(sequence)
        names = set(NAMES)
        parts = []
        for row, part in zip(*rows_of_parts(sequence)):
            mean, spread = self.parts[part]
            parts.append(max(mean + trees.decide(self.lengths, names, row) * UNIT * spread, SHORTEST))
        found = np.reshape(parts, (-1, flite.STATES)).sum(1)
        if clause.before:
            found[0] /= 2
        if clause.behind:
            found[-1] /= 2
        return found.astype(np.float32)


def rows_of_parts(sequence: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """For each part of each phone of the clause its row, and its number. A part is known by those before and behind it, too."""
    numbers = [PLAIN.index(phone) * flite.STATES + part for phone in sequence.phones for part in range(flite.STATES)]
    numbers = np.array([-1, *numbers, -1])
    first, behind = (1 + phone * flite.STATES for phone in (sequence.clause.start, sequence.clause.stop))
    own = numbers[first:behind]
    beside = np.stack([own, numbers[first - 1 : behind - 1], numbers[first + 1 : behind + 1]], 1)
    return np.concatenate([np.repeat(sequence.rows(), flite.STATES, 0), beside.astype(np.int8)], 1), own


#: A clause, the accents of all syllables that it is told of, and the lengths of its phones' parts, in seconds.
Lesson = tuple[Clause, list[bool], np.ndarray]
#: Of a clause: rows and accents of its syllables, rows and numbers of its parts, and their lengths in ms.
Rows = tuple[np.ndarray, list[bool], np.ndarray, np.ndarray, np.ndarray]


def rows_of(arguments: tuple[Language, Lesson]) -> Rows | None:
    language, (clause, accents, seconds) = arguments
    sequence = Sequence.new(language, clause)
    if len(sequence.syllables) != len(accents):
        return None
    for syllable, accent in zip(sequence.syllables, accents):
        syllable.accented = accent
    own = [n for n, syllable in enumerate(sequence.syllables) if syllable.clause == 0]
    accent_rows = np.stack([sequence.accent_row(n) for n in own])
    return accent_rows, [accents[n] for n in own], *rows_of_parts(sequence), seconds.ravel() * 1_000


def told_of_accents(rows: np.ndarray, accented: np.ndarray) -> trees.Told:
    return trees.Told(rows, accented, np.zeros(len(rows)), np.array([0.0, 1.0]))


def told_of_lengths(rows: np.ndarray, parts: np.ndarray, lengths: np.ndarray, facts: np.ndarray) -> trees.Told:
    mean, spread = facts[parts].T
    decided = (lengths - mean) / spread
    # What was decided of a part that may not be shorter is not known, only that it is less than this.
    most = (SHORTEST + 1e-3 - mean) / spread
    seen = np.flatnonzero(decided > most)
    seen = seen[np.argsort(decided[seen])]
    outcomes = np.full(len(rows), trees.HIDDEN)
    outcomes[seen] = np.cumsum(np.diff(decided[seen], prepend=decided[seen[0]]) > ROUNDED)
    values = np.bincount(outcomes[seen], decided[seen]) / np.bincount(outcomes[seen])
    return trees.Told(rows, outcomes, most, values)


def packed(nodes: list[tuple[int, int, float]], unit: float) -> np.ndarray:
    """With leaves in units."""
    found = np.array([(feature, test, round(last / unit) if feature == trees.LEAF else last) for feature, test, last in nodes], np.int32)
    leaves = found[:, 0] == trees.LEAF
    assert abs(found[leaves, 2]).max() < 1 << 15 and found[:, 2].max() < 1 << 16
    return found


def train(language: Language, lessons: list[Lesson], workers: int) -> Lengths:
    with Pool(workers) as pool:
        found = [rows for rows in pool.imap(rows_of, ((language, lesson) for lesson in lessons), chunksize=200) if rows]
    accent_rows, accented, rows, parts, lengths = ([rows[which] for rows in found] for which in range(5))
    of_phones = flite.library().lengths(ALL_PHONES)
    facts = np.array([part for phone in PLAIN for part in of_phones[phone]])
    accents = told_of_accents(np.concatenate(accent_rows), np.array(list(chain.from_iterable(accented)), np.int64))
    of_parts = told_of_lengths(*map(np.concatenate, (rows, parts, lengths)), facts)
    made = Lengths(
        language,
        packed(trees.learn(accents, set(ACCENT_NAMES), 1.0, 0.5), 1.0),
        packed(trees.learn(of_parts, set(NAMES), STRADDLE, NEAR), UNIT),
        facts.astype(np.float32),
    )
    sizes = [int((nodes[:, 0] == trees.LEAF).sum()) for nodes in (made.accents, made.lengths)]
    print(f"lengths: trees of {sizes[0]:,} and {sizes[1]:,} leaves, of {len(of_parts.rows):,} parts", flush=True)
    return made
