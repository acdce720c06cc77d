"""What can be set on a loss of pytorch-metric-learning. The library, and torch, is loaded when one is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from ercbench import Settings


class MetricSettings(Settings):
    """Any loss of pytorch-metric-learning: its class, and whatever the class takes.

    ``distance``, ``reducer``, ``miner``, ``embedding_regularizer`` and ``weight_regularizer`` are classes of the
    library too, by name, or by ``name`` with parameters beside it.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    class_name: str = Field(description="class in pytorch_metric_learning.losses; losses.NAME=pml:CLASS sets it")

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, given: Any) -> Any:
        return _unfolded(given)

    @model_validator(mode="after")
    def _sound(self, info: ValidationInfo) -> MetricSettings:
        from ercbench_stock.metric import problems

        details = [
            InitErrorDetails(
                type=PydanticCustomError("metric_loss", "{what}", {"what": fault.what}),
                loc=fault.path,
                input=fault.value,
            )
            for fault in problems(self.loss, self.miner, (info.context or {}).get("batch_size"))
        ]
        if details:
            raise ValidationError.from_exception_data(type(self).__name__, details)
        return self

    @property
    def loss(self) -> dict[str, Any]:
        """The loss, as ``metric_parts.py`` takes it."""
        given = {key: value for key, value in (self.model_extra or {}).items() if key != "miner" or self._inside}
        return {"name": self.class_name, **given}

    @property
    def miner(self) -> Any:
        """The miner beside the loss, or None."""
        return None if self._inside else (self.model_extra or {}).get("miner")

    @property
    def _inside(self) -> bool:
        """Whether the loss takes the miner itself."""
        return self.class_name == "CrossBatchMemory"


def _unfolded(given: Any) -> Any:
    """``{"loss": "X", "loss.distance.p": 1}`` -> ``{"loss": {"name": "X", "distance": {"p": 1}}}``, however deep."""
    if not isinstance(given, Mapping):
        return given
    found: dict[str, Any] = {path: value for path, value in given.items() if "." not in path}
    for path, value in given.items():
        head, dot, rest = path.partition(".")
        if dot:
            known = found.get(head)
            known = known if isinstance(known, Mapping) else {} if known is None else {"name": known}
            found[head] = {**known, rest: value}
    return {key: _unfolded(value) for key, value in found.items()}
