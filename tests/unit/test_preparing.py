"""What is made of the data for one run is used for others that show the same."""

from __future__ import annotations

from typing import Any

import pytest

from ercbench import preparing
from ercbench.catalog import load_catalog
from ercbench.config import Config, resolve
from ercbench.errors import PluginError, Problems
from ercbench.preparing import Preparations, prepare

CATALOG = load_catalog()


def config(recipe: str = "tfidf-lr", dataset: str = "meld-sample", **values: Any) -> Config:
    """A recipe; in the names of values ``__`` stands for a dot."""
    return resolve(CATALOG, recipe, "mini", dataset, {path.replace("__", "."): v for path, v in values.items()})


def test_what_is_shown_alike_is_prepared_once() -> None:
    """Runs that differ in classifier share corpus, tokens and encoder, and keep their own config."""
    shared = Preparations(CATALOG, None, 3)
    first, other = config(), config(classifier__c=[1.0])
    one, two = shared.prepare(first), shared.prepare(other)
    assert two.tokens is one.tokens
    assert two.corpus is one.corpus
    assert (one.config, two.config) == (first, other)
    alone = prepare(CATALOG, other, None, 3)
    assert (two.tokens, two.gold, two.fingerprints) == (alone.tokens, alone.gold, alone.fingerprints)


@pytest.mark.parametrize(
    ("recipe", "dataset", "values"),
    [
        ("tfidf-lr", "iemocap-sample", {}),
        ("tfidf-context-lr", "meld-sample", {}),
        ("tfidf-lr", "meld-sample", {"renderer__replace": {"a": "b"}}),
        ("tfidf-lr", "meld-sample", {"encoder__longest": 1}),
        ("tfidf-lr", "meld-sample", {"context__past": 1}),
    ],
)
def test_what_is_shown_otherwise_is_prepared_anew(recipe: str, dataset: str, values: dict[str, Any]) -> None:
    """Another data set, renderer, encoder or context."""
    shared = Preparations(CATALOG, None, 3)
    first = shared.prepare(config())
    found = shared.prepare(config(recipe, dataset, **values))
    assert found.tokens is not first.tokens
    assert found.encoder is not first.encoder


def test_the_code_of_every_part_is_loaded_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that cannot be loaded is told also where the rest was prepared before."""
    shared = Preparations(CATALOG, None, 3)
    shared.prepare(config())

    def broken(target: str) -> object:
        raise PluginError(f"cannot load {target}")

    monkeypatch.setattr(preparing, "load_target", broken)
    with pytest.raises(Problems, match=r"cannot load ercbench_stock\.logistic"):
        shared.prepare(config(classifier__c=[1.0]))
