"""Tiny encoders with random weights, saved as the folders that ``encoder.checkpoint`` may name; a file server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from file_server import Server

from ercbench.testing.tiny import tiny_tokenizer

ARCHITECTURES = ("roberta", "bert", "deberta-v2", "mpnet")


def tiny_backbone(architecture: str, vocabulary: int) -> Any:
    """A transformer of two layers of width 32 with random weights, the same ones every time."""
    import torch
    import transformers

    size = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "pad_token_id": 0,
    }
    with torch.random.fork_rng():
        torch.manual_seed(7)
        match architecture:
            case "roberta":
                config = transformers.RobertaConfig(**size, max_position_embeddings=514, type_vocab_size=1)
                return transformers.RobertaModel(config)
            case "bert":
                return transformers.BertModel(transformers.BertConfig(**size, max_position_embeddings=512))
            case "deberta-v2":
                return transformers.DebertaV2Model(
                    transformers.DebertaV2Config(
                        **size, relative_attention=True, pos_att_type=["p2c", "c2p"], max_position_embeddings=512
                    )
                )
            case _:
                return transformers.MPNetModel(transformers.MPNetConfig(**size, max_position_embeddings=514))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Architecture -> the folder of a tiny encoder of that kind with its tokenizer, made when first asked for."""
    folders: dict[str, Path] = {}

    def make(architecture: str = "roberta") -> Path:
        if architecture not in folders:
            import transformers

            assert architecture in ARCHITECTURES
            transformers.utils.logging.disable_progress_bar()
            folder = tmp_path_factory.mktemp("checkpoints") / architecture
            tokenizer = tiny_tokenizer()
            tokenizer.save_pretrained(folder)
            tiny_backbone(architecture, len(tokenizer)).save_pretrained(folder, safe_serialization=True)
            folders[architecture] = folder
        return folders[architecture]

    return make


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A file server on loopback; nothing in the environment changes how it is reached."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    found = Server()
    yield found
    found.close()
