"""The measured runs: every row of the tables in data/results, to sort in the page and to take along as CSV."""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from nonlin.files import read_table
from nonlin.lab import reference
from nonlin.lab.protocol import PROTOCOL, Network
from nonlin.paths import results_folder
from nonlin.plots.reference import rate_curves
from nonlin.site.activations import svg
from nonlin.site.markdown import ROOT, Pages, code, escaped, fold, image, links, raw
from nonlin.typography import true_minus

DIGITS = 4  # of a number in a page; the CSV has all


def tables() -> list[Path]:
    """All tables, in the order of their names."""
    return sorted(results_folder().glob("*/*.csv"))


def name_of(path: Path) -> str:
    """A table's name in the site: "reference-search"."""
    return "-".join(dict.fromkeys((path.parent.name, path.stem)))


def pages(networks: Sequence[Network] = PROTOCOL.networks) -> Pages:
    """A page for each table, the tables as they are, the search's curves, and one page that explains them.

    Args:
        networks: whose search is drawn, as far as it has begun.
    """
    written: dict[str, str | bytes] = {}
    for path in tables():
        written[f"runs/{name_of(path)}.md"] = "\n\n".join(_table(path))
        written[f"_static/tables/{name_of(path)}.csv"] = path.read_bytes()
    curves = _curves(networks)
    written |= {f"_static/figures/{name}.svg": drawn for name, (drawn, _) in curves.items()}
    about = (results_folder() / "README.md").read_text(encoding="utf-8").replace("# Results", "# All runs", 1)
    listed = "\n".join(f"- [{name_of(path)}](runs/{name_of(path)}.md), as {download(path, '')}" for path in tables())
    drawn = "\n\n".join(
        f"### {name}\n\n{image(f'_static/figures/{name}.svg', words)}" for name, (_, words) in curves.items()
    )
    search = f"## The search for learning rates\n\n{drawn}" if drawn else ""
    return {
        **written,
        "runs.md": f"{about}\n\n## All tables\n\n{listed}\n\n{search}\n{links('data/results/README.md')}",
    }


def download(path: Path, up: str = "../") -> str:
    """A link to the table itself."""
    return f'<a href="{up}_static/tables/{name_of(path)}.csv" download>CSV</a>'


def _curves(networks: Sequence[Network]) -> dict[str, tuple[bytes, str]]:
    search = reference.read(PROTOCOL, results_folder() / "reference").search
    searched = {(row.configuration.depth, row.configuration.batch_norm) for row in search}
    found = {}
    for network in networks:
        if (network.depth, network.batch_norm) in searched:
            picture = rate_curves(PROTOCOL, network, search)
            found[f"search-{network.name}"] = (svg(picture), picture.text)
    return found


def _table(path: Path) -> Iterator[str]:
    head, *rows = read_table(path)
    same = {
        column: rows[0][place] for place, column in enumerate(head) if len({row[place] for row in rows}) == 1 and rows
    }
    kept = [place for place, column in enumerate(head) if column not in same]
    yield f"---\norphan: true\n---\n\n# Table {name_of(path)}"
    yield f"{len(rows)} rows of `{path.relative_to(ROOT)}`, as {download(path)}. A click on a heading sorts."
    about = path.parent / "about.json"
    if about.is_file():
        yield fold("How it was measured, and on what machine", code(about.read_text(encoding="utf-8"), "json"))
    if same:
        said = ", ".join(f"{escaped(name)} {escaped(value) or 'empty'}" for name, value in same.items())
        yield f"The same in all rows: {said}."
    heads = "".join(f'<th scope="col">{html.escape(head[place])}</th>' for place in kept)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(row[place])}</td>' for place in kept)}</tr>" for row in rows)
    # As HTML: Sphinx takes half a minute for a thousand rows.
    table = f'<table class="docutils sortable"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    yield raw(f'<div class="table-wrapper" role="region" aria-label="{name_of(path)}">{table}</div>')


def _cell(value: str) -> str:
    try:
        return true_minus(f"{float(value):.{DIGITS}g}") if "." in value or "e-" in value else value
    except ValueError:
        return html.escape(value)
