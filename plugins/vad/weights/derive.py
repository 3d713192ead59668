#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Derive silero-vad-6.2-16k.f32 from the PyPI package `silero-vad`.

    python3 -m venv /tmp/weights && /tmp/weights/bin/pip install numpy onnx
    /tmp/weights/bin/python derive.py [--check] [WHEEL]

Without WHEEL, pip downloads the pinned version (no dependencies) into a temporary folder. Both the wheel and the file
inside it are checked against the hashes below. --check compares the committed file instead of writing it.

The file is little-endian f32 without a header, in PyTorch's own order of dimensions, in this sequence:

    conv1 weight [128,129,3], bias [128]     conv2 weight [64,128,3], bias [64]
    conv3 weight [64,64,3],   bias [64]      conv4 weight [128,64,3], bias [128]
    LSTM  weight_ih [512,128], weight_hh [512,128], bias_ih + bias_hh [512]      (gates in the order i, f, g, o)
    output weight [128], bias [1]

The network's first layer, a convolution of 258 filters of 256 taps, is left out: this script shows that it is a
discrete Fourier transform behind a periodic Hann window (to 1e-6), which is how the detector computes it.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

VERSION = "6.2.3"
WHEEL_SHA256 = "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8"
# The wheel's .safetensors file holds other weights, which score differently; all its .onnx files agree.
MEMBER = "silero_vad/data/silero_vad_16k_op15.onnx"
MEMBER_SHA256 = "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"
TARGET = Path(__file__).parent / "silero-vad-6.2-16k.f32"
BASIS = "model.stft.forward_basis_buffer"
LSTM = "model.decoder.rnn."
ORDER = (
    [f"model.encoder.{n}.reparam_conv.{part}" for n in range(4) for part in ("weight", "bias")]
    + [LSTM + "weight_ih", LSTM + "weight_hh", LSTM + "bias"]
    + ["model.decoder.decoder.2.weight", "model.decoder.decoder.2.bias"]
)


def fetch(folder: str) -> Path:
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, f"silero-vad=={VERSION}"],
        check=True,
    )
    return next(Path(folder).glob("silero_vad-*.whl"))


def checked(what: str, data: bytes, expected: str) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        sys.exit(f"{what}: SHA-256 is {found}, expected {expected}")
    return data


def tensors(data: bytes) -> dict[str, np.ndarray]:
    # Here, since the bench takes only the pinned wheel from this file.
    import onnx

    graph = onnx.load_model_from_string(data).graph
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}


def assert_is_hann_dft(basis: np.ndarray) -> None:
    n = np.arange(256)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 256)
    angle = 2 * np.pi * np.arange(129)[:, None] * n / 256
    expected = np.concatenate([np.cos(angle), -np.sin(angle)]) * window
    error = np.abs(basis - expected).max()
    if error > 1e-6:
        sys.exit(f"the first layer is not a Hann-windowed DFT: it differs by {error}")
    print(f"the first layer is a Hann-windowed DFT (largest difference {error:.1e})")


def main() -> None:
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(arguments[0]) if arguments else fetch(folder)
        checked(str(wheel), wheel.read_bytes(), WHEEL_SHA256)
        with zipfile.ZipFile(wheel) as archive:
            weights = tensors(checked(MEMBER, archive.read(MEMBER), MEMBER_SHA256))
    assert_is_hann_dft(weights[BASIS][:, 0])
    weights[LSTM + "bias"] = weights[LSTM + "bias_ih"] + weights[LSTM + "bias_hh"]
    data = b"".join(weights[name].astype("<f4").tobytes() for name in ORDER)
    if "--check" in sys.argv:
        if TARGET.read_bytes() != data:
            sys.exit(f"{TARGET} differs from what {wheel.name} gives")
        print(f"{TARGET.name}: as derived from silero-vad {VERSION}")
    else:
        TARGET.write_bytes(data)
        print(f"{TARGET.name}: {len(data)} bytes from silero-vad {VERSION}")


if __name__ == "__main__":
    main()
