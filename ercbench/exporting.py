"""A trained model as a folder for plain transformers and safetensors, with a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ercbench.catalog import Catalog
from ercbench.checkpoints import save_backbone
from ercbench.errors import UsageError
from ercbench.leaderboard.markdown import escape
from ercbench.models import CLASSIFIER, TrainedModel, load, model_folder
from ercbench.tensors import read_tensors, write_tensors
from ercbench.whole_files import write_atomically

HEAD = "head.safetensors"
BACKBONE = "backbone."


def export(catalog: Catalog, record: Path, folder: Path) -> list[str]:
    """Write encoder, tokenizer, head, classifier and model card.

    Args:
        catalog: where the recipe's parts are.
        record: path of the record whose model it is.
        folder: new, or empty.

    Returns:
        The names of the files.

    Raises:
        UsageError: the folder holds something.
        RecordError: the model cannot be loaded; see `models.load`.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"The folder must be new or empty, so that nothing is lost. Got {folder}. Name another one.")
    trained = load(catalog, record)
    save_backbone(trained.model.backbone, trained.encoder, folder)
    state = trained.model.state_dict()
    write_tensors(folder / HEAD, {name: value for name, value in state.items() if not name.startswith(BACKBONE)})
    write_tensors(folder / CLASSIFIER, read_tensors(model_folder(record) / CLASSIFIER))
    write_atomically(folder / "README.md", model_card(trained))
    return sorted(path.name for path in folder.iterdir())


def model_card(trained: TrainedModel) -> str:
    """The Markdown of the model card."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(  # noqa: S701 - Markdown: names were checked, and free text is passed through `escape`
        loader=PackageLoader("ercbench", "templates"), trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["escape"] = escape
    values: dict[str, Any] = {
        "record": trained.record,
        "dataset": trained.config.dataset,
        "recipe": trained.config.recipe,
        "usage": getattr(trained.encoder, "usage", None),
    }
    return environment.get_template("model_card.md").render(values)
