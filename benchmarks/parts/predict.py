"""Inference: a transformers text-classification pipeline and ours, same encoder, same texts, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from transformers import AutoModelForSequenceClassification, pipeline

from benchmarks.ours import OurLoop, prepared
from benchmarks.parts import Options
from ercbench import Tokens
from ercbench.encoding import encode

TURNS, TEXTS = 2, 512


def measure(options: Options) -> dict[str, float]:
    """Utterances per second, and the ratio to the pipeline in batches of 32 and one by one, as it does by default."""
    loop = OurLoop(prepared("eacl", "meld", options.data_dir))
    ready = loop.ready
    tokens = ready.tokens["test"]
    tokenizer = ready.encoder.tokenizer  # type: ignore[attr-defined]
    texts = [tokenizer.decode(token.input_ids[1:-1]) for token in tokens]
    assert ready.checkpoint is not None
    model = AutoModelForSequenceClassification.from_pretrained(ready.checkpoint.path, num_labels=7)
    classify: Any = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu", top_k=None)
    runs: dict[str, Callable[[Sequence[int]], object]] = {
        "pipeline_1": lambda rows: classify([texts[i] for i in rows], truncation=True, max_length=256),
        "pipeline_32": lambda rows: classify([texts[i] for i in rows], batch_size=32, truncation=True, max_length=256),
        "ours": lambda rows: _ours(loop, [tokens[i] for i in rows]),
    }
    seconds = dict.fromkeys(runs, 0.0)
    count = 32 if options.quick else TEXTS
    for turn in range(1 if options.quick else TURNS):
        for name, run in runs.items():
            begun = time.perf_counter()
            run(range(turn * count, (turn + 1) * count))
            seconds[name] += time.perf_counter() - begun
    return {
        **{f"{name}_seconds": value for name, value in seconds.items()},
        "ratio": seconds["pipeline_32"] / seconds["ours"],
        "ratio_default": seconds["pipeline_1"] / seconds["ours"],
    }


def _ours(loop: OurLoop, tokens: list[Tokens]) -> object:
    return encode(loop.ready.encoder, loop.model, tokens, loop.device, 16)
