"""A page for each activation, made from its record: what it is, what is computed from it, and what was measured."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from nonlin.activations import ACTIVATIONS, Activation
from nonlin.activations.vectors import VECTOR_FUNCTIONS, VectorFunction
from nonlin.lab import reference, report
from nonlin.lab.protocol import PROTOCOL
from nonlin.ledger import Finding
from nonlin.lessons.choosing.guide import GUIDE
from nonlin.paths import results_folder
from nonlin.plots.picture import Picture
from nonlin.plots.records import curve_and_slope
from nonlin.plots.tables import TABLE_KEY, VECTOR_KEY, comparison, facts, known, vector_comparison
from nonlin.plots.vectors import along_one_input
from nonlin.site import claims
from nonlin.site.markdown import Pages, code, escaped, evidence, image, links
from nonlin.typography import Markdown, true_minus

Record = Activation | VectorFunction
RECORDS: Mapping[str, Record] = {**ACTIVATIONS, **VECTOR_FUNCTIONS}
COMPARED = ("monotonic", "gain", "family")  # what a page says besides what the notebooks' card does


def place(name: str) -> str:
    """The page of a record, without its ending."""
    return f"activations/{name}"


def pages(records: Mapping[str, Record], findings: Mapping[int, Finding]) -> Pages:
    """A page for each record with its figure and the claims that name it, and one that compares them all."""
    written: dict[str, str | bytes] = {}
    for name, record in records.items():
        picture = curve_and_slope(record) if isinstance(record, Activation) else along_one_input(record)
        figure = f"_static/figures/{name}.svg"
        written[figure] = svg(picture)
        written[f"{place(name)}.md"] = "\n\n".join(_page(record, image(f"../{figure}", picture.text), findings))
    listed = "\n".join(
        f"- [{record.title}]({place(name)}.md): {true_minus(record.use)}" for name, record in records.items()
    )
    scalars = comparison(*(record for record in records.values() if isinstance(record, Activation)))
    vectors = vector_comparison(*(record for record in records.values() if isinstance(record, VectorFunction)))
    written["activations.md"] = (
        f"# Activations\n\n{listed}\n\n## Compared\n\n{_with_links(scalars)}\n\n{_key(TABLE_KEY)}\n\n"
        f"## Functions of a vector, compared\n\n{_with_links(vectors)}\n\n{_key(VECTOR_KEY)}\n"
    )
    return written


def _with_links(table: Markdown) -> str:
    def link(cell: re.Match[str]) -> str:
        return f"| [{cell[1]}]({place(cell[1])}.md)" if cell[1] in RECORDS else cell[0]

    return re.sub(r"^\| (\w+)(?= )", link, str(table), flags=re.MULTILINE)


def _key(text: str) -> str:
    """What columns mean, one to a line; the text has two beside each other."""
    return "\n".join(f"- {escaped(line)}" for line in re.split(r"\s{3,}|\n", text))


def svg(picture: Picture) -> bytes:
    """The figure, drawn by itself."""
    file = io.BytesIO()
    picture.figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    return file.getvalue()


def _page(record: Record, figure: str, findings: Mapping[int, Finding]) -> Iterator[str]:
    yield f"---\norphan: true\n---\n\n# {record.title}"
    yield true_minus(f"{record.use} {record.caveat}")
    yield figure
    yield "\n\n".join(f"$$\n{formula}\n$$" for formula in _formulas(record))
    if isinstance(record, VectorFunction) and record.halves:
        yield "$a$ and $b$ are the two halves of the input."
    yield f"## Facts\n\n{_facts(record)}"
    if isinstance(record, Activation) and record.takes:
        yield f"## Parameters\n\n{_parameters(record)}"
    yield f"## In code\n\n{code(in_code(record))}"
    if measured := _measured(record.name):
        yield f"## Trained networks\n\n{measured}"
    if lines := [line for line in GUIDE if names(line.advice, record.title)]:
        said = "\n".join(f"- {line.situation}: {line.advice} ({evidence(line.sources, '../')})" for line in lines)
        yield f"## In the guide\n\n{said}\n\nWhat each line rests on: [the guide](../guide.md)."
    if found := [finding for finding in findings.values() if _named(finding, record.title)]:
        said = "\n".join(f"- {claims.link(finding)}: {finding.verdicts}" for finding in found)
        yield f"## Claims\n\n{said}"
    function = getattr(record.function, "func", record.function)  # of a partial
    yield links(f"src/nonlin/activations/{function.__module__.rpartition('.')[2]}.py")


def _formulas(record: Record) -> Iterator[str]:
    if isinstance(record, Activation):
        yield from (record.formula, record.derivative_formula)
    else:
        yield rf"\mathrm{{{record.title}}}{'(a, b)' if record.halves else '(x)_i'} = {record.formula}"


def _facts(record: Record) -> str:
    rows = known(record)
    if isinstance(record, Activation):
        compared = facts(record)
        rows |= {
            "tails": f"flat {compared['flat']}",
            **{name: compared[name] for name in ("monotonic", "gain", "family")},
        }
    lines = [f"| {record.title} | |", "|---|---|", *(f"| {name} | {said} |" for name, said in rows.items())]
    return "\n".join(lines) + ("" if isinstance(record, Activation) else f"\n\n{_key(VECTOR_KEY)}")


def _parameters(record: Activation) -> str:
    rows = ("| parameter | in the formula | default | accepted | what it does |", "|---|---|---|---|---|")
    return true_minus(
        "\n".join(
            [
                *rows,
                *(
                    f"| `{name}` | {p.symbol} | {p.default:.4g} | {p.domain} | {p.meaning} |"
                    for name, p in record.takes.items()
                ),
            ]
        )
    )


def names(text: str, title: str) -> bool:
    """Whether a text names an activation as a word of its own: "tanh's" does name Tanh, "ReLU6" does not name ReLU."""
    return re.search(rf"(?<![\w-]){re.escape(title)}(?!\w)", text, re.IGNORECASE) is not None


def _named(finding: Finding, title: str) -> bool:
    return any(names(text, title) for text in (finding.claim.statement, *(t.part.statement for t in finding.parts)))


def _measured(name: str) -> str:
    """The means of an activation in the course's networks, with the difference from ReLU."""
    entries = [entry for entry in _summary() if entry.activation == name]
    if not entries:
        return ""
    parts = [entry.group.split(", ") for entry in _summary()]
    common = [part for part in parts[0] if all(part in each for each in parts)]
    lines = ["| network | runs | accuracy, % | difference from ReLU, points | interval |", "|---|---|---|---|---|"]
    for entry in entries:
        interval = f"[{entry.corrected.low:+.2f}, {entry.corrected.high:+.2f}]" if entry.corrected else "–"
        difference = f"{entry.difference:+.2f}" if entry.difference is not None else "–"
        network = ", ".join(part for part in entry.group.split(", ") if part not in common)
        runs = f"{entry.runs}, {entry.diverged} diverged" if entry.diverged else str(entry.runs)
        lines.append(f"| {network} | {runs} | {entry.mean:.2f} | {difference} | {interval} |")
    said = (
        f"All: {', '.join(common)}. A run that diverged counts as guessing, 10 %. The intervals of a network hold "
        "together with 95 %. The rows: [all runs](../runs.md)."
    )
    return true_minus("\n".join(lines)) + f"\n\n{said}"


@cache
def _summary() -> Sequence[report.Summary]:
    return report.summary(reference.read(PROTOCOL, results_folder() / "reference").runs)


def in_code(record: Record) -> str:
    """How to call it."""
    if isinstance(record, Activation):
        found = "from nonlin.activations import ACTIVATIONS, ActivationModule"
        made = f'ActivationModule(ACTIVATIONS["{record.name}"])'
    else:
        found = "from nonlin.activations.vectors import VECTOR_FUNCTIONS"
        made = f'VECTOR_FUNCTIONS["{record.name}"].function'
    return f"import torch\n{found}\n\nours = {made}\nx = torch.linspace(-3, 3, 8)\nours(x)"
