"""Reads what a checkpoint says of itself: shape, window, sampling, prompt. It loads no weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.prompts import LONGWRITER_ZERO, POCKET, Fingerprint, Prompter, from_readme, ours
from server import pocket
from server.chat_template import ChatTemplatePrompter
from server.errors import CannotServe
from server.memory import Shape, num_parameters

# What a checkpoint's own facts are read from; the weights are the engine's business.
_FACTS = ["*.json", "README.md", "*.jinja", "merges.txt", "vocab.txt"]

# LongWriter-Zero was trained for 14,000 tokens of output and its card allows 15,500; 32,768 hold
# the longest prompts, 2-3k tokens of thinking and 12,000 words (planner.budget, DECISIONS.md).
_DEFAULT_WINDOW_TOKENS = 32_768
# With a sliding window in every layer a longer text costs no more memory and asks for no position
# the model has not seen: room for twice 20,000 words, and an end for a text that never ends.
_SLIDING_WINDOW_TOKENS = 65_536
# LongWriter-Zero's model card; top_k, min_p and penalties are not given there, so off.
_DEFAULT_TEMPERATURE = 0.6
_DEFAULT_TOP_P = 0.95

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A model's facts. ``location`` is what an engine loads, ``directory`` where the facts lie.

    window_tokens: the most the model holds. weights_bytes: on disk, or computed from the shape.
    """

    name: str
    location: str
    directory: Path
    architecture: str
    shape: Shape
    window_tokens: int
    default_window_tokens: int
    weights_bytes: int
    temperature: float
    top_p: float
    readme: str

    @property
    def has_tokenizer(self) -> bool:
        return (self.directory / "tokenizer.json").is_file()

    def window(self, max_model_len: int | None) -> int:
        """The context window in tokens: what is wished, or what suits the model.

        Raises:
            CannotServe: more than the model holds.
        """
        wanted = max_model_len or self.default_window_tokens
        if wanted > self.window_tokens:
            raise CannotServe(
                f"max_model_len {wanted} is over the {self.window_tokens} tokens that "
                f"{self.name} holds"
            )
        return wanted


def find(model: str, *, revision: str | None, name: str | None) -> Checkpoint:
    """The checkpoint that ``model`` names: ``pocket``, a directory, or a Hugging Face id.

    Raises:
        CannotServe: there is none, or its config.json is missing or not a decoder's.
    """
    if model == "pocket":
        directory, location = pocket.checkpoint(), str(pocket.checkpoint())
    elif Path(model).is_dir():
        directory, location = Path(model), model
    else:
        directory, location = _download(model, revision), model
    config = _json(directory / "config.json")
    if config is None:
        raise CannotServe(f"{directory} is no checkpoint: it has no readable config.json")
    default_name = model if model == "pocket" else _last_part(location)
    return _read(directory, location, name or default_name, config)


def _last_part(location: str) -> str:
    path = Path(location)
    return (path.resolve() if path.is_dir() else path).name


def _download(model: str, revision: str | None) -> Path:
    """The small files of a Hugging Face repository; the engine fetches the weights itself."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=_FACTS))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise CannotServe(
            f"model {model!r} is neither 'pocket', nor a directory here, nor could it be fetched "
            f"from Hugging Face ({type(error).__name__})"
        ) from None


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _read(directory: Path, location: str, name: str, config: dict[str, Any]) -> Checkpoint:
    try:
        shape = _shape(config)
        held_tokens = int(config["max_position_embeddings"])
    except KeyError as error:
        raise CannotServe(f"{directory}/config.json does not say {error}") from None
    generation = _json(directory / "generation_config.json") or {}
    slides = shape.sliding_window_tokens is not None
    wanted_tokens = _SLIDING_WINDOW_TOKENS if slides else _DEFAULT_WINDOW_TOKENS
    readme = directory / "README.md"
    return Checkpoint(
        name=name,
        location=location,
        directory=directory,
        architecture=(config.get("architectures") or ["unknown"])[0],
        shape=shape,
        window_tokens=held_tokens,
        default_window_tokens=min(held_tokens, wanted_tokens),
        weights_bytes=_weights_bytes(directory, shape),
        temperature=float(generation.get("temperature") or _DEFAULT_TEMPERATURE),
        top_p=float(generation.get("top_p") or _DEFAULT_TOP_P),
        readme=readme.read_text(encoding="utf-8") if readme.is_file() else "",
    )


def _shape(config: dict[str, Any]) -> Shape:
    heads = config["num_attention_heads"]
    dtype = config.get("dtype") or config.get("torch_dtype") or "bfloat16"
    sliding = config.get("use_sliding_window") and config.get("max_window_layers", 1) == 0
    return Shape(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        intermediate=config["intermediate_size"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or config["hidden_size"] // heads,
        vocabulary=config["vocab_size"],
        tied=bool(config.get("tie_word_embeddings")),
        bytes_per_weight=_BYTES.get(dtype, 2),
        sliding_window_tokens=config.get("sliding_window") if sliding else None,
    )


def _weights_bytes(directory: Path, shape: Shape) -> int:
    on_disk = sum(file.stat().st_size for file in directory.glob("*.safetensors"))
    index = _json(directory / "model.safetensors.index.json") or {}
    told = (index.get("metadata") or {}).get("total_size")
    return on_disk or told or num_parameters(shape) * shape.bytes_per_weight


KNOWN_TEMPLATES: tuple[tuple[Fingerprint, Fingerprint], ...] = (LONGWRITER_ZERO, POCKET)


def prompter(checkpoint: Checkpoint, choice: str) -> Prompter:
    """How prompts are worded: the model card's raw template, the tokenizer's, or ours.

    Raises:
        CannotServe: ``choice`` names a source that this checkpoint has not.
    """
    if choice in ("auto", "readme"):
        found = from_readme(checkpoint.readme, KNOWN_TEMPLATES)
        if found is not None:
            return found
        if choice == "readme":
            raise CannotServe(
                f"the README.md of {checkpoint.name} holds no prompt template whose hash is known"
            )
    if choice in ("auto", "chat"):
        template = _chat_template(checkpoint.directory)
        if template is not None:
            return ChatTemplatePrompter(checkpoint.directory)
        if choice == "chat":
            raise CannotServe(f"the tokenizer of {checkpoint.name} has no chat template")
    return ours()


def _chat_template(directory: Path) -> str | None:
    separate = directory / "chat_template.jinja"
    if separate.is_file():
        return separate.read_text(encoding="utf-8")
    template = (_json(directory / "tokenizer_config.json") or {}).get("chat_template")
    return template if isinstance(template, str) else None
