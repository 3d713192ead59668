# SPDX-License-Identifier: MPL-2.0
"""What 80 ms of sound cost the PyTorch reference on one thread of this machine: reference.py FOLDER TEXT

FOLDER is a model that the script of the parity tests wrote. Prints JSON, in milliseconds.
"""

import copy
import json
import statistics
import sys
import time
from pathlib import Path

import torch
import yaml

PARITY = Path(__file__).parents[3] / "plugins/cudatts/engine/tests/parity"
sys.path.insert(0, str(PARITY))
import reference  # noqa: E402

from pocket_tts.modules.stateful_module import increment_steps, init_states  # noqa: E402
from pocket_tts.quantization import RECOMMENDED_CONFIG, apply_dynamic_int8  # noqa: E402

FRAMES = 60
WARM_UP = 10
FIRSTS = 10


@torch.no_grad()
def speak(model, voice, text, frames):
    """Times of the flow and of the codec for each frame, and from the text to the first sound."""
    state = copy.deepcopy(voice)
    begun = time.perf_counter()
    tokens = model.flow_lm.conditioner.prepare(text)
    end = model._flow_lm_current_end(state)
    model._expand_kv_cache(state, end + tokens.shape[1] + frames + 1)
    model._run_flow_lm_and_increment_step(model_state=state, text_tokens=tokens)
    steps = int(model.mimi.encoder_frame_rate / model.mimi.frame_rate)
    codec = init_states(model.mimi, batch_size=1, sequence_length=frames * steps)
    latent = torch.full((1, 1, model.config.mimi.quantizer.dimension), float("nan"))
    flows, codecs, first = [], [], None
    for _ in range(frames):
        start = time.perf_counter()
        latent, _ = model._run_flow_lm_and_increment_step(model_state=state, backbone_input_latents=latent)
        made = time.perf_counter()
        model.mimi.decode_from_latent(latent * model.flow_lm.emb_std + model.flow_lm.emb_mean, codec)
        increment_steps(model.mimi, codec, increment=steps)
        done = time.perf_counter()
        flows.append(made - start)
        codecs.append(done - made)
        first = first or done - begun
    return flows, codecs, first


def measure(model, voice, text):
    speak(model, voice, text, WARM_UP)
    flows, codecs, _ = speak(model, voice, text, FRAMES)
    firsts = [speak(model, voice, text, 1)[2] for _ in range(FIRSTS)]
    median = lambda times: statistics.median(times) * 1e3  # noqa: E731
    return {"flow": median(flows), "codec": median(codecs), "first": median(firsts)}


def main():
    folder, text = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        model = reference.build(config, Path(scratch))
        _, voice = reference.voice_of(model, 2.0)
        figures = {"what": f"PyTorch {torch.__version__}, 1 thread", "f32": measure(model, voice, text)}
        apply_dynamic_int8(model.flow_lm, RECOMMENDED_CONFIG)
        figures["int8"] = measure(model, voice, text)
    print(json.dumps(figures))


main()
