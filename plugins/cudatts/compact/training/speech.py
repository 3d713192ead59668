# SPDX-License-Identifier: MPL-2.0
"""What flite's lexicon makes of words."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor


def run(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise SystemExit(f"{command[0]} is not there: apt-get install flite") from None


def pronounce_all(words: list[str], workers: int, together: int = 40) -> dict[str, list[str]]:
    """The phones of words by themselves, as the voice's lexicon or its rules have them. Many are said in one go, with pauses
    between; where a word was cut in two, each of them is said alone."""

    def said(group: list[str]) -> list[list[str]]:
        parts, part = [], []
        for phone in run("t2p", ". ".join(group) + ".").split():
            if phone != "pau":
                part.append(phone)
            elif part:
                parts.append(part)
                part = []
        return parts + ([part] if part else [])

    def of_group(group: list[str]) -> list[tuple[str, list[str]]]:
        parts = said(group)
        if len(parts) == len(group):
            return list(zip(group, parts))
        alone = [(word, said([word])) for word in group]
        return [(word, sum(parts, [])) for word, parts in alone]

    groups = [words[at : at + together] for at in range(0, len(words), together)]
    with ThreadPoolExecutor(workers) as pool:
        return dict(pair for pairs in pool.map(of_group, groups) for pair in pairs)


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(r"[a-z']+", text.lower())
