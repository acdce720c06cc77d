"""Recipe + track + data set + ``--set`` -> Config: every value of a run, checked, each with where it came from.

``values.py`` says which source of a value wins. Over all of them lies the context protocol, see ``context.py``, and
what is not trained is in ``untrained.py``. Importing this loads no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ercbench.catalog import Catalog
from ercbench.context import PROTOCOL, Context, apply_protocol, reads_dialogues, shows_no_later_turns
from ercbench.errors import BadSetting, ErcbenchError, Problems
from ercbench.specs import (
    ClassifierSpec,
    CurriculumSpec,
    DatasetSpec,
    EncoderSpec,
    LossSpec,
    PartSpec,
    Recipe,
    RendererSpec,
    Settings,
    TrackSpec,
    Values,
)
from ercbench.types import ContextProtocol
from ercbench.untrained import faults, forget_track, leave_untrained, nothing_to_choose_for
from ercbench.values import merge, nest

DEFAULT = "default"
"""The origin of a value that nothing set."""
P = TypeVar("P", bound=PartSpec)
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Selection(Settings):
    """How the epoch and the classifier's state are chosen. Only the runner ever acts on this."""

    split: Literal["dev", "test"] = Field("dev", description="whose F1 chooses the epoch; test is never ranked")
    classifier: str = Field("linear-head", description="classifier that predicts after each epoch; it needs no fitting")
    prototypes: Literal["best", "last"] = Field("best", description="epoch whose label vectors the classifier is given")
    ties: Literal["first", "test"] = Field(
        "first",
        description="'first': first of the best unrounded dev F1; 'test': dev F1 rounded to 0.01 points, then test F1",
    )
    seal_test: bool = Field(True, description="keep what every epoch predicts on test, for ercbench leak-tax alone")


class Training(Settings):
    """The training loop."""

    epochs: Annotated[int, Field(ge=0)] = Field(8, description="passes over the training split; 0: none")
    batch_size: Count = Field(64, description="utterances per step")
    encoder_lr: Positive = Field(1e-5, description="learning rate of the pre-trained weights")
    lr: Positive = Field(4e-4, description="learning rate of everything else")
    lr_decay: Positive = Field(0.5, description="factor on both learning rates after every epoch")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.01, description="none on biases and the encoder's LayerNorm weights"
    )
    clip_norm: Positive = Field(5.0, description="largest gradient norm")
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="'auto': bf16 on a GPU that has it")


class LossWeight(BaseModel):
    """The weight of a loss in the total."""

    model_config = ConfigDict(allow_inf_nan=False)

    weight: Annotated[float, Field(ge=0)] = 1.0


@dataclass(frozen=True)
class Part(Generic[P]):
    """A part of a recipe, with its checked settings."""

    spec: P
    settings: Settings


@dataclass(frozen=True)
class WeightedLoss:
    """A loss and its weight in the total; `name` is the one that the catalog knows it by."""

    weight: float
    part: Part[LossSpec]
    name: str


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run computes, but for its seed.

    `values` holds every value by dotted path, defaults included; `origins` says where each came from. Without a
    `curriculum` every epoch is trained on all of train.
    """

    recipe: Recipe
    track: TrackSpec
    dataset: DatasetSpec
    renderer: Part[RendererSpec]
    encoder: Part[EncoderSpec]
    losses: Mapping[str, WeightedLoss]
    curriculum: Part[CurriculumSpec] | None
    classifier: Part[ClassifierSpec]
    selection_classifier: Part[ClassifierSpec]
    selection: Selection
    context: Context
    training: Training
    values: Mapping[str, JsonValue]
    origins: Mapping[str, str]
    overrides: Mapping[str, JsonValue]

    @property
    def digest(self) -> str:
        """A short hash of every value, for telling runs apart."""
        names = [self.recipe.name, self.recipe.version, self.track.name, self.dataset.name]
        identity = [*names, dict(self.values), self.dataset.labels.texts]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def differences(self, recorded: Mapping[str, JsonValue]) -> list[str]:
        """The paths at which a recorded run had another value, sorted.

        A setting that a record does not know was added later. Left at its default it computes what was computed before:
        whatever changes numbers raises the recipe's version.
        """
        new = {path: value for path, value in self.values.items() if self.origins[path] == DEFAULT}
        before = {**new, **recorded}
        return sorted(path for path in {**before, **self.values} if before.get(path) != self.values.get(path))


def resolve(
    catalog: Catalog,
    recipe: str,
    track: str,
    dataset: str | DatasetSpec,
    overrides: Mapping[str, JsonValue],
    context: ContextProtocol = "past",
) -> Config:
    """Names and ``--set`` values -> Config.

    Args:
        catalog: where the names are looked up.
        recipe: its name.
        track: its name.
        dataset: its name, or the spec of one that no plugin offers.
        overrides: values by dotted path, which count more than any other.
        context: the context protocol, which is part of the task and counts more than any value.

    Raises:
        UnknownName: a name that nothing is registered under, or no context protocol.
        BadSetting: a value or path that is not acceptable; `Problems` where there are several.
    """
    data = catalog.get(DatasetSpec, dataset) if isinstance(dataset, str) else dataset
    specs = catalog.get(Recipe, recipe), catalog.get(TrackSpec, track), data
    values, origins = merge(catalog, *specs, overrides)
    checker = _Checker(catalog, values, origins)
    checker.errors += apply_protocol(context, values, origins)
    return checker.config(*specs, overrides)


class _Checker:
    """Turns merged values into checked settings, collecting every error on the way."""

    def __init__(self, catalog: Catalog, values: Values, origins: dict[str, str]) -> None:
        self.catalog, self.values, self.origins = catalog, values, origins
        self.errors: list[ErcbenchError] = []
        self.complete: dict[str, JsonValue] = {}
        self.batch_size = values.get("training.batch_size", Training().batch_size)

    def config(
        self, recipe: Recipe, track: TrackSpec, dataset: DatasetSpec, overrides: Mapping[str, JsonValue]
    ) -> Config:
        """Check everything and raise all errors at once."""
        names = dict.fromkeys(path.split(".")[1] for path in self.values if path.startswith("losses."))
        if not names:
            self.errors += leave_untrained(recipe.name, self.values, self.origins)
        renderer = self.part(RendererSpec, "renderer")
        encoder = self.part(EncoderSpec, "encoder")
        losses = {name: self.loss(name) for name in names}
        wanted = any(path.startswith("curriculum.") for path in self.values)
        curriculum = self.part(CurriculumSpec, "curriculum") if wanted else None
        if curriculum and not names:
            self.errors.append(nothing_to_choose_for(curriculum.spec))
        classifier = self.part(ClassifierSpec, "classifier")
        if encoder and classifier:
            self.errors += faults(encoder.spec, classifier.spec, names, self.catalog.all(ClassifierSpec))
        selection = self.settings(Selection, "selection")
        context = self.settings(Context, "context")
        training = self.settings(Training, "training")
        chooser = self.selection_classifier(selection)
        self.check_paths()
        if self.errors:
            raise self.errors[0] if len(self.errors) == 1 else Problems(self.errors)
        assert renderer and encoder and classifier and chooser and selection and context and training  # noqa: PT018
        return Config(
            recipe, track, dataset, renderer, encoder, {k: v for k, v in losses.items() if v}, curriculum, classifier,
            chooser, selection, context, training, dict(sorted(self.complete.items())),
            {path: self.origins.get(path, DEFAULT) for path in sorted(self.complete)}, dict(overrides),
        )  # fmt: skip

    def part(self, spec_type: type[P], prefix: str) -> Part[P] | None:
        """A part named by ``PREFIX.name``, its settings below PREFIX."""
        name = self.values.get(f"{prefix}.name")
        try:
            spec = self.catalog.get(spec_type, str(name))
        except ErcbenchError as error:
            self.errors.append(error)
            return None
        self.complete[f"{prefix}.name"] = name
        self.check_context(f"{prefix}.name", spec)
        if isinstance(spec, EncoderSpec):
            forget_track(self.values, self.origins, prefix, spec)
        settings = self.settings(spec.settings, prefix, skip=("name",))
        return Part(spec, settings) if settings else None

    def check_context(self, path: str, spec: PartSpec) -> None:
        """A renderer or encoder under ``full`` must show later turns, unless it is the classifier that reads them."""
        if isinstance(spec, ClassifierSpec):
            self.errors += reads_dialogues(path, spec, self.values, self.origins)
        elif isinstance(spec, RendererSpec | EncoderSpec) and self.values[PROTOCOL] == "full" and not spec.later_turns:
            kind: type[RendererSpec | EncoderSpec] = RendererSpec if isinstance(spec, RendererSpec) else EncoderSpec
            if not self.reads_dialogues():
                self.errors.append(shows_no_later_turns(path, spec, self.catalog.all(kind)))

    def reads_dialogues(self) -> bool:
        """Whether the classifier reads whole dialogues; one that does not exist is told where it is looked up."""
        try:
            return self.catalog.get(ClassifierSpec, str(self.values.get("classifier.name"))).dialogues
        except ErcbenchError:
            return False

    def loss(self, name: str) -> WeightedLoss | None:
        """A loss. Its name is the one in its path unless ``losses.NAME.name`` says otherwise."""
        prefix = f"losses.{name}"
        wanted = str(self.values.get(f"{prefix}.name", name))
        known, variant = self.variant(wanted)
        try:
            spec = self.catalog.get(LossSpec, known)
        except ErcbenchError as error:
            self.errors.append(error)
            return None
        if f"{prefix}.name" in self.values:
            self.complete[f"{prefix}.name"] = wanted
        told = f"{prefix}.{spec.variant}" in self.values
        if spec.variant and not variant and not told:
            self.errors.append(BadSetting(f"{prefix}: which {wanted}? Write it: --set {prefix}={wanted}:NAME"))
            return None
        if variant and told:
            both = f"{prefix}.{spec.variant} is set by {prefix}.name, which is {wanted!r}. Got both. Leave one out."
            self.errors.append(BadSetting(both))
        weight = self.settings(LossWeight, prefix, only=("weight",))
        settings = self.settings(spec.settings, prefix, skip=("weight", "name"), fixed=variant)
        return WeightedLoss(weight.weight, Part(spec, settings), known) if weight and settings else None

    def variant(self, wanted: str) -> tuple[str, Values]:
        """The name of a loss in the catalog, and for one that stands for many the setting that says which."""
        head, _, which = wanted.rpartition(":")
        for spec in self.catalog.all(LossSpec):
            if spec.variant and spec.name == head.rpartition(":")[2]:
                return head, {spec.variant: which}
        return wanted, {}

    def selection_classifier(self, selection: Selection | None) -> Part[ClassifierSpec] | None:
        """The classifier that predicts after each epoch; it must work without being fitted."""
        if selection is None:
            return None
        try:
            spec = self.catalog.get(ClassifierSpec, selection.classifier)
        except ErcbenchError as error:
            self.errors.append(error)
            return None
        if spec.needs_training:
            self.errors.append(
                BadSetting(
                    "selection.classifier must be a classifier that needs no fitting. "
                    f"Got {selection.classifier!r}. Choose one that `ercbench list classifiers` marks so."
                )
            )
        self.check_context("selection.classifier", spec)
        return Part(spec, spec.settings())

    def settings(
        self,
        model: type[Any],
        prefix: str,
        skip: tuple[str, ...] = (),
        only: tuple[str, ...] | None = None,
        fixed: Values | None = None,
    ) -> Any:
        """The values below PREFIX as a checked model, or None after noting what is wrong with them.

        Args:
            model: of the settings.
            prefix: PREFIX.
            skip: paths below it that are no settings of the model.
            only: the paths below it that are; None for all.
            fixed: settings that a path cannot set.
        """
        start = f"{prefix}."
        given = {path.removeprefix(start): value for path, value in self.values.items() if path.startswith(start)}
        chosen = {key: value for key, value in given.items() if key not in skip and (only is None or key in only)}
        try:
            settings = model.model_validate({**nest(chosen), **(fixed or {})}, context={"batch_size": self.batch_size})
        except ValidationError as error:
            self.errors += [self.bad_setting(prefix, model, detail) for detail in error.errors()]
            return None
        told = settings.model_dump(mode="json", exclude=set(fixed or ()))
        self.complete |= {f"{prefix}.{key}": value for key, value in told.items()}
        return settings

    def bad_setting(self, prefix: str, model: type[BaseModel], detail: Any) -> BadSetting:
        """One pydantic error as a message that names the path, the value, where it came from, what to do."""
        path = ".".join((prefix, *(str(step) for step in detail["loc"])))
        origin = self.origin(path, prefix)
        if detail["type"] == "extra_forbidden":
            known = ", ".join(f"{prefix}.{name}" for name in model.model_fields)
            return BadSetting(f"{path} is no setting. It is set by: {origin}. Known here: {known or 'none'}.")
        alone = detail["type"] in ("tuple_type", "list_type")
        hint = f"Write it as a list: [{json.dumps(detail['input'])}]" if alone else "Choose another value."
        return BadSetting(f"{path}: {detail['msg']}. Got {detail['input']!r}, set by: {origin}. {hint}")

    def origin(self, path: str, prefix: str) -> str:
        """Where a value came from: from what sets it, or else what it is part of, or what is set beside it."""
        while path != prefix:
            beside = (origin for known, origin in self.origins.items() if known.startswith(f"{path}."))
            if found := self.origins.get(path) or next(beside, ""):
                return found
            path = path.rpartition(".")[0]
        return DEFAULT

    def check_paths(self) -> None:
        """Every path given must belong to a section."""
        sections = ("renderer", "encoder", "losses", "curriculum", "classifier", "selection", "context", "training")
        for path in self.values:
            section, _, rest = path.partition(".")
            if section not in sections or not rest or (section == "losses" and "." not in rest):
                self.errors.append(
                    BadSetting(
                        f"{path} is no setting. It is set by: {self.origins[path]}. "
                        f"A path begins with one of: {', '.join(sections)}; `ercbench show RECIPE` lists them all."
                    )
                )
