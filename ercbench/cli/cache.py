"""``ercbench cache``: what is kept so that it need not be computed again."""

from __future__ import annotations

import json

import click


@click.group()
def cache() -> None:
    """Show or clear what is kept so that it need not be computed again: token ids, vectors of untrained encoders.

    Everything in it is computed anew when it is missing. ERCBENCH_CACHE names another folder, ERCBENCH_CACHE_LIMIT
    another size in MiB.

    \b
    Examples:
      ercbench cache show
      ercbench cache clear
    """  # noqa: D301


@cache.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(as_json: bool) -> None:
    """Show the folder, its limit, and what it holds.

    \b
    Example:
      ercbench cache show --json
    """  # noqa: D301
    from ercbench.cache import Cache

    found = Cache()
    entries = found.entries()
    kinds = sorted({entry.kind for entry in entries})
    sizes = {kind: [entry.size for entry in entries if entry.kind == kind] for kind in kinds}
    if as_json:
        held = {kind: {"entries": len(sizes[kind]), "bytes": sum(sizes[kind])} for kind in kinds}
        click.echo(json.dumps({"folder": str(found.folder), "limit_bytes": found.limit, "kinds": held}, indent=2))
        return
    click.echo(f"{found.folder}, at most {found.limit / 2**20:.0f} MiB")
    for kind in kinds:
        click.echo(f"{kind}: entries {len(sizes[kind])}, {sum(sizes[kind]) / 2**20:.1f} MiB")
    if not kinds:
        click.echo("It is empty.")


@cache.command()
@click.option("--kind", help="Only entries of this kind.")
def clear(kind: str | None) -> None:
    """Remove what is kept.

    \b
    Example:
      ercbench cache clear --kind token-ids
    """  # noqa: D301
    from ercbench.cache import Cache

    click.echo(f"Removed {Cache().clear(kind)} entries.")
