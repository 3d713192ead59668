# SPDX-License-Identifier: MPL-2.0
"""Decision trees of something that is decided without chance: a length is one of a few, and what decides it is in the row.

Where there are many outcomes, a true split has none of them on both sides, so that is what is looked for: of all tests the one
that divides the rows most evenly, less `straddle` times what outcomes on both sides lose (1: what it tells of the outcome). What
many reasons have, as a length that may not be shorter, says nothing of where it comes from, and hardly counts.
"""

import numpy as np

#: What an outcome weighs that many reasons have.
COMMON = 1e-3
#: The feature of a leaf.
LEAF = 255


def learn(rows: np.ndarray, outcomes: np.ndarray, names: set[int], straddle: float, common: int | None = None) -> list[list[int]]:
    """Of rows of small numbers from -1 on, and the number of the outcome of each: nodes, the first child behind each, as
    [feature, test, step to the second child] or [LEAF, 0, outcome]. `names` are features that have no order: the test is whether
    it is this one; of the others, whether it is no more than this."""
    counts = np.bincount(outcomes)
    if np.count_nonzero(counts) == 1 or (best := split(rows, outcomes, names, straddle, common)) is None:
        return [[LEAF, 0, int(counts.argmax())]]
    feature, test = best
    there = rows[:, feature] == test if feature in names else rows[:, feature] <= test
    first = learn(rows[there], outcomes[there], names, straddle, common)
    second = learn(rows[~there], outcomes[~there], names, straddle, common)
    return [[feature, test, 1 + len(first)], *first, *second]


def split(rows: np.ndarray, outcomes: np.ndarray, names: set[int], straddle: float, common: int | None) -> tuple[int, int] | None:
    present, outcomes = np.unique(outcomes, return_inverse=True)
    weigh = np.ones(len(present))
    if len(present) > 2:
        weigh[present == common] = COMMON
    best, found = -np.inf, None
    for feature in range(rows.shape[1]):
        values = rows[:, feature].astype(np.int64)
        low, high = values.min(), values.max()
        if low == high:
            continue
        size = int(high - low) + 1
        table = np.bincount((values - low) * len(present) + outcomes, minlength=size * len(present)).reshape(size, -1) * weigh
        of_outcome = table.sum(0)
        here = table if feature in names else np.cumsum(table, 0)[:-1]
        share = here / of_outcome
        total = of_outcome.sum()
        side = here.sum(1) / total
        possible = (side > 1e-9) & (side < 1 - 1e-9)
        score = np.where(possible, entropy(side) - straddle * (entropy(share) * of_outcome).sum(1) / total, -np.inf)
        at = int(score.argmax())
        if score[at] > best:
            best, found = score[at], (feature, int(low) + at)
    return found


def entropy(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 1e-12, 1 - 1e-12)
    return -(share * np.log(share) + (1 - share) * np.log(1 - share))


def decide(nodes: np.ndarray, root: int, names: set[int], row: np.ndarray) -> int:
    """The outcome of a row by the tree whose first node this is."""
    at = root
    while (feature := int(nodes[at, 0])) != LEAF:
        value, test = int(row[feature]), int(nodes[at, 1])
        at += 1 if (value == test if feature in names else value <= test) else int(nodes[at, 2])
    return int(nodes[at, 2])
