"""Boards made up for tests: any number of rows, and names as a stranger with bad intentions would choose them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ercbench.leaderboard.board_json import (
    Board,
    Comparison,
    Difference,
    Interval,
    Leaderboard,
    PublishedRow,
    RankRange,
    RecordLine,
    Row,
    Section,
    SliceScore,
    Spread,
    Task,
)

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
HOSTILE = (
    "<script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked=1">',
    "' onmouseover='window.hacked=1",
    "</title></style><svg onload=window.hacked=1>",
    "{{ 7 * 7 }} {% raw %}",
    "&lt;b&gt; --> <!-- x",
    "javascript:window.hacked=1",
)


def row(number: int, name: str = "", *, standing: str = "ranked", seeds: int = 3, **changes: object) -> Row:
    """A row whose score falls with its number."""
    identity = hashlib.sha256(f"{number}{name}{changes.get('encoder', '')}".encode()).hexdigest()[:16]
    score = 0.70 - 0.3 * number / (number + 100)
    named = name or f"method-{number}"
    values: dict[str, object] = {
        "id": identity,
        "name": f"{named}@1",
        "recipe": named,
        "version": "1",
        "reference": f"The paper of {named}",
        "configuration": identity[:8],
        "encoder": "small-encoder",
        "selected_on": "test" if standing == "outside-rules" else "dev",
        "standing": standing,
        "reasons": [] if standing == "ranked" else [f"reason of {standing}"],
        "rank": None,
        "status": "verified",
        "contamination": [],
        "test": spread(score, seeds),
        "over_dialogues": Interval(low=score - 0.02, high=score + 0.02),
        "dev": spread(score - 0.01, seeds),
        "macro": spread(score - 0.2, seeds),
        "emotions": {key: spread(score - 0.05 * at, seeds) for at, key in enumerate(EMOTIONS)},
        "slices": [SliceScore(name="shift", utterances=1200, weighted_f1=spread(score - 0.1, seeds))],
        "records": [record(named, seed, score, identity) for seed in range(seeds)],
        "published": [],
    }
    return Row.model_validate(values | changes)


def spread(mean: float, seeds: int = 3) -> Spread:
    """A number over so many seeds."""
    if seeds < 2:
        return Spread(mean=mean)
    return Spread(mean=mean, deviation=0.005, interval=Interval(low=mean - 0.012, high=mean + 0.012))


def record(name: str, seed: int, score: float, identity: str) -> RecordLine:
    """A record of a row, where a run would have put it."""
    return RecordLine(
        seed=seed,
        path=f"records/talk/mini/{identity}@1/seed-{seed}.json",
        weighted_f1=score + 0.001 * (seed - 1),
        dev_weighted_f1=score - 0.01,
        command=f"ercbench run {name} --dataset talk --track mini --seed {seed}",
        signature=f"weighted_f1|classes:7|data:talk@1|{name}",
        predictions="0" * 64,
    )


def task(rows: Sequence[Row], track: str = "mini", context: str = "past") -> Task:
    """Rows, the ranked ones among them tied with their neighbours."""
    ranked = [one.id for one in rows if one.standing == "ranked"]
    placed = []
    for one in rows:
        at = ranked.index(one.id) if len(ranked) < 1000 and one.id in ranked else None
        rank = None if at is None else RankRange(first=max(1, at), last=min(len(ranked), at + 2))
        placed.append(one.model_copy(update={"rank": rank}))
    pairs = [
        Comparison(
            a=a, b=b, effect=0.01, interval=Interval(low=-0.01, high=0.03), p=0.3, p_adjusted=0.5, different=False
        )
        for a, b in pairwise(ranked)
    ]
    return Task.model_validate({"track": track, "context": context, "rows": placed, "comparisons": pairs})


def section(*tasks: Task, fingerprint: str = "sha256:" + "1" * 64) -> Section:
    """One content of a data set."""
    return Section(
        version="1",
        fingerprint=fingerprint,
        test_utterances=2610,
        metrics=["weighted_f1|classes:7"],
        emotions=list(EMOTIONS),
        tasks=list(tasks),
    )


def printed(method: str, f1: str = "68.10", **changes: object) -> PublishedRow:
    """A number of others."""
    values: dict[str, object] = {
        "method": method,
        "kind": "encoder",
        "modality": "text",
        "known_version": True,
        "weighted_f1": f1,
        "source": f"The paper of {method}, Table 1",
        "seeds": "5",
        "selection": "dev",
        "remark": "",
    }
    return PublishedRow.model_validate(values | changes)


def board(*sections: Section, name: str = "talk", published: Sequence[PublishedRow] = (), **changes: object) -> Board:
    """A board."""
    values = {"name": name, "title": name.title(), "note": "2,610 test utterances.", "sections": sections}
    return Board.model_validate(values | {"published": published} | changes)


def example() -> Leaderboard:
    """Two boards with rows of every standing and status, two tracks, two contexts, ties and published numbers."""
    difference = Difference(
        method="Alpha as printed",
        source="The paper of Alpha",
        printed="69.90",
        track="mini",
        same_track=True,
        difference=0.004,
        interval=Interval(low=-0.016, high=0.024),
    )
    elsewhere = difference.model_copy(update={"method": "Alpha, large", "track": "full", "same_track": False})
    mini = task(
        [
            row(1, "alpha", published=[difference, elsewhere]),
            row(5, "beta"),
            row(9, "gamma"),
            row(3, "delta", standing="not-compared", status="reproduced", over_dialogues=None),
            row(2, "epsilon", standing="few-seeds", seeds=1, contamination=["Its encoder has read the scripts."]),
            row(0, "zeta", standing="outside-rules"),
        ]
    )
    full = task([row(4, "alpha", encoder="large-encoder"), row(8, "beta", encoder="large-encoder")], "full")
    both = task([row(6, "alpha", encoder="other", standing="few-seeds", seeds=2)], "mini", "full")
    others = [
        printed("Theirs", "70.10"),
        printed("Older", "61.5", remark="A re-run is lower."),
        printed("Unclear", "66.00", known_version=False),
        printed("Pictures too", "67.60", modality="multimodal"),
    ]
    talk = board(section(full, mini, both), published=others)
    return Leaderboard(boards=[board(name="speech", published=[printed("Theirs", "50.1")]), talk])


def hostile() -> Leaderboard:
    """A board on which everything that a stranger can choose tries to run a script."""
    rows = [
        row(
            number,
            text,
            encoder=text,
            reference=text,
            contamination=[text],
            slices=[SliceScore(name=text, utterances=3, weighted_f1=spread(0.5))],
            emotions={text: spread(0.5)},
            standing="ranked" if number % 2 else "outside-rules",
            reasons=[text],
        )
        for number, text in enumerate(HOSTILE)
    ]
    rows = [one.model_copy(update={"records": [r.model_copy(update={"command": one.name}) for r in one.records]})
            for one in sorted(rows, key=lambda one: one.standing != "ranked")]  # fmt: skip
    part = section(task(rows, HOSTILE[0])).model_copy(update={"version": HOSTILE[1], "emotions": list(HOSTILE)})
    others = [printed(text, kind=text, source=text, seeds=text, selection=text, remark=text) for text in HOSTILE]
    bad = "".join(HOSTILE)
    return Leaderboard(boards=[board(part, published=others, title=bad, note=bad)])


def many(rows: int, seeds: int = 5, tables: int = 1, boards: int = 1) -> Leaderboard:
    """Boards with so many rows in all, spread evenly."""
    each = rows // (tables * boards)
    return Leaderboard(
        boards=[
            board(
                section(
                    *(
                        task([row(at, f"method-{number}-{part}-{at}", seeds=seeds) for at in range(each)], f"t{part}")
                        for part in range(tables)
                    )
                ),
                name=f"talk-{number}",
            )
            for number in range(boards)
        ]
    )


def save(leaderboard: Leaderboard, results: Path) -> Path:
    """A results folder that holds these boards, and a file for each of their records."""
    results.mkdir(parents=True, exist_ok=True)
    (results / "leaderboard.json").write_text(leaderboard.model_dump_json(indent=1), encoding="utf-8")
    for one in leaderboard.boards:
        for part in one.sections:
            for line in (line for of in part.tasks for found in of.rows for line in found.records):
                path = results / line.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps({"seed": line.seed}), encoding="utf-8")
    return results
