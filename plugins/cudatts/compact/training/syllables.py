# SPDX-License-Identifier: MPL-2.0
"""What lengths of phones are decided by: syllables, accents, function words, and places among all these. The engine computes the
same (parity vectors show it)."""

from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from features import Clause
from model import PHONE

#: Phones whose numbers a phone's row has: itself, the two before and the two behind.
AROUND = [0, -1, -2, 1, 2]
#: Syllables of which a row tells: the two before and the two behind.
BESIDE = [-1, -2, 1, 2]
#: Kinds of consonants that a row asks onset and coda for, as signs of the attribute `ctype`: stops, fricatives, nasals, approximants.
KINDS = ["s", "f", "n", "rl"]
#: Of each phone around: its number (stress apart), and its eight attributes.
ATTRIBUTES = 8
VC, CTYPE = 0, 5
#: What there is nothing of.
NONE = -1
#: The sign of an attribute that a phone has not, or that of no phone.
NO_ATTRIBUTE = ord("0")
#: Numbers of a phone's row.
WIDTH = len(AROUND) * (1 + ATTRIBUTES) + 2 + 2 * len(KINDS) + 14 + 5 * len(BESIDE) + 5
#: Behind them, in a part's row: the part, the one before and the one behind.
PARTS = 3
#: Of a syllable that an accent is decided by.
ACCENT_WIDTH = 17
#: Numbers that have no order: phones and their attributes, a phone's place in its syllable, the syllable's in its word, the word's
#: class, whether a vowel follows; parts.
NAMES = [*range(len(AROUND) * (1 + ATTRIBUTES) + 1), *range(WIDTH - 5, WIDTH + PARTS)]
#: Of an accent's none has: it may ask for the second and third syllable alone.
ACCENT_NAMES = list(range(ACCENT_WIDTH))
#: No count is larger.
MOST = 127
#: Words of the clauses before and behind that a clause is told of.
BEFORE, BEHIND = 4, 3


@dataclass
class Language:
    """What the source voice knows of its language."""

    #: For each phone (stress apart) a sign for each of its attributes.
    attributes: dict[str, str]
    #: Clusters of consonants that a syllable may begin with.
    onsets: set[tuple[str, ...]]
    #: Function words and their class; all others are of class 0.
    classes: dict[str, int]

    def is_vowel(self, phone: str) -> bool:
        return self.attributes[phone][VC] == "+"

    def begins(self, phones: list[str]) -> list[int]:
        """Where the syllables of a word begin: each but the first with as many consonants as a syllable may."""
        vowels = [at for at, phone in enumerate(phones) if self.is_vowel(phone)]
        found = [0]
        for last, vowel in zip(vowels, vowels[1:]):
            found.append(next((at for at in range(last + 1, vowel) if tuple(phones[at:vowel]) in self.onsets), vowel))
        return found


@dataclass
class Syllable:
    first: int
    behind: int
    word: int
    #: The clause: -1 before, 0, 1 behind.
    clause: int
    stressed: bool
    #: Consonants before the vowel; those behind it, and one.
    onset: int
    coda: int
    accented: bool = False


@dataclass
class Sequence:
    """A clause between what is said before and behind it."""

    language: Language
    phones: list[str] = field(default_factory=list)
    #: For each phone its syllable.
    of: list[int] = field(default_factory=list)
    syllables: list[Syllable] = field(default_factory=list)
    #: For each word its class, and its syllables.
    classes: list[int] = field(default_factory=list)
    words: list[range] = field(default_factory=list)
    #: Where the clause's first pause is, and behind its last.
    clause: range = range(0)
    #: For each syllable those of its clause.
    stretches: list[range] = field(default_factory=list)
    #: For each syllable what is behind it: 0 its word, 1 another word, 3 another clause, 4 nothing.
    breaks: list[int] = field(default_factory=list)

    @classmethod
    def new(cls, language: Language, clause: Clause) -> "Sequence":
        found = cls(language)
        own = [[] for _ in clause.classes]
        for phone, word in zip(clause.phones, clause.words):
            if word >= 0:
                own[word].append(phone)
        if clause.before:
            found.pause()
            found.speak(clause.before[-BEFORE:], -1)
        first = len(found.phones)
        found.pause()
        found.speak(list(zip(own, clause.classes)), 0)
        found.pause()
        found.clause = range(first, len(found.phones))
        if clause.behind:
            found.speak(clause.behind[:BEHIND], 1)
            found.pause()
        for clause_of in (-1, 0, 1):
            numbers = [n for n, syllable in enumerate(found.syllables) if syllable.clause == clause_of]
            stretch = range(numbers[0], numbers[-1] + 1) if numbers else range(0)
            found.stretches += [stretch] * len(numbers)
        for number, syllable in enumerate(found.syllables):
            if number + 1 in found.words[syllable.word]:
                found.breaks.append(0)
            elif number + 1 in found.stretches[number]:
                found.breaks.append(1)
            else:
                found.breaks.append(3 if number + 1 < len(found.syllables) else 4)
        return found

    def pause(self) -> None:
        self.phones.append("pau")
        self.of.append(NONE)

    def speak(self, words: list[tuple[list[str], int]], clause: int) -> None:
        for said, of_class in words:
            before = len(self.syllables)
            plain = [phone.rstrip("1") for phone in said]
            begins = self.language.begins(plain) if said else []
            for first, behind in zip(begins, [*begins[1:], len(said)]):
                vowels = [at for at in range(first, behind) if self.language.is_vowel(plain[at])]
                onset = (vowels[0] if vowels else behind) - first
                coda = behind - (vowels[-1] if vowels else first - 1)
                stressed = any(phone.endswith("1") for phone in said[first:behind])
                at = len(self.phones)
                self.of.extend([len(self.syllables)] * (behind - first))
                self.phones.extend(plain[first:behind])
                self.syllables.append(Syllable(at, len(self.phones), len(self.classes), clause, stressed, onset, coda))
            self.classes.append(of_class)
            self.words.append(range(before, len(self.syllables)))

    def class_of(self, word: int) -> int:
        return self.classes[word] if 0 <= word < len(self.classes) else NONE

    def counts(self, syllable: int) -> list[int]:
        """Syllables of the clause before and behind; of them, the stressed ones, of which the clause's first does not count before."""
        stretch = self.stretches[syllable]
        before, behind = range(stretch.start, syllable), range(syllable + 1, stretch.stop)
        stressed = lambda some: sum(self.syllables[n].stressed for n in some)
        return [len(before), len(behind), stressed(before[1:]), stressed(behind)]

    def accent_row(self, syllable: int) -> np.ndarray:
        own = self.syllables[syllable]
        beside = lambda n, value: int(value(n)) if 0 <= n < len(self.syllables) else 0
        row = [self.class_of(own.word + step) for step in (0, -1, -2, 1, 2)]
        row += [int(own.stressed), beside(syllable + 1, lambda n: self.syllables[n].stressed)]
        row += self.counts(syllable)
        row += [beside(syllable + step, lambda n: self.breaks[n]) for step in (0, -1, -2, 1, 2)]
        row += [int(self.syllables[0].clause < own.clause)]
        return np.clip(row, NONE, MOST).astype(np.int8)

    def rows(self) -> np.ndarray:
        """Of each phone of the clause."""
        return np.clip([self.row(at) for at in self.clause], NONE, MOST).astype(np.int8)

    def attribute(self, at: int, which: int) -> str:
        return self.language.attributes[self.phones[at]][which]

    def is_onset(self, at: int) -> int:
        """Whether a vowel of its syllable follows."""
        if not 0 <= at < len(self.phones):
            return NONE
        behind = self.syllables[self.of[at]].behind if self.of[at] >= 0 else at
        return int(any(self.attribute(other, VC) == "+" for other in range(at + 1, behind)))

    def row(self, at: int) -> list[int]:
        there = lambda other: 0 <= other < len(self.phones)
        row = [PHONE[self.phones[at + step]] if there(at + step) else NONE for step in AROUND]
        for step in AROUND:
            row += [ord(sign) for sign in self.language.attributes[self.phones[at + step]]] if there(at + step) else [NO_ATTRIBUTE] * ATTRIBUTES
        number = self.of[at]
        if number == NONE:
            row += [NONE] * (WIDTH - len(row) - 3)
            return row + [self.is_onset(at + step) for step in (0, -1, 1)]
        own = self.syllables[number]
        row += [at - own.first, int(at == own.behind - 1)]
        onset, coda = range(own.first, own.first + own.onset), range(own.behind - own.coda + 1, own.behind)
        for part in (onset, coda):
            row += [int(any(self.attribute(other, CTYPE) in kind for other in part)) for kind in KINDS]
        stretch, of_word = self.stretches[number], self.words[own.word]
        accented = lambda some: sum(self.syllables[n].accented for n in some)
        row += self.counts(number)
        row += [accented(range(stretch.start, number)), accented(range(number + 1, stretch.stop))]
        row += [len(of_word), int(own.stressed), int(own.accented), own.onset, own.coda]
        row += [next((n for n in range(number + 1) if self.syllables[number - n].accented), number + 1)]
        behind = len(self.syllables) - 1 - number
        row += [next((n for n in range(behind) if self.syllables[number + 1 + n].accented), behind)]
        row += [self.breaks[number]]
        for step in BESIDE:
            other = number + step
            if 0 <= other < len(self.syllables):
                beside = self.syllables[other]
                row += [int(beside.stressed), int(beside.accented), self.breaks[other], beside.coda, beside.onset]
            else:
                row += [NONE] * 5
        place = number - of_word.start
        row += [0 if len(of_word) == 1 else 1 if place == 0 else 3 if place == len(of_word) - 1 else 2, self.class_of(own.word)]
        return row + [self.is_onset(at + step) for step in (0, -1, 1)]
