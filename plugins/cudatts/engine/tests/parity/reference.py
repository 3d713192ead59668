# SPDX-License-Identifier: MPL-2.0
"""Runs the PyTorch reference (PyPI `pocket-tts`) and writes what our engine has to give.

    reference.py small OUT             the reference vectors that are committed: small models with every knob
    reference.py published NAME OUT    a model in the published shapes of configuration NAME, and its vectors
    reference.py shapes                configurations that between them have all published shapes and knobs

Weights are no training's: each number is a function of its tensor's name and its place (`weight_of`), so that both sides
make them and none has to be kept. The tokenizer is trained on text.txt. Noise is injected: sampling is compared, too.
"""

import hashlib
import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
import safetensors.torch
import sentencepiece
import tokenizers
import torch
import yaml
from pocket_tts import TTSModel
from pocket_tts.models import text_chunking
from pocket_tts.models.model_state import export_model_state
from pocket_tts.models.tts_model import stamp_state_names
from pocket_tts.modules.stateful_module import increment_steps, init_states
from pocket_tts.models.mimi import build_mimi
from pocket_tts.utils import config as configs

HERE = Path(__file__).parent
TEXTS = [
    "Hello.",
    "One, two, three; four: five! Is that so? It is 3.14, they say.",
    "We were told that the harbour lies behind the hill, and that the boats come in with the tide. Is that so? "
    "It's late, it isn't far, and we'll be there before you know it; when the train stops, the doors open by themselves, "
    "and people step out, and the old clock in the hall strikes twelve, although it is only half past ten!",
]


def splitmix(state: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        z = state + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name: str, count: int) -> np.ndarray:
    """Numbers from -1 to 1 that the name and the place make."""
    seed = np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], dtype="<u8")[0]
    with np.errstate(over="ignore"):
        bits = splitmix(np.arange(count, dtype=np.uint64) * np.uint64(0x2545F4914F6CDD1D) + seed)
    return ((bits >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1.0).astype(np.float32)


def weight_of(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor that keeps activations at the size that a trained model's have."""
    values = uniform(name, math.prod(shape))
    if name.endswith("freqs"):
        values = np.exp(-math.log(10000) * np.arange(shape[0]) / shape[0]).astype(np.float32)
    elif name.endswith((".scale",)):
        values = values * np.float32(0.1) + np.float32(0.3)
    elif name.endswith(("norm1.weight", "norm2.weight", "out_norm.weight", "in_ln.weight", "alpha", "emb_std")):
        values = values * np.float32(0.1) + np.float32(1.0)
    elif name.endswith((".bias", "emb_mean")):
        values = values * np.float32(0.05)
    elif len(shape) >= 2 and "embed.weight" not in name and "bos" not in name:
        inputs = math.prod(shape[1:])
        if ".convtr." in name and shape[1] > 1:
            inputs = shape[0] * 2
        elif ".convtr." in name:
            inputs = 2
        # A latent hardly sways the next one: otherwise the model would be chaotic, and the last bit would decide everything.
        calm = 0.2 if name.endswith(("cond_embed.weight", "modulation.1.weight", "final_layer.linear.weight")) else 1.0
        # The convolution that makes the sound: as loud as sound is.
        calm = 0.25 if len(shape) == 3 and shape[0] == 1 else calm
        values = values * np.float32(calm * math.sqrt(3.0 / inputs))
    return values.reshape(shape)


def train_tokenizer(kind: str, count: int, folder: Path) -> Path:
    text = HERE / "text.txt"
    if kind == "sentencepiece":
        prefix = folder / "tokenizer"
        sentencepiece.SentencePieceTrainer.train(
            input=str(text), model_prefix=str(prefix), vocab_size=min(count, 380), model_type="unigram",
            byte_fallback=True, minloglevel=2, hard_vocab_limit=False, num_threads=1,
        )
        path = prefix.with_suffix(".model")
        # Pieces that no text holds, up to the number of the configuration: fields of the file's message, appended.
        known = sentencepiece.SentencePieceProcessor(str(path)).vocab_size()
        with path.open("ab") as file:
            for number in range(known, count):
                piece = f"<unused{number}>".encode()
                message = bytes([0x0A, len(piece)]) + piece + struct.pack("<Bf", 0x15, -1000.0) + bytes([0x18, 5])
                file.write(bytes([0x0A, len(message)]) + message)
        prefix.with_suffix(".vocab").unlink()
        return path
    made = tokenizers.SentencePieceUnigramTokenizer()
    made.train([str(text)], vocab_size=min(count, 300), unk_token="<unk>", special_tokens=["<unk>"])
    written = json.loads(made.to_str())
    vocabulary = written["model"]["vocab"]
    while len(vocabulary) < count:
        vocabulary.append([f"<unused{len(vocabulary)}>", -1000.0])
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(written, ensure_ascii=False, indent=None))
    return path


def build(config: dict, folder: Path) -> TTSModel:
    folder.mkdir(parents=True, exist_ok=True)
    table = config["flow_lm"]["lookup_table"]
    path = train_tokenizer(table["tokenizer"], table["n_bins"], folder)
    table["tokenizer_path"] = str(path)
    parsed = configs.Config(**config)
    # The file that is kept names no path of this machine.
    table["tokenizer_path"] = path.name
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False))
    model = TTSModel._from_pydantic_config(parsed, 1.0, 1, None, parsed.default_eos_threshold, None)
    if parsed.flow_lm.flow.type == "flow_matching":
        model.sampler_decode_steps = 16
    width = parsed.flow_lm.transformer.d_model
    narrow = parsed.mimi.inner_dim or parsed.mimi.seanet.dimension
    model.flow_lm.speaker_proj_weight = torch.nn.Parameter(torch.zeros((width, narrow)))
    model.mimi = build_mimi(parsed.mimi)
    state = {}
    for name, tensor in model.state_dict().items():
        state[name] = torch.from_numpy(weight_of(name, tuple(tensor.shape)).copy())
    model.load_state_dict(state, strict=True)
    model.eval()
    stamp_state_names(model)
    return model


class Injected:
    """Stands for the reference's noise: the same numbers that our side is given."""

    def __init__(self, numbers: np.ndarray):
        self.numbers, self.at = numbers, 0

    def __call__(self, tensor, mean=0.0, std=1.0):
        count = tensor.numel()
        part = self.numbers[self.at : self.at + count]
        self.at += count
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(part.copy()).reshape(tensor.shape))
        return tensor


@torch.no_grad()
def run(model: TTSModel, text: str, frames: int, voice: dict) -> dict[str, torch.Tensor]:
    import copy

    state = copy.deepcopy(voice)
    width = model.config.mimi.quantizer.dimension
    noise = uniform("noise " + text, (frames + 1) * width)
    tokens = model.flow_lm.conditioner.prepare(text)
    current = model._flow_lm_current_end(state)
    model._expand_kv_cache(state, current + tokens.shape[1] + frames + 1)
    saved = torch.nn.init.normal_
    # Reading the text samples a latent, too, which nobody hears.
    torch.nn.init.normal_ = Injected(np.zeros(width, dtype=np.float32))
    try:
        model._run_flow_lm_and_increment_step(model_state=state, text_tokens=tokens)
        torch.nn.init.normal_ = Injected(noise)
        latent = torch.full((1, 1, width), float("nan"))
        latents, ends = [], []
        steps = int(model.mimi.encoder_frame_rate / model.mimi.frame_rate)
        mimi = init_states(model.mimi, batch_size=1, sequence_length=frames * steps)
        audio = []
        logit = {}
        hook = model.flow_lm.out_eos.register_forward_hook(lambda _m, _i, out: logit.update(v=out.clone()))
        for frame in range(frames):
            latent, _ = model._run_flow_lm_and_increment_step(
                model_state=state, backbone_input_latents=latent
            )
            latents.append(latent[0])
            ends.append(logit["v"].reshape(1))
            sound = model.mimi.decode_from_latent(
                latent * model.flow_lm.emb_std + model.flow_lm.emb_mean, mimi
            )
            if frame == 0:
                count = model.sample_rate // 200
                sound[..., :count] *= torch.linspace(0, 1, count)
            increment_steps(model.mimi, mimi, increment=steps)
            audio.append(sound[0, 0])
        hook.remove()
    finally:
        torch.nn.init.normal_ = saved
    return {
        "tokens": tokens[0].to(torch.int64),
        "latents": torch.cat(latents),
        "ends": torch.cat(ends),
        "audio": torch.cat(audio),
    }


@torch.no_grad()
def voice_of(model: TTSModel, seconds: float) -> tuple[np.ndarray, dict]:
    """A voice that is cloned from a recording; the recording is noise that the name makes."""
    count = int(seconds * model.sample_rate)
    recording = uniform("recording", count) * np.float32(0.1)
    prompt = model._encode_audio(torch.from_numpy(recording)[None, None])
    if model.flow_lm.insert_bos_before_voice:
        prompt = torch.cat([model.flow_lm.bos_before_voice, prompt], dim=1)
    state = init_states(model.flow_lm, batch_size=1, sequence_length=prompt.shape[1])
    model._run_flow_lm_and_increment_step(model_state=state, audio_conditioning=prompt)
    return recording, state


def write(model: TTSModel, folder: Path, frames: int, kept: int | None, with_weights: bool):
    """`kept`: samples of the sound that are kept of each text (all where None)."""
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    (folder / "shapes.json").write_text(json.dumps(shapes))
    if with_weights:
        safetensors.torch.save_file(
            {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
            folder / "model.safetensors",
        )
    recording, state = voice_of(model, 0.5 if kept else 2.0)
    export_model_state(state, folder / "voice.safetensors")
    vectors = {}
    facts = {"recording": len(recording), "frames": frames, "texts": []}
    for number, text in enumerate(TEXTS):
        parts = text_chunking.split_into_best_sentences(
            model.flow_lm.conditioner.tokenizer, text, 50, model.pad_with_spaces_for_short_inputs,
            model.remove_semicolons, model.append_terminal_punctuation,
            model.capitalize_first_letter, model.replace_characters,
        )
        prepared = [
            text_chunking.prepare_text_prompt(
                part, model.pad_with_spaces_for_short_inputs, model.remove_semicolons,
                model.append_terminal_punctuation, model.capitalize_first_letter,
                model.replace_characters,
            )[0]
            for part in parts
        ]
        facts["texts"].append({"text": text, "parts": prepared})
        for key, tensor in run(model, prepared[0], frames, state).items():
            if key == "audio" and kept is not None:
                tensor = tensor[:kept]
            vectors[f"{number}.{key}"] = tensor.contiguous()
    (folder / "facts.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1))
    safetensors.torch.save_file(vectors, folder / "vectors.safetensors")


def small_configs() -> dict[str, dict]:
    """Small models that between them use every knob of the published configurations."""
    seanet = dict(
        dimension=32, channels=1, n_filters=8, n_residual_layers=1, ratios=[6, 5, 4], kernel_size=7,
        residual_kernel_size=3, last_kernel_size=3, dilation_base=2, pad_mode="constant", compress=2,
    )
    transformer = dict(
        d_model=32, num_heads=2, num_layers=2, layer_scale=0.01, context=20, dim_feedforward=64,
        input_dimension=32, output_dimensions=[32],
    )

    def config(flow: dict, backbone: dict, table: dict, mimi: dict, **more) -> dict:
        z_dim = more.pop("z_dim", None)
        bos = more.pop("insert_bos_before_voice", True)
        return dict(
            **more,
            flow_lm=dict(
                insert_bos_before_voice=bos, dtype="float32", flow=flow,
                transformer=dict(hidden_scale=2, max_period=10000, **backbone),
                lookup_table=dict(dim=backbone["d_model"], n_bins=400, tokenizer_path="", **table), z_dim=z_dim,
            ),
            mimi=dict(
                dtype="float32", sample_rate=24000, channels=1, frame_rate=12.5, seanet=seanet,
                transformer=transformer, quantizer=dict(dimension=8, output_dimension=32),
                **mimi,
            ),
        )

    return {
        "lsd": config(
            dict(depth=3, dim=32, type="lsd"), dict(d_model=64, num_heads=4, num_layers=3),
            dict(tokenizer="tokenizers"), dict(inner_dim=8, outer_dim=32),
            replace_characters={"’": "'", "“": ""},
        ),
        "flow_matching": config(
            dict(depth=2, dim=32, type="flow_matching"), dict(d_model=64, num_heads=4, num_layers=2),
            dict(tokenizer="tokenizers"), dict(inner_dim=32, outer_dim=32), insert_bos_before_voice=False,
            pad_with_spaces_for_short_inputs=True, remove_semicolons=True,
        ),
        "drifting": config(
            dict(depth=2, dim=32, type="drifting"), dict(d_model=64, num_heads=4, num_layers=2), dict(tokenizer="sentencepiece"),
            dict(
                inner_dim=8, outer_dim=32,
                decoder_seanet=dict(seanet, n_filters=4, kernel_size=3, n_residual_layers=2, pad_mode="replicate"),
                decoder_transformer=dict(transformer, d_model=48, num_heads=3, num_layers=3, context=10),
            ),
            z_dim=24, model_recommended_frames_after_eos=2,
        ),
        "pointwise": config(
            dict(depth=2, dim=32, type="pointwise"),
            dict(d_model=48, num_heads=3, num_layers=3, attn_dim=96, num_kv_heads=1, dim_feedforward=40),
            dict(tokenizer="sentencepiece", rank=16), dict(inner_dim=8, outer_dim=32), z_dim=24,
            default_eos_threshold=-1.0,
        ),
    }


def distinct_configs() -> list[str]:
    """The first name of each configuration that differs in more than in where its files are."""

    def without_places(value):
        if not isinstance(value, dict):
            return value
        return {key: without_places(x) for key, x in value.items() if "path" not in key}

    found = {}
    for path in sorted(configs.CONFIGS_DIR.glob("*.yaml")):
        config = without_places(yaml.safe_load(path.read_text()))
        found.setdefault(json.dumps(config, sort_keys=True), path.stem)
    return list(found.values())


def main():
    torch.set_num_threads(1)
    match sys.argv[1:]:
        case ["small", out]:
            for name, config in small_configs().items():
                folder = Path(out) / name
                write(build(config, folder), folder, frames=24, kept=3 * 1920, with_weights=False)
        case ["shapes"]:
            print(*distinct_configs())
        case ["published", name, out]:
            config = yaml.safe_load((configs.CONFIGS_DIR / f"{name}.yaml").read_text())
            folder = Path(out) / name
            write(build(config, folder), folder, frames=200, kept=None, with_weights=True)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
