"""What ran, and what it scored: one table for all systems on a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ercbench.records import RunRecord, ScoresRecord
from ercbench.report.blocks import Block, Commands, Facts, Figure, Figures, Paragraph, Part, Table, Tile, Tiles
from ercbench.report.gather import Section, System
from ercbench.report.plots import Line, forest
from ercbench.report.text import interval, score, several, spread
from ercbench.statistics import Interval, over_dialogues, over_seeds
from ercbench.types import Turns

MEASURES: dict[str, Callable[[ScoresRecord], float]] = {
    "Macro F1": lambda scores: scores.macro_f1,
    "Micro F1 without neutral": lambda scores: scores.micro_f1_without_neutral,
    "Accuracy": lambda scores: scores.accuracy,
}


def overview(section: Section, name: str) -> list[Part]:
    """A data set -> the parts on what ran and what it scored."""
    return [Part("What ran", _what_ran(section)), Part("Scores", _scores(section, name))]


def weighted_f1(system: System) -> list[float]:
    """The headline on test, one per seed."""
    return [test.weighted_f1 for test in system.tests]


def dialogue_interval(system: System) -> Interval | None:
    """The interval of the headline over test dialogues, None without gold labels."""
    return None if system.counts is None else over_dialogues(system.counts)


def tiles(system: System, words: Sequence[str]) -> Tiles:
    """The numbers of one system that stand out."""
    found = over_seeds(weighted_f1(system))
    over = dialogue_interval(system)
    emotions = sorted(
        (system.f1(key), word) for key, word in zip(system.record.scores.test.per_class, words, strict=True)
    )
    details = [f"{interval(over)} over dialogues" if over else "", f"{several(found.seeds, 'seed')}"]
    return Tiles(
        (
            Tile("Weighted F1", score(found.mean), ", ".join(filter(None, details))),
            Tile("Macro F1", score(system.mean(lambda test: test.macro_f1)), "every emotion counts the same"),
            Tile("Best emotion", emotions[-1][1], f"F1 {score(emotions[-1][0])}"),
            Tile("Worst emotion", emotions[0][1], f"F1 {score(emotions[0][0])}"),
        )
    )


def _what_ran(section: Section) -> list[Block]:
    data = section.systems[0].record.dataset
    labels = [
        f"{word} ({key})" if word != key else key for word, key in zip(section.words, section.labels.keys, strict=True)
    ]
    records = [run.record for system in section.systems for run in system.runs]
    signatures = tuple(dict.fromkeys(record.signature for record in records))
    facts = [
        ("Data set", f"{data.name}, version {data.version}"),
        ("Fingerprint", data.fingerprint),
        ("Test utterances", f"{data.utterances['test']:,}" if "test" in data.utterances else "not known"),
        ("Emotions", ", ".join(labels)),
        *([] if data.limit is None else [("Limit", several(data.limit, "dialogue") + " per split")]),
        *([("Licence", section.licence)] if section.licence else []),
        *([("Signature", signatures[0])] if len(signatures) == 1 else []),
    ]
    rows = tuple(_system_row(system) for system in section.systems)
    header = ("System", "Track", "Context", "Chosen on", "Encoder", "Seeds", "Status")
    blocks: list[Block] = [Facts(tuple(facts)), Table("Systems", header, rows)]
    if len(signatures) > 1:
        of = tuple((one, ", ".join(_of(section, one))) for one in signatures)
        blocks.append(Table("Signatures: what the score of each record is", ("Signature", "Records"), of, folded=True))
    return [
        *blocks,
        Commands("What makes these records again", tuple(dict.fromkeys(record.command for record in records))),
    ]


def _system_row(system: System) -> tuple[str, ...]:
    record = system.record
    return (
        system.name,
        record.track,
        _context(record),
        record.protocol.selection_split,
        record.encoder.checkpoint,
        ", ".join(str(run.record.seed) for run in system.runs),
        "may be ranked" if record.ranked else "not ranked: " + "; ".join(record.unranked_reasons),
    )


def _context(record: RunRecord) -> str:
    turns = {
        "none": "no other turns",
        "past": _turns(record.protocol.context_past, "earlier turn"),
        "full": f"{record.protocol.context_past} earlier and {_turns(record.protocol.context_future, 'later turn')}",
    }
    return turns[record.protocol.context]


def _turns(number: Turns, what: str) -> str:
    return f"all {what}s" if number == "all" else several(number, what)


def _of(section: Section, signature: str) -> Iterator[str]:
    """The seeds of each system whose records have the signature."""
    for system in section.systems:
        seeds = [str(run.record.seed) for run in system.runs if run.record.signature == signature]
        if seeds:
            yield f"{system.name}: {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(seeds)}"


def _scores(section: Section, name: str) -> list[Block]:
    header = (
        "System", ">Seeds", ">Weighted F1", ">95% over dialogues", ">95% over seeds", ">Dev weighted F1",
        *(f">{measure}" for measure in MEASURES),
    )  # fmt: skip
    table = Table("Scores on test, x 100", header, tuple(_score_row(system) for system in section.systems))
    blocks: list[Block] = [table, Paragraph(_explained(section))]
    if section.gold is None:
        blocks.append(Paragraph("The interval over dialogues needs the gold labels, which are not at hand.", "note"))
    if len(section.systems) > 1:
        lines = [
            Line(system.name, over_seeds(weighted_f1(system)).mean, dialogue_interval(system), weighted_f1(system))
            for system in section.systems
        ]
        caption = "Weighted F1 on test with its 95% interval over dialogues; a stroke for each seed"
        blocks.append(Figures((Figure(forest(f"{name}-scores", caption, lines), caption, table),)))
    return blocks


def _score_row(system: System) -> tuple[str, ...]:
    seeds = over_seeds(weighted_f1(system))
    dev = over_seeds([run.record.scores.dev.weighted_f1 for run in system.runs])
    return (
        system.name,
        str(seeds.seeds),
        spread(seeds),
        interval(dialogue_interval(system)),
        interval(seeds.interval),
        spread(dev),
        *(score(system.mean(measure)) for measure in MEASURES.values()),
    )


def _explained(section: Section) -> str:
    several_seeds = any(len(system.runs) > 1 for system in section.systems)
    return (
        "Over dialogues: where the score of these very models would lie on other dialogues of the kind (bootstrap of "
        "whole test dialogues, since turns of a dialogue depend on each other). Over seeds: where the mean of "
        "endlessly many seeds would lie (t interval). The two are different sources of chance, and neither holds the "
        "other. "
        + (
            "After ± stands the standard deviation over seeds."
            if several_seeds
            else "One seed says nothing about others."
        )
    )
