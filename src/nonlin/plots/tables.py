"""Tables made from the records, as Markdown that JupyterLab renders and a terminal can read."""

from collections.abc import Mapping, Sequence

from nonlin.activations import Activation
from nonlin.activations.layers import zero_slope_float32
from nonlin.activations.vectors import VectorFunction
from nonlin.bench.cost import passes
from nonlin.typography import Markdown, number, true_minus


def card(record: Activation) -> Markdown:
    """What the record of one activation holds, and what is computed from it."""
    rows = {
        "formula": f"${record.formula}$",
        "derivative": f"${record.derivative_formula}$",
        **known(record),
        "use": true_minus(record.use),
        "caveat": true_minus(record.caveat),
    }
    lines = [f"| {record.title} | |", "|---|---|", *(f"| {name} | {fact} |" for name, fact in rows.items())]
    return Markdown("\n".join(lines))


def known(record: Activation | VectorFunction) -> dict[str, str]:
    """What an activation's card says of it besides the formulas and the advice; Markdown, by name."""
    counterpart = f"`torch.nn.{record.torch_module.__name__}`" if record.torch_module else "none"
    facts = facts_of_vector(record) if isinstance(record, VectorFunction) else _in_detail(record)
    paper = f"{record.paper.signed}, [{record.paper.title}]({record.paper.url})"
    said = {name: true_minus(fact) for name, fact in facts.items() if name not in ("name", "year")}
    return {**said, "in PyTorch": counterpart, "source": paper}


def _in_detail(record: Activation) -> dict[str, str]:
    parameters = ", ".join(f"{each.symbol} = {number(each.default, 4)}" for each in record.takes.values())
    return {
        **({"the rest holds for": parameters} if parameters else {}),
        "range": str(record.default_range),
        "kinks": ", ".join(f"at {k.at:g}, where torch returns the slope {k.slope:g}" for k in record.default_kinks)
        or "none",
        "largest slope": number(record.largest_slope, 4),
        "mean for N(0, 1) inputs": f"{round(record.mean_under_normal, 4) + 0.0:.4f}",  # + 0.0 turns -0.0 into 0.0
        "slope is exactly 0 in float32 (ours)": _outside(record),
    }


def comparison(*records: Activation) -> Markdown:
    """One row an activation: what tells them apart, all of it stated by or computed from the records.

    Raises:
        ValueError: without any.
    """
    if not records:
        raise ValueError("comparison needs at least one activation.")
    return _aligned([facts(record) for record in records])


def vector_comparison(*records: VectorFunction) -> Markdown:
    """One row for each function of a vector.

    Raises:
        ValueError: without any.
    """
    if not records:
        raise ValueError("vector_comparison needs at least one function.")
    return _aligned([facts_of_vector(record) for record in records])


def _aligned(rows: Sequence[Mapping[str, str]]) -> Markdown:
    head = list(rows[0])
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in head]
    lines = [head, ["-" * width for width in widths], *(list(row.values()) for row in rows)]
    return Markdown(
        "\n".join(
            f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines
        )
    )


def facts(record: Activation) -> dict[str, str]:
    """A row of the comparison, by column."""
    left, right = record.saturates
    smoothness = record.smoothness(*record.parameters.values())
    facts = {
        "name": record.name,
        "family": record.family,
        "range": str(record.default_range),
        "mean": f"{round(record.mean_under_normal, 3) + 0.0:.3f}",
        "largest slope": number(record.largest_slope, 3),
        "flat": {(True, True): "both sides", (True, False): "left", (False, True): "right"}.get(
            (left, right), "nowhere"
        ),
        "dead": _outside(record),
        "smooth": {-1: "jumps", 0: "kinks", 1: "once"}.get(smoothness, "yes"),
        "monotonic": "yes" if record.monotonic else "no",
        "gain": f"{record.gain:.3f}",
        "passes": "{} + {}".format(*passes(record)),
        "keeps": "output" if record.keeps_output() else "input",
        "parameters": ", ".join(f"{name}={value:.4g}" for name, value in record.parameters.items()),
        "year": str(record.paper.year),
    }
    return {name: true_minus(fact) for name, fact in facts.items()}


def facts_of_vector(record: VectorFunction) -> dict[str, str]:
    """A row of the comparison of functions of a vector, by column."""
    facts = {
        "name": record.name,
        "function of": "a vector's two halves" if record.halves else "a vector",
        "outputs": "half as many" if record.halves else "as many",
        "range": str(record.range),
        "total": "varies" if record.total is None else f"{record.total:g}",
        "a shift": "changes nothing" if record.shift_invariant else "counts",
        "in PyTorch": record.torch_module.__name__ if record.torch_module else "none",
        "year": str(record.paper.year),
    }
    return {name: true_minus(fact) for name, fact in facts.items()}


VECTOR_KEY = """\
total: what the outputs add up to.    a shift: one number added to all inputs."""

TABLE_KEY = """\
mean: of the outputs for N(0, 1) inputs; 0 means zero-centred.    flat: where the slope goes to 0.
dead: beyond it backward, in float32, only returns slopes of 0.   smooth: once = only the second derivative jumps.
gain: what keeps the mean square of N(0, 1) inputs.               passes: over memory, forward + backward, in our form.
keeps: what backward keeps; the output costs nothing where the next layer keeps it anyway."""


def _outside(record: Activation) -> str:
    interval = zero_slope_float32(record)
    ends = []
    if interval.low > float("-inf"):
        ends.append(f"up to {interval.low:.3g}")
    if interval.high < float("inf"):
        ends.append(f"from {interval.high:.3g} on")
    return " and ".join(ends) or "in no tail within 10,000 of 0"
