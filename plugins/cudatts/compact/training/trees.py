# SPDX-License-Identifier: MPL-2.0
"""Decision trees of something that is decided without chance: an outcome is one of some, and what decides it is in the row.

Where there are many outcomes, a true split has none of them on both sides, so that is what is looked for: of all tests the one
that divides the rows most evenly, less `straddle` times what outcomes on both sides lose. With 1 that is what a test tells of the
outcome. Two reasons may have the same outcome by accident, so the one that loses most of all counts `ACCIDENT` times at most.
"""

from dataclasses import dataclass

import numpy as np

#: The outcome of a row of which it is only known that it is no more than `most`.
HIDDEN = -1
#: The feature of a leaf.
LEAF = 255
ACCIDENT = 2.0
#: An outcome with many rows counts as much as one with so many.
ENOUGH = 20
#: Splits are looked for among so many rows.
LOOKED_AT = 150_000


@dataclass
class Told:
    """Rows of small numbers from -1 on, the number of the outcome of each, and what a hidden one is no more than."""

    rows: np.ndarray
    outcomes: np.ndarray
    most: np.ndarray
    #: Of each outcome.
    values: np.ndarray

    def __getitem__(self, which: np.ndarray) -> "Told":
        return Told(self.rows[which], self.outcomes[which], self.most[which], self.values)


def learn(told: Told, names: set[int], straddle: float, near: float) -> list[tuple[int, int, float]]:
    """Nodes, the first child behind each, as (feature, test, step to the second child) or (LEAF, 0, value). `names` are features that
    have no order: the test is whether it is this one; of the others, whether it is no more than this. Values nearer than `near` are
    one."""
    seen = told.outcomes != HIDDEN
    values = told.values[told.outcomes[seen]]
    if not len(values):
        return [(LEAF, 0, float(told.most.min()))]
    value = float(np.median(values))
    if np.ptp(values) < near:
        best = None
        if (~seen & (told.most < value)).any():
            best = split(told.rows, seen.astype(np.int64), names, straddle)
    else:
        best = split(told.rows[seen], told.outcomes[seen], names, straddle)
    if best is None:
        return [(LEAF, 0, value)]
    feature, test = best
    asked = told.rows[:, feature]
    there = asked == test if feature in names else asked <= test
    first, second = (learn(told[side], names, straddle, near) for side in (there, ~there))
    return [(*best, 1 + len(first)), *first, *second]


def split(rows: np.ndarray, outcomes: np.ndarray, names: set[int], straddle: float) -> tuple[int, int] | None:
    if len(rows) > LOOKED_AT:
        some = np.random.default_rng(len(rows)).choice(len(rows), LOOKED_AT, replace=False)
        rows, outcomes = rows[some], outcomes[some]
    present, outcomes = np.unique(outcomes, return_inverse=True)
    counts = np.bincount(outcomes)
    weights = np.minimum(counts, ENOUGH) if straddle > 1 else counts
    weights = weights / weights.sum()
    best, found = -np.inf, None
    low, high = rows.min(0), rows.max(0)
    for feature in np.flatnonzero(low < high):
        first, size = int(low[feature]), int(high[feature]) - int(low[feature]) + 1
        at = rows[:, feature].astype(np.int64) - first
        table = np.bincount(at * len(present) + outcomes, minlength=size * len(present)).reshape(size, -1)
        here = table if feature in names else np.cumsum(table, 0)
        side = here.sum(1)
        possible = np.flatnonzero((side > 0) & (side < len(rows)))
        if not len(possible):
            continue
        lost = entropy(here[possible] / counts) * weights
        accident = lost.max(1)
        score = entropy(side[possible] / len(rows)) - straddle * (lost.sum(1) - accident) - min(straddle, ACCIDENT) * accident
        one = int(score.argmax())
        if score[one] > best:
            best, found = score[one], (int(feature), first + int(possible[one]))
    return found


def entropy(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 1e-12, 1 - 1e-12)
    return -(share * np.log(share) + (1 - share) * np.log(1 - share))


def decide(nodes: np.ndarray, names: set[int], row: np.ndarray) -> int:
    """The last number of the leaf that a row leads to."""
    at = 0
    while (feature := int(nodes[at, 0])) != LEAF:
        value, test = int(row[feature]), int(nodes[at, 1])
        at += 1 if (value == test if feature in names else value <= test) else int(nodes[at, 2])
    return int(nodes[at, 2])
