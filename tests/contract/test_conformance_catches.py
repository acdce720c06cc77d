"""Every check of the conformance kit has been seen to fail: a stand-in breaks what it promises, and it says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import broken_parts
import pytest
from torch import nn

from ercbench.catalog import Catalog, Entry, Plugin, load_catalog
from ercbench.specs import (
    ClassifierSpec,
    CurriculumSpec,
    DatasetSpec,
    EncoderSpec,
    LossSpec,
    PackagedCheckpoint,
    Recipe,
    RendererSpec,
    Spec,
    SplitFile,
    TrackerSpec,
    TrackSpec,
)
from ercbench.testing import Check, all_checks
from ercbench.testing.checks import Case, Options
from ercbench.testing.held import need_everything_moves
from ercbench.testing.plugin import PluginSubject
from ercbench.testing.registry import CHECKS, SUBJECTS
from ercbench.types import LabelSet

pytestmark = pytest.mark.usefixtures("one_thread")

PLUGIN = Plugin("stand-ins", "1", "stand-ins", "sound_parts")
TOY_RUN: dict[str, Any] = {
    "renderer.name": "sound", "encoder.name": "sound", "losses.sound.weight": 1.0, "classifier.name": "sound",
    "selection.classifier": "linear-head", "training.epochs": 1,
}  # fmt: skip
FILES = {
    "train": "1,0,Ann,We won!,hap\n1,1,Bob,At last.,neu\n2,0,Cy,Who took it?,ang\n2,1,Dee,Not me.,neu\n",
    "dev": "1,0,Ann,Again!,hap\n1,1,Bob,So it is.,neu\n",
    "test": "1,0,Cy,Leave me alone!,ang\n1,1,Ann,Gladly.,\n",
}
LABELS = {"ang": "angry", "hap": "happy", "neu": "neutral"}


def part(kind: type[Any], target: str, name: str = "sound", **fields: Any) -> Any:
    """A part from the stand-ins."""
    return kind(name=name, summary="For a test.", target=target, **fields)


def recipe(**fields: Any) -> Recipe:
    """A recipe of the sound parts; an encoder without a checkpoint takes nothing of a track."""
    bare = {"encoder": None, "encoder.name": fields.get("values", TOY_RUN).get("encoder.name")}
    given = {"name": "sound", "version": "1", "summary": "For a test.", "reference": "None, it is for a test."}
    return Recipe(**{**given, "values": TOY_RUN, "for_track": {"mini": bare, "full": bare}, **fields})


def changed(**values: Any) -> Recipe:
    """The recipe with other values."""
    return recipe(values={path: value for path, value in (TOY_RUN | values).items() if value is not None})


def dataset(reader: str = "sound_parts:read", **fields: Any) -> DatasetSpec:
    """A data set whose files the fixture `files` wrote."""
    names = {split: (SplitFile(name=f"{split}.csv", reader=reader),) for split in FILES}
    given = {"family": "sound", "version": "1", "labels": LabelSet.of(LABELS, "neu"), "licence": "CC0-1.0"}
    return DatasetSpec(name="sound", summary="For a test.", **{**given, "files": names, "source": "here", **fields})


IN_FOLDERS = {
    split: (SplitFile(name=f"{split}/turns.csv", reader="sound_parts:read_beside", beside=(f"{split}/labels.txt",)),)
    for split in FILES
}
"""The same data set with a folder for every split and the labels in a file of their own."""
SHARED = {"training.epochs": 2, "context.past": 3, "encoder.checkpoint": "somebody's"}
NO_BYTES = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The sha256 of the stand-ins' weights, an empty file."""


def weights(**fields: str) -> tuple[PackagedCheckpoint, ...]:
    """The weights of a track, in a package."""
    given = {"name": "somebody's", "distribution": "pytest", "package": "sound_parts", "folder": "sound_weights"}
    return (PackagedCheckpoint(**{**given, "sha256": NO_BYTES, **fields}),)


def track(**fields: Any) -> TrackSpec:
    """A track that recipes of pre-trained encoders can be run on."""
    return TrackSpec(name="sound", **{"summary": "For a test.", "values": SHARED, "packaged": weights(), **fields})


PARTS: list[Spec] = [
    part(RendererSpec, "sound_parts:Renderer"), part(EncoderSpec, "sound_parts:Encoder"),
    part(EncoderSpec, "broken_parts:Unsteady", "unsteady"), part(LossSpec, "sound_parts:Loss"),
    part(LossSpec, "broken_parts:Explodes", "explodes"), part(ClassifierSpec, "sound_parts:Classifier"),
    part(ClassifierSpec, "broken_parts:CannotRestore", "cannot-restore"),
]  # fmt: skip
SOUND: dict[str, list[Spec]] = {
    "dataset": [dataset(), dataset(files=IN_FOLDERS)],
    "renderer": [PARTS[0], part(RendererSpec, "broken_parts:FutureRenderer", later_turns=True)],
    "encoder": [PARTS[1]],
    "loss": [PARTS[3], part(LossSpec, "sound_parts:RememberingLoss", memory=True)],
    "curriculum": [part(CurriculumSpec, "sound_parts:Curriculum")],
    "classifier": [PARTS[5], part(ClassifierSpec, "sound_parts:DialogueClassifier", dialogues=True)],
    "track": [track()],
    "recipe": [recipe(ablations={"training": {"losses": None}})],
    "tracker": [part(TrackerSpec, "sound_parts:Tracker")],
}
"""Specs that pass every check of their kind."""


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that breaks a promise: its module, what it offers, what kept it from loading."""

    module: str = "sound_parts"
    offers: tuple[Spec, ...] = (PARTS[3],)
    problem: str | None = None


def loss(name: str, **fields: Any) -> LossSpec:
    """A broken loss."""
    return part(LossSpec, f"broken_parts:{name}", **fields)  # type: ignore[no-any-return]


def encoder(name: str) -> EncoderSpec:
    """A broken encoder."""
    return part(EncoderSpec, f"broken_parts:{name}")  # type: ignore[no-any-return]


def renderer(name: str, **fields: Any) -> RendererSpec:
    """A broken renderer."""
    return part(RendererSpec, f"broken_parts:{name}", **fields)  # type: ignore[no-any-return]


def curriculum(name: str) -> CurriculumSpec:
    """A broken curriculum."""
    return part(CurriculumSpec, f"broken_parts:{name}")  # type: ignore[no-any-return]


def classifier(name: str, **fields: Any) -> ClassifierSpec:
    """A broken classifier."""
    return part(ClassifierSpec, f"broken_parts:{name}", **fields)  # type: ignore[no-any-return]


def tracker(name: str) -> TrackerSpec:
    """A broken tracker."""
    return part(TrackerSpec, f"broken_parts:{name}")  # type: ignore[no-any-return]


UNOPENED = {
    split: (SplitFile(name=f"{split}.csv", reader="sound_parts:read", beside=("train.csv",)),)
    for split in ("dev", "test", "train")
}
"""The reader opens no second file, so that it may be anything."""
NEVER_SAID = LabelSet.of({**LABELS, "dis": "disgusted"}, "neu")
NO_DEV = {split: (SplitFile(name=f"{split}.csv", reader="sound_parts:read"),) for split in ("train", "test")}
BROKEN: Mapping[str, list[tuple[Spec | BrokenPlugin, str]]] = {
    "plugin/loads": [(BrokenPlugin(problem="ImportError: no"), "does not load"), (BrokenPlugin(offers=()), "nothing")],
    "plugin/hooks-marked": [(BrokenPlugin("broken_parts:UnmarkedHooks"), "ercbench_losses")],
    "plugin/light": [(BrokenPlugin("broken_parts:HeavyHooks"), "imports torch")],
    "plugin/targets": [(BrokenPlugin(offers=(loss("Nowhere"),)), "Nowhere")],
    "plugin/settings": [
        (BrokenPlugin(offers=(loss("Explodes", settings=broken_parts.UndescribedSettings),)), "width")
    ],
    "dataset/splits": [(dataset(files={**dataset().files, "dev": dataset().files["train"]}), "is the same as")],
    "dataset/labels": [(dataset("broken_parts:read_upper"), "HAP"), (dataset(labels=NEVER_SAID), "label dis")],
    "dataset/uids": [(dataset("broken_parts:read_in_any_order"), "another turn")],
    "dataset/time-order": [(dataset("broken_parts:read_backwards"), "backwards")],
    "dataset/fingerprint": [(dataset("broken_parts:read_with_path"), "after copying")],
    "dataset/missing-files": [
        (dataset("broken_parts:read_or_raise"), "FileNotFoundError"), (dataset(source=" "), "source"),
        (dataset(files=NO_DEV, bundled="sound:none"), "no file for dev"),
    ],
    "dataset/broken-files": [
        (dataset("broken_parts:read_whatever"), "takes a file for sound"),
        (dataset(files=UNOPENED), "beside a damaged train.csv"),
    ],
    "renderer/pure": [(renderer("CountingRenderer"), "more than one way")],
    "renderer/blind-to-labels": [(renderer("LeakingRenderer"), "changes with a label")],
    "renderer/later-turns": [
        (renderer("FutureRenderer"), "does not declare"), (renderer("MaskRenderer", later_turns=True), "shows none"),
    ],
    "renderer/first-turn": [(renderer("PastRenderer"), "IndexError")],
    "renderer/long-dialogue": [(renderer("ShortRenderer"), "end of a very long target")],
    "renderer/odd-text": [(renderer("MaskRenderer"), "Masks")],
    "encoder/shapes": [(encoder("WrongDimension"), "vectors has shape")],
    "encoder/finite": [(encoder("DividesByZero"), "not finite")],
    "encoder/plan": [(encoder("ForgetsOne"), "every utterance once")],
    "encoder/deterministic": [(encoder("AlwaysDrops"), "second time")],
    "encoder/padding": [(encoder("CountsPadding"), "In a batch")],
    "encoder/order": [(encoder("KeepsPlaces"), "another order")],
    "encoder/another-process": [(encoder("HashesWords"), "hash()")],
    "encoder/query-survives": [(encoder("CutsOnTheRight"), "same vector")],
    "encoder/gradients": [(encoder("HasPooler"), "pooler")],
    "encoder/saved": [(encoder("HidesWeights"), "Loaded again")],
    "encoder/device": [(encoder("LeavesWeights"), "table")],
    "encoder/label-order": [(encoder("SortsLabels"), "opposite order")],
    "loss/scalar": [(loss("DetachedLoss"), "no gradient")],
    "loss/batch-of-one": [(loss("NeedsTwo"), "not finite")],
    "loss/one-class": [(loss("NeedsTwoClasses"), "not finite")],
    "loss/permutation": [(loss("ByPosition"), "another order")],
    "loss/inputs-kept": [(loss("NormalisesInPlace"), "changed vectors")],
    "loss/parts-add-up": [(loss("UnweightedParts"), "sum of the parts")],
    "loss/bfloat16": [(loss("AddsUpInHalf"), "bfloat16")],
    "loss/parameters": [(loss("HiddenParameter"), "does not name")],
    "loss/device": [(loss("LeavesMargins"), "margins")],
    "loss/memory": [
        (loss("RemembersSilently"), "does not say so"), (loss("RemembersInClass", memory=True), "older one"),
        (loss("RemembersOutsideState", memory=True), "state_dict"),
    ],
    "curriculum/rows": [(curriculum("CountsFromOne"), "Of 48 utterances"), (curriculum("Repeats"), "twice")],
    "curriculum/few-utterances": [(curriculum("RoundsDown"), "chose nothing")],
    "curriculum/absent-class": [(curriculum("NeedsEveryClass"), "ZeroDivisionError")],
    "curriculum/equal-vectors": [(curriculum("DividesByNorm"), "not finite")],
    "curriculum/same-seed": [(curriculum("UnseededChoice"), "Asked twice")],
    "curriculum/taken-up-again": [(curriculum("WithoutRepeats"), "epochs before")],
    "curriculum/inputs-kept": [(curriculum("CentresInPlace"), "changed vectors")],
    "classifier/not-fitted": [(classifier("GuessesUnfitted"), "did not refuse")],
    "classifier/one-row-per-uid": [(classifier("AnswersOnce"), "have shape")],
    "classifier/permutation": [(classifier("LooksAtNeighbours"), "another order")],
    "classifier/later-turns": [
        (classifier("ReadsAhead", dialogues=True), "Under past it reads turns after"),
        (classifier("NeverReadsAhead", dialogues=True), "Under full later turns change no score"),
        (classifier("ReadsOneTurn", dialogues=True), "earlier turns change no score"),
        (classifier("LooksAround"), "reads later turns and does not declare"),
        (classifier("LooksBack"), "reads earlier turns and does not declare"),
    ],
    "classifier/absent-class": [(classifier("ClassesSeen"), "have shape")],
    "classifier/same-seed": [(classifier("Unseeded"), "scores differ")],
    "classifier/separable": [(classifier("Farthest"), "decided 0 % rightly")],
    "classifier/labels-unused": [(classifier("Peeks"), "scores otherwise")],
    "classifier/restored": [(classifier("LosesState"), "other scores")],
    "track/values-resolve": [
        (track(values={"training.epoch": 3}), "training.epoch is no setting"),
        (track(values=SHARED | {"context.past": -1}), "context.past"),
        (track(values={"context.protocol": "full"}), "context.protocol"),
        (track(values={"losses.cross-entropy.weight": 1.0, "encoder.colour": "red"}), "encoder.colour"),
    ],
    "track/values-agree": [(track(values={"renderer.name": "utterance", "renderer.speaker": "as-is"}), "No recipe")],
    "track/packaged": [
        (track(packaged=weights(sha256="0" * 64)), "should be 0000"), (track(packaged=weights(folder="gone")), "Got"),
        (track(values={"training.epochs": 3}), "is named for"),
    ],
    "track/stated": [(track(summary=" "), "summary"), (track(values={}), "fixes nothing")],
    "recipe/parts-resolve": [(changed(**{"renderer.name": "nowhere"}), "nowhere")],
    "recipe/fields-exist": [
        (changed(**{"training.epoch": 3}), "training.epoch"), (recipe(for_dataset={"sonud": {}}), "sound"),
        (recipe(for_dataset={"sound/minni": {}}), "sound/mini"),
    ],
    "recipe/ablations-resolve": [
        (recipe(ablations={"pull": {"losses.pull": None}}), "Without pull: "),
        (recipe(ablations={"sound": {"classifier.name": TOY_RUN["classifier.name"]}}), "Without sound it is the same"),
    ],
    "recipe/end-to-end": [(changed(**{"losses.explodes.weight": 1.0}), "no such luck")],
    "recipe/same-seed": [(changed(**{"encoder.name": "unsteady"}), "predict otherwise")],
    "recipe/record-survives": [(changed(**{"classifier.name": "cannot-restore"}), "was not kept")],
    "recipe/stated": [(recipe(reference=" "), "reference")],
    "tracker/observes": [(tracker("Misspelt"), "ercbench_epoch_done"), (tracker("Unmarked"), "Not marked")],
    "tracker/whole-runs": [(tracker("TrainingAlone"), "KeyError")],
    "tracker/failed-runs": [(tracker("NeedsARecord"), "AttributeError")],
    "tracker/values-kept": [(tracker("Renames"), "changed the record")],
    "tracker/same-predictions": [(tracker("Meddles"), "predicts otherwise")],
}  # fmt: skip
"""By check, what breaks its promise, and words of what it then says."""

SubjectOf = Callable[[Spec | BrokenPlugin], Any]


@pytest.fixture
def subject_of(tmp_path: Path) -> SubjectOf:
    """A stand-in -> what the checks of its kind are given; the files of a data set lie in a new folder."""
    (tmp_path / "sound").mkdir()
    for split, rows in FILES.items():
        (tmp_path / "sound" / f"{split}.csv").write_text(f"dialogue,turn,speaker,text,label\n{rows}", encoding="utf-8")
        (tmp_path / "sound" / split).mkdir()
        turns, labels = zip(*(row.rsplit(",", 1) for row in rows.splitlines()), strict=True)
        for name, lines in {"turns.csv": ["dialogue,turn,speaker,text", *turns], "labels.txt": labels}.items():
            (tmp_path / "sound" / split / name).write_text("\n".join([*lines, ""]), encoding="utf-8")

    def make(broken: Spec | BrokenPlugin) -> Any:
        found = load_catalog()
        installed = [entry for kind in SUBJECTS for entry in found.entries(kind)]
        offered = list(broken.offers) if isinstance(broken, BrokenPlugin) else [*PARTS, broken, dataset()]
        catalog = Catalog([PLUGIN], [*installed, *(Entry(PLUGIN, spec) for spec in offered)])
        if isinstance(broken, BrokenPlugin):
            plugin = Plugin("stand-ins", "1", "stand-ins", broken.module, broken.problem)
            entries = [Entry(plugin, spec) for spec in broken.offers]
            return PluginSubject(plugin, Catalog([plugin], entries))
        return SUBJECTS[type(broken)](broken, PLUGIN, catalog, Options({}, tmp_path))

    return make


def test_every_check_has_a_stand_in() -> None:
    """A check that nothing was seen to break is no check, and a stand-in of no check is left over."""
    assert [check.id for check in all_checks()] == list(BROKEN)


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.id)
def test_a_broken_part_is_caught(check: Check, subject_of: SubjectOf) -> None:
    """The check fails with its stand-ins, says what it found, and says what to change."""
    for broken, words in BROKEN[check.id]:
        result = Case(check, subject_of(broken)).run()
        assert result.outcome == "failed", broken
        assert words in result.message
        assert result.message.endswith(check.advice)


@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_part_passes(kind: str, subject_of: SubjectOf) -> None:
    """Every check of a kind passes with a part that keeps every promise."""
    for spec in SOUND[kind]:
        subject = subject_of(spec)
        results = [Case(check, subject).run() for check in CHECKS[kind]]
        assert [(result.id, result.message) for result in results if result.outcome != "passed"] == []


def test_a_floor_need_not_tell_classes_apart(subject_of: SubjectOf) -> None:
    """A classifier that says that it looks at no utterance is not asked to decide rightly."""
    floor = part(ClassifierSpec, "broken_parts:Farthest", floor=True)
    [check] = [check for check in CHECKS["classifier"] if check.name == "separable"]
    assert Case(check, subject_of(floor)).run().outcome == "skipped"


def test_a_module_may_list_its_own_parameters() -> None:
    """A recurrent network of torch keeps its parameters in a list too; they go to the device all the same."""
    need_everything_moves(nn.Sequential(nn.GRU(2, 2)))


def test_a_run_that_fails_is_told_once(subject_of: SubjectOf) -> None:
    """Checks that need a run are skipped, and not failed again, where the recipe does not run."""
    subject = subject_of(changed(**{"losses.explodes.weight": 1.0}))
    outcomes = {check.name: Case(check, subject).run().outcome for check in CHECKS["recipe"]}
    assert outcomes == {
        "parts-resolve": "passed", "fields-exist": "passed", "ablations-resolve": "passed", "end-to-end": "failed",
        "same-seed": "skipped",
        "record-survives": "skipped", "stated": "skipped",
    }  # fmt: skip


def test_checks_say_what_they_promise() -> None:
    """Every check has one paragraph with its promise and one with what to change; names are unique."""
    for check in all_checks():
        assert check.promise.endswith(".")
        assert check.advice.endswith(".")
    ids = [check.id for check in all_checks()]
    assert len(set(ids)) == len(ids)
