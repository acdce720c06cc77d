"""Checkpoints that are not what they should be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ercbench.checkpoints import WEIGHTS, load_backbone, locate
from ercbench.errors import CheckpointError


@pytest.fixture
def damaged(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a small checkpoint, to be damaged."""
    return Path(shutil.copytree(tiny_checkpoint("roberta"), tmp_path / "tiny"))


def test_truncated_weights_are_reported(damaged: Path) -> None:
    """A file cut off in the middle is an error that says what to do."""
    whole = (damaged / WEIGHTS).read_bytes()
    (damaged / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"encoder\.checkpoint"):
        load_backbone(locate(str(damaged), ()))


def test_a_pointer_file_is_reported(damaged: Path) -> None:
    """The pointer that Git LFS leaves in the place of a file is no weights."""
    (damaged / WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:x\n")
    with pytest.raises(CheckpointError):
        load_backbone(locate(str(damaged), ()))


def test_missing_layers_are_never_drawn_at_random(damaged: Path) -> None:
    """Weights that lack a layer are refused, and the message names what is missing."""
    from safetensors.torch import load_file, save_file

    kept = {name: tensor for name, tensor in load_file(damaged / WEIGHTS).items() if "layer.1." not in name}
    save_file(kept, damaged / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"layer\.1\."):
        load_backbone(locate(str(damaged), ()))
