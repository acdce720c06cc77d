"""What another machine made -> the record of a cell: checked against what it was asked for, then moved into place.

Before: collecting.py, which took the files in. After: cell_runs.py, which tells that the cell is done.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ercbench.cells import cell_of
from ercbench.collecting import arrived, inside
from ercbench.errors import RecordError
from ercbench.models import model_folder
from ercbench.preparing import Prepared
from ercbench.records import RunRecord, read_record
from ercbench.tensors import sha256_of_file


def receive(results: Path, prepared: Prepared, seed: int, files: Mapping[str, str]) -> RunRecord:
    """Check the files of a finished cell, and move them to where they belong, the record last.

    Args:
        results: folder of the records.
        prepared: the cell.
        seed: of the run.
        files: sha256 by name, as the machine that made them told.

    Raises:
        RecordError: they are not what was told, or not this cell's.
    """
    folder = arrived(results, prepared.identity(seed))
    place = PurePosixPath(prepared.cell(seed).record(results).relative_to(results).as_posix())
    names = [inside(name) for name in files]
    if damaged := [str(name) for name in names if sha256_of_file(folder / name) != files[str(name)]]:
        raise RecordError(f"Files of the run arrived damaged: {', '.join(damaged)}. Start the command again.")
    record = read_record(folder / place)
    predictions = str(place.parent / record.predictions.file)
    foreign = cell_of(record) != prepared.cell(seed) or prepared.config.differences(record.config)
    if foreign or files.get(predictions) != record.predictions.sha256:
        raise RecordError(f"What arrived is not the run that was asked for. Got {cell_of(record)}. Start it again.")
    model = model_folder(results / place)
    if any(model in (results / name).parents for name in names):
        shutil.rmtree(model, ignore_errors=True)
    for name in sorted(names, key=lambda name: name == place):
        path = results / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(folder / name, path)
    shutil.rmtree(folder, ignore_errors=True)
    return record
