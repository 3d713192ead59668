# SPDX-License-Identifier: MPL-2.0
"""How long phones last: for each phone and each of its parts a tree, and one that says which syllables are accented."""

from dataclasses import dataclass
from multiprocessing import Pool

import numpy as np

import flite
import trees
from features import Clause
from model import PHONES
from syllables import ACCENT_NAMES, NAMES, Language, Sequence

#: What lengths are counted in, in ms.
UNIT = 0.01
#: Phones, stress apart.
PLAIN = [phone for phone in PHONES[1:] if not phone.endswith("1")]
#: A part's length is one of a few, an accent of two: see `trees`.
STRADDLE = 12.0
#: What a part lasts that was never heard, in units.
UNKNOWN = 2_500
#: No part is shorter, in ms.
SHORTEST = 5.0


@dataclass
class Lengths:
    language: Language
    #: As `trees.learn` has them.
    nodes: np.ndarray
    #: First nodes: of the accents' tree, then of each phone's parts.
    roots: np.ndarray

    def accent(self, sequence: Sequence) -> None:
        for number, syllable in enumerate(sequence.syllables):
            syllable.accented = bool(trees.decide(self.nodes, self.roots[0], set(ACCENT_NAMES), sequence.accent_row(number)))

    def of(self, clause: Clause) -> np.ndarray:
        """Of each phone, in ms. A pause between two clauses is half of this one's, half of the other's."""
        sequence = Sequence.new(self.language, clause)
        self.accent(sequence)
        names = set(NAMES)
        found = []
        for phone, row in zip(clause.phones, sequence.rows()):
            first = 1 + PLAIN.index(phone.rstrip("1")) * flite.STATES
            parts = [trees.decide(self.nodes, root, names, row) for root in self.roots[first : first + flite.STATES]]
            found.append(sum(parts) * UNIT)
        if clause.before:
            found[0] /= 2
        if clause.behind:
            found[-1] /= 2
        return np.array(found, np.float32)


@dataclass
class Told:
    """Rows of clauses, and what the source made of them."""

    accent_rows: np.ndarray
    accented: np.ndarray
    phones: list[str]
    rows: np.ndarray
    #: In units.
    states: np.ndarray


#: A clause, the accents of all syllables that it is told of, and the lengths of its phones' parts.
Lesson = tuple[Clause, list[bool], np.ndarray]


def told(language: Language, lessons: list[Lesson]) -> Told:
    accent_rows, accented, phones, rows, states = [], [], [], [], []
    for clause, accents, of_clause in lessons:
        sequence = Sequence.new(language, clause)
        if len(sequence.syllables) != len(accents):
            continue
        for syllable, accent in zip(sequence.syllables, accents):
            syllable.accented = accent
        own = [n for n, syllable in enumerate(sequence.syllables) if syllable.clause == 0]
        accent_rows += [sequence.accent_row(n) for n in own]
        accented += [accents[n] for n in own]
        phones += [phone.rstrip("1") for phone in clause.phones]
        rows.append(sequence.rows())
        states.append(np.round(of_clause * 1_000 / UNIT).astype(np.int32))
    return Told(np.array(accent_rows), np.array(accented, np.int64), phones, np.concatenate(rows), np.concatenate(states))


def of_part(arguments: tuple[np.ndarray, np.ndarray]) -> list[list[int]]:
    rows, lengths = arguments
    if not len(rows):
        return [[trees.LEAF, 0, UNKNOWN]]
    found, outcomes = np.unique(lengths, return_inverse=True)
    # Ends are told in 32 bits: what is nearly the same is the same.
    new = np.diff(found, prepend=found[0]) > 1
    outcomes, values = np.cumsum(new)[outcomes], found[np.append(0, np.flatnonzero(new))]
    common = 0 if values[0] <= round(SHORTEST / UNIT) else None
    nodes = trees.learn(rows, outcomes, set(NAMES), STRADDLE, common)
    return [[feature, test, int(values[last]) if feature == trees.LEAF else last] for feature, test, last in nodes]


def train(language: Language, lessons: list[Lesson], workers: int) -> Lengths:
    found = told(language, lessons)
    jobs = []
    phones = np.array(found.phones)
    for phone in PLAIN:
        own = phones == phone
        for part in range(flite.STATES):
            jobs.append((found.rows[own], found.states[own, part]))
    with Pool(workers) as pool:
        parts = pool.map(of_part, jobs, chunksize=1)
    made = [trees.learn(found.accent_rows, found.accented, set(ACCENT_NAMES), 1.0), *parts]
    roots = np.cumsum([0, *map(len, made[:-1])])
    nodes = np.array([node for nodes in made for node in nodes], np.int32)
    assert nodes[:, 2].max() < 1 << 16
    print(f"lengths: {len(made)} trees of {(nodes[:, 0] == trees.LEAF).sum():,} leaves", flush=True)
    return Lengths(language, nodes, roots.astype(np.int32))
