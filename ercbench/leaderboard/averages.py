"""The seeds of one row, its place and what is known of it -> the row, averaged over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import fsum, sqrt

from ercbench.leaderboard.board_json import Difference, Interval, RecordLine, Row, SliceScore, Spread
from ercbench.leaderboard.evidence import RowEvidence
from ercbench.leaderboard.published import Target
from ercbench.leaderboard.ranking import Placed
from ercbench.leaderboard.seeds import Group, Seed
from ercbench.statistics import over_seeds


def row(group: Group, name: str, placed: Placed, known: RowEvidence | None, wanted: Iterable[Target]) -> Row:
    """A row as boards show it.

    Args:
        group: its seeds.
        name: what to call it.
        placed: its rank, or why it has none.
        known: what its predictions gave when they were scored again.
        wanted: published numbers of its board.

    Before: ranking.py. After: tables.py.
    """
    about, seeds = group.shared, group.seeds
    over_dialogues = _over_dialogues(known)
    test = _test(seeds)
    return Row(
        id=about.id,
        name=name,
        recipe=about.recipe,
        version=about.version,
        reference=about.reference,
        configuration=about.configuration,
        encoder=about.encoder,
        selected_on=about.selected_on,
        standing=placed.standing,
        reasons=list(placed.reasons),
        rank=placed.rank,
        status="verified" if known and known.verified else "reproduced",
        contamination=list(about.contamination),
        test=test,
        over_dialogues=over_dialogues,
        dev=spread([seed.dev for seed in seeds]),
        macro=spread([seed.macro_f1 for seed in seeds]),
        emotions=_emotions(seeds),
        slices=_slices(seeds),
        records=[_record(seed) for seed in seeds],
        published=[]
        if placed.standing == "outside-rules"
        else list(_differences(group, test.mean, over_dialogues, wanted)),
    )


def spread(values: Sequence[float]) -> Spread:
    """Fractions, one per seed -> mean and sample standard deviation. The order of the values does not matter."""
    mean = fsum(values) / len(values)
    if len(values) < 2:
        return Spread(mean=mean)
    return Spread(mean=mean, deviation=sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1)))


def _test(seeds: Sequence[Seed]) -> Spread:
    """Weighted F1 on test, with the interval of its mean over seeds."""
    found = over_seeds([seed.weighted_f1 for seed in seeds])
    interval = found.interval and Interval(low=found.interval.low, high=found.interval.high)
    return Spread(mean=found.mean, deviation=found.deviation, interval=interval)


def _over_dialogues(known: RowEvidence | None) -> Interval | None:
    estimate = known and known.over_dialogues
    return Interval(low=estimate.low, high=estimate.high) if estimate else None


def _emotions(seeds: Sequence[Seed]) -> dict[str, Spread]:
    """F1 of the emotions that all seeds have, in the order of the first."""
    keys = [key for key in seeds[0].emotions if all(key in seed.emotions for seed in seeds)]
    return {key: spread([seed.emotions[key] for seed in seeds]) for key in keys}


def _slices(seeds: Sequence[Seed]) -> list[SliceScore]:
    """Weighted F1 of the slices that all seeds have, in the order of the first."""
    keys = [one for one in seeds[0].slices if all(one in seed.slices for seed in seeds)]
    return [
        SliceScore(name=one[0], utterances=one[1], weighted_f1=spread([seed.slices[one] for seed in seeds]))
        for one in keys
    ]


def _record(seed: Seed) -> RecordLine:
    return RecordLine(
        seed=seed.seed,
        path=seed.path,
        weighted_f1=seed.weighted_f1,
        dev_weighted_f1=seed.dev,
        command=seed.command,
        signature=seed.signature,
        predictions=seed.predictions,
    )


def _differences(
    group: Group, mean: float, over_dialogues: Interval | None, wanted: Iterable[Target]
) -> Iterator[Difference]:
    """A row beside the published numbers that its recipe is meant to reproduce, on the same version of the data."""
    about = group.shared
    for target in wanted:
        if (target.recipe, target.data_version) != (about.recipe, about.data_version):
            continue
        printed = float(target.printed / 100)
        shifted = over_dialogues and Interval(low=over_dialogues.low - printed, high=over_dialogues.high - printed)
        yield Difference(
            method=target.method,
            source=target.source,
            printed=str(target.printed),
            track=target.track,
            same_track=target.track == about.track,
            difference=mean - printed,
            interval=shifted,
        )
