"""Tiny inputs: labels, dialogues, prompts, and an encoder's checkpoint with random weights."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ercbench.checkpoint_specs import Checkpoint
from ercbench.types import MASK, LabelSet, Prompt

LABELS = LabelSet.of({"ang": "angry", "hap": "happy", "neu": "neutral", "sad": "sad"}, neutral="neu")
"""C = 4; no key is the word shown to a model, unless by chance."""

Turns = Sequence[tuple[str, str]]
DIALOGUES: tuple[Turns, ...] = (
    (
        ("Ann", "Did you feed the parrot?"),
        ("Bob", "Twice. It is still shouting."),
        ("Ann", "It wants you, I think."),
        ("Bob", "Nobody has ever wanted me this loudly!"),
    ),
    (("Cy", "Hm."), ("Dee", "The train left without us."), ("Cy", "And the tickets are on it.")),
    (("Eve", "We won!"),),
)
"""By dialogue: who says what."""

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;?!'-[]<>()"
SPECIALS = {"pad": "<pad>", "cls": "<s>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"}


def prompts(dialogue: int, turns: Turns, later: int = 0) -> Iterator[Prompt]:
    """A prompt per turn: earlier turns, the question about it with a mask, then at most `later` later turns."""
    written = [f"{speaker} says: {text}" for speaker, text in turns]
    for turn, (speaker, text) in enumerate(turns):
        query = f"For utterance: {text} {speaker} feels {MASK} "
        segments = (*written[:turn], query, *written[turn + 1 : turn + 1 + later])
        yield Prompt(f"kit/train/{dialogue}/{turn}", segments, turn, written[turn])


def all_prompts() -> list[Prompt]:
    """The prompts of all `DIALOGUES`."""
    return [prompt for number, turns in enumerate(DIALOGUES) for prompt in prompts(number, turns)]


def tiny_tokenizer() -> Any:
    """A tokenizer that knows single characters, so that any text gives as many tokens as it has visible characters."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIALS.values(), *LETTERS, *LETTERS[:26].upper()]
    ids = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=SPECIALS["unk"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    roles = {f"{role}_token": word for role, word in SPECIALS.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **roles)


@cache
def tiny_checkpoint() -> Checkpoint:
    """A RoBERTa of two layers of width 32 with random weights in a folder that goes when the process ends."""
    import torch
    import transformers

    folder = Path(tempfile.mkdtemp(prefix="ercbench-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tokenizer = tiny_tokenizer()
    config = transformers.RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        pad_token_id=0, max_position_embeddings=514, type_vocab_size=1,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = transformers.RobertaModel(config)
    transformers.utils.logging.disable_progress_bar()
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return Checkpoint(str(folder), folder, "local folder")
