"""Rendering and tokenising MELD's training split: each text once, against every window anew."""

from __future__ import annotations

import time

from benchmarks.ours import prepared
from benchmarks.parts import Options
from ercbench import MASK, Prompt, data, rendering
from ercbench.catalog import load_target
from ercbench.encoding import tokenize


def measure(options: Options) -> dict[str, float]:
    """Seconds of both, and their ratio."""
    ready = prepared("eacl", "meld", options.data_dir, 100)
    examples = data.examples(ready.corpus, "train", ready.config.context.past)
    renderer = load_target(ready.config.renderer.spec.target)(ready.config.renderer.settings)
    begun = time.perf_counter()
    prompts = rendering.render(renderer, examples)
    rendered = time.perf_counter()
    tokenize(ready.encoder, prompts)
    done = time.perf_counter()
    _every_window(ready.encoder.tokenizer, prompts)  # type: ignore[attr-defined]
    anew = time.perf_counter() - done
    return {
        "text.meld.utterances": float(len(prompts)),
        "text.meld.rendering_seconds": rendered - begun,
        "text.meld.tokenising_seconds": done - rendered,
        "text.meld.naive_tokenising_seconds": anew,
        "text.meld.tokenising_ratio": anew / (done - rendered),
    }


def _every_window(tokenizer: object, prompts: list[Prompt]) -> list[list[int]]:
    """Tokenise each turn again for each utterance that shows it, one call per turn, as the released code does."""
    sequences = []
    for prompt in prompts:
        sequence: list[int] = []
        for segment in prompt.segments:
            sequence += tokenizer(segment.replace(MASK, tokenizer.mask_token))["input_ids"][1:]  # type: ignore[attr-defined, operator]
        sequences.append(sequence)
    return sequences
