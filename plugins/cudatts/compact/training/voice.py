# SPDX-License-Identifier: MPL-2.0
"""Makes the voice: voice.py OUT [--to FOLDER] [--minutes M] [--device cpu|cuda] [--only STEP]

Data (flite's voice slt says sentences that are made by a seed), trees of lengths, three networks, their weights with vectors for the engine's
tests and hashes, and how well it does. What is in OUT already is not made again. `--minutes` is the time of training, one
network after the other; a card may have a thousand.
"""

import argparse
import pickle
import random
from pathlib import Path

import torch

import data
import evaluate
import export
import lengths
import letters
import melody
import sound

#: Parts of the time.
SHARES = {"letters": 0.45, "melody": 0.1, "sound": 0.45}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="what is made on the way: 800 MB")
    parser.add_argument("--to", type=Path, help="where weights, words, vectors and hashes go (otherwise OUT/voice)")
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sentences", type=int, default=6_000)
    parser.add_argument("--more", type=int, default=10_000, help="sentences besides whose lengths alone are learned from")
    parser.add_argument("--words", type=int, default=150_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=["data", "lengths", *SHARES, "export", "evaluate"], help="one step of it")
    arguments = parser.parse_args()
    torch.manual_seed(data.SEED)
    torch.set_num_threads(arguments.threads)
    folder = arguments.out
    to = arguments.to or folder / "voice"

    def wanted(step: str) -> bool:
        return arguments.only in (None, step)

    if wanted("data") and not (folder / "held-out.pickle").exists():
        data.make(folder, arguments.sentences, arguments.more, arguments.words, arguments.threads)

    if wanted("lengths") and not (folder / "lengths.pickle").exists():
        found = lengths.train(*(pickle.loads((folder / f"{name}.pickle").read_bytes()) for name in ("language", "lessons")), arguments.threads)
        (folder / "lengths.pickle").write_bytes(pickle.dumps(found))

    def examples() -> list[data.Example]:
        found = pickle.loads((folder / "examples.pickle").read_bytes())
        random.Random(data.SEED).shuffle(found)
        return found

    def clauses() -> list[melody.Heard]:
        path = folder / "heard.pickle"
        if not path.exists():
            path.write_bytes(pickle.dumps([melody.heard(example) for example in examples()]))
        return pickle.loads(path.read_bytes())

    seconds = {name: arguments.minutes * 60 * share for name, share in SHARES.items()}
    networks = {
        "letters": lambda: letters.train(folder, seconds["letters"], arguments.device),
        "melody": lambda: melody.train(clauses(), seconds["melody"], arguments.device),
        "sound": lambda: sound.train(examples(), clauses(), seconds["sound"], arguments.device),
    }
    for name, make in networks.items():
        path = folder / f"{name}.pt"
        if wanted(name) and not path.exists():
            torch.save(make().cpu().state_dict(), path)
    if wanted("export"):
        export.write(folder, to)
    if wanted("evaluate"):
        evaluate.tell(folder, to, data.HELD_OUT_SENTENCES)


if __name__ == "__main__":
    main()
