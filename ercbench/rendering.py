"""Stage 2. Examples -> Prompts."""

from __future__ import annotations

from collections.abc import Sequence

from ercbench.errors import PluginError
from ercbench.ports import Renderer
from ercbench.types import Example, Prompt


def render(renderer: Renderer, examples: Sequence[Example]) -> list[Prompt]:
    """Examples -> Prompts: write every example as text, and see that the renderer kept to its contract.

    Args:
        renderer: the recipe's renderer.
        examples: one split, without labels.

    Returns:
        One prompt per example, in order.

    Raises:
        PluginError: a prompt names another utterance, is empty, or has no such query segment.

    Before: data.py. After: encoding.py.
    """
    prompts = [renderer.render(example) for example in examples]
    for example, prompt in zip(examples, prompts, strict=True):
        if prompt.uid != example.target.uid or not 0 <= prompt.query < len(prompt.segments):
            raise PluginError(
                f"The renderer {type(renderer).__name__} returned an unusable prompt for {example.target.uid}. "
                f"Got uid {prompt.uid!r}, {len(prompt.segments)} segments, query segment {prompt.query}. "
                "Report it to the plugin's author."
            )
    return prompts
