# SPDX-License-Identifier: MPL-2.0
"""Writes reference.txt: by name, half the SHA-256 of what the reference (PyPI pocket-tts) reads of its own configurations.

    python reference.py > reference.txt
"""

import hashlib
import json

import yaml
from pocket_tts.utils.config import CONFIGS_DIR, Config


def without_nothing(value):
    if isinstance(value, dict):
        return {key: without_nothing(inner) for key, inner in value.items() if inner is not None}
    return value


for path in sorted(CONFIGS_DIR.glob("*.yaml")):
    config = Config(**yaml.safe_load(path.read_text(encoding="utf-8")))
    values = without_nothing(config.model_dump())
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    print(path.stem, hashlib.sha256(text.encode()).hexdigest()[:32])
