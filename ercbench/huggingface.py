"""Corpus <-> Hugging Face ``datasets``: a data set as objects in Python. The only file that imports ``datasets``.

Nothing is fetched: no builder is called, only objects that are in memory or on disk already are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ercbench.columns import FIELDS, NamedRow, read_named_rows
from ercbench.data import check
from ercbench.errors import DataError, UsageError
from ercbench.manifest import label_faults, name_fault
from ercbench.own import of_corpus
from ercbench.reading import Problem, Reading, shown
from ercbench.types import SPLITS, Corpus, LabelSet, Split

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

HUB_NAMES: dict[str, Split] = {"validation": "dev"}
"""What a split is called on the hub where it has another name here."""


def from_datasets(
    splits: Mapping[str, Dataset],
    name: str | None = None,
    labels: LabelSet | None = None,
    version: str = "1",
    columns: Mapping[str, str] | None = None,
) -> Corpus:
    """A ``DatasetDict`` -> Corpus, with the checks that files get.

    A row is a turn, the rows of a dialogue one after the other; or a row is a dialogue, whose speakers, texts and
    labels are lists. A label is a ``ClassLabel`` or a key; -1, null and empty text make a turn context only.

    Args:
        splits: ``train``, ``dev`` (or ``validation``) and ``test``.
        name: of the data set, for records and boards; None makes one from the fingerprint.
        labels: with the words shown to a model and the neutral one; None takes the names of the ``ClassLabel`` of
            train as keys and words, none of them neutral.
        version: of the data set.
        columns: columns of ``dialogue``, ``speaker``, ``text``, ``label`` and ``turn`` that are called otherwise. Rows
            are put in the order of ``turn`` where there is such a column.

    Raises:
        DataError: whatever is wrong with the rows or labels, all of it at once.
        UsageError: a split is missing, or an argument cannot be used.
    """
    tables = _tables(splits)
    label_set = _label_set(tables["train"], labels, _columns(columns or {}, tables["train"])["label"])
    if name is not None and (fault := name_fault(name)):
        raise UsageError(f"The name of a data set {fault}. Got {name!r}.")
    readings = {split: (split, _reading(split, table, columns or {})) for split, table in tables.items()}

    def named(chosen: str) -> Corpus:
        return check(of_corpus(Corpus(chosen, version, "", label_set, (), (), ())), readings)

    return named(name or f"dataset-{named('dataset').fingerprint.removeprefix('sha256:')[:8]}")


def _tables(splits: Mapping[str, Dataset]) -> dict[Split, Dataset]:
    """The three splits by our names."""
    from datasets import Dataset

    if not isinstance(splits, Mapping):
        raise UsageError(
            f"A data set must be a DatasetDict, or a mapping, of train, dev (or validation) and test, because a run "
            f"needs all three and none is made up. Got {type(splits).__name__}."
        )
    named: dict[str, Dataset] = {}
    for given, table in splits.items():
        split = HUB_NAMES.get(given, given)
        if split in named:
            raise UsageError(f"Two splits are the {split} split. Got {', '.join(map(str, splits))}. Leave one out.")
        if split in SPLITS and not isinstance(table, Dataset):
            raise UsageError(f"The split {given} must be a datasets.Dataset. Got {type(table).__name__}.")
        named[split] = table
    if set(named) != set(SPLITS):
        raise UsageError(
            f"The splits must be train, dev (or validation) and test, no more and no fewer. Got "
            f"{', '.join(map(shown, splits)) or 'none'}. A run trains on train, chooses on dev and scores test."
        )
    return {split: named[split] for split in SPLITS}


def _columns(columns: Mapping[str, str], table: Dataset) -> dict[str, str]:
    """The column of every field; turn numbers only where they are named, or stand under that name."""
    if unknown := [field for field in columns if field not in FIELDS]:
        raise UsageError(f"No field is called {shown(unknown[0])}. Columns can be named for: {', '.join(FIELDS)}.")
    fields = [field for field in FIELDS if field != "turn" or field in columns or field in table.column_names]
    return {field: columns.get(field, field) for field in fields}


def _label_set(table: Dataset, labels: LabelSet | None, column: str) -> LabelSet:
    """The labels as given, or those of the ``ClassLabel`` column, each its own word."""
    if labels is None and (names := _class_names(table, column)) is not None:
        labels = LabelSet.of({key: key for key in names})
    if labels is None:
        there = "which is no ClassLabel" if column in table.column_names else "which is not there"
        raise UsageError(
            f"The labels cannot be told from the column {column!r}, {there}. Name it with columns={{'label': ...}}, "
            "or give the labels: labels=LabelSet.of({'ang': 'angry', ...}, neutral=None)."
        )
    if not isinstance(labels, LabelSet):
        raise UsageError(
            f"The labels must be a LabelSet. Got {type(labels).__name__}. "
            "Write labels=LabelSet.of({'ang': 'angry', ...}, neutral=None)."
        )
    words = {label.key: label.text for label in labels}
    faults = [what for _, what in label_faults(words, labels.neutral)]
    faults += [f"the word of {key!r} must be text. Got {word!r}." for key, word in words.items() if not _is_word(word)]
    if faults:
        raise DataError.listing("The label set", faults)
    return labels


def _is_word(word: object) -> bool:
    return isinstance(word, str) and bool(word.strip()) and word.isprintable()


def _class_names(table: Dataset, column: str) -> list[str] | None:
    """The names of a ``ClassLabel`` column, or of a column of lists of them."""
    feature = table.features.get(column)
    inner = getattr(feature, "feature", feature)
    names = getattr(inner, "names", None)
    return None if names is None else list(names)


def _reading(split: Split, table: Dataset, columns: Mapping[str, str]) -> Reading:
    """One split -> Reading, whether a row is a turn or a whole dialogue in lists."""
    chosen = _columns(columns, table)
    if missing := [shown(column) for column in chosen.values() if column not in table.column_names]:
        there = ", ".join(map(shown, table.column_names)) or "none"
        what = f"lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. Columns found: {there}."
        return Reading((), (Problem(split, what, "Name the columns: columns={'text': 'utterance', ...}."),))
    names = _class_names(table, chosen["label"])
    rows = table.select_columns(list(dict.fromkeys(chosen.values()))).to_list()
    problems: list[Problem] = []
    found = [one for number, row in enumerate(rows) for one in _turns(split, number, row, chosen, problems)]
    return read_named_rows(split, [_with_label(one, chosen["label"], names) for one in found], chosen, problems)


def _turns(
    split: Split, number: int, row: Mapping[str, Any], columns: Mapping[str, str], problems: list[Problem]
) -> Iterator[NamedRow]:
    """One row -> its turns: itself, or one for each place of its lists."""
    lists = [column for field, column in columns.items() if field != "dialogue"]
    if not isinstance(row[columns["text"]], list):
        yield f"row {number}", row
        return
    sizes = {column: len(row[column]) if isinstance(row[column], list) else None for column in lists}
    if len(set(sizes.values())) > 1:
        what = f"is a dialogue whose lists must be equally long. Got {sizes} (None: no list)."
        problems.append(Problem(f"{split}, row {number}", what, "Mend the row."))
        return
    for position in range(len(row[columns["text"]])):
        turn = {column: row[column][position] for column in lists}
        yield f"row {number}, turn {position}", {columns["dialogue"]: row[columns["dialogue"]], **turn}


def _with_label(named: NamedRow, column: str, names: Sequence[str] | None) -> NamedRow:
    """A row whose label is a key: a ``ClassLabel`` is a number, and -1 is none."""
    place, row = named
    value = row[column]
    if names is None or not isinstance(value, int) or value >= len(names) or value < -1:
        return named
    return place, {**row, column: None if value == -1 else names[value]}


def to_datasets(corpus: Corpus) -> DatasetDict:
    """Corpus -> ``DatasetDict`` with a row per turn: dialogue, turn, speaker, text and label, a ``ClassLabel``.

    `from_datasets` makes a corpus of the same fingerprint of it. The words shown to a model and the neutral label have
    no place in a ``ClassLabel``: hand them on as ``labels=corpus.labels``.
    """
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    text = Value("string")
    features = Features(
        {
            "dialogue": text,
            "turn": Value("int32"),
            "speaker": text,
            "text": text,
            "label": ClassLabel(names=list(corpus.labels.keys)),
        }
    )
    return DatasetDict({split: Dataset.from_list(list(_rows(corpus, split)), features=features) for split in SPLITS})


def _rows(corpus: Corpus, split: Split) -> Iterator[dict[str, Any]]:
    for dialogue in corpus.split(split):
        for u in dialogue.utterances:
            label = None if u.label is None else corpus.labels.index(u.label)
            yield {"dialogue": dialogue.key, "turn": u.turn, "speaker": u.speaker, "text": u.text, "label": label}
