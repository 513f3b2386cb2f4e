"""Tables made from the records, as Markdown that JupyterLab renders and a terminal can read."""

from dataclasses import dataclass

from nonlinear.activations import Activation


@dataclass(frozen=True)
class Markdown:
    """Text that JupyterLab shows as Markdown and everything else as it is."""

    text: str

    def _repr_markdown_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


def card(record: Activation) -> Markdown:
    """What the record of one activation holds, and what is computed from it."""
    counterpart = f"`torch.nn.{record.torch_module.__name__}`" if record.torch_module else "none"
    rows = {
        "formula": f"${record.formula}$",
        "derivative": f"${record.derivative_formula}$",
        "range": str(record.default_range),
        "kinks": ", ".join(f"at {k.at:g}, where torch returns the slope {k.slope:g}" for k in record.default_kinks)
        or "none",
        "largest slope": f"{record.largest_slope:.4g}",
        "mean for N(0, 1) inputs": f"{round(record.mean_under_normal, 4) + 0.0:.4f}",  # + 0.0 turns -0.0 into 0.0
        "slope is exactly 0 in float32": _outside(record),
        "in PyTorch": counterpart,
        "source": f"{record.paper.authors} ({record.paper.year}), [{record.paper.title}]({record.paper.url})",
        "use": record.use,
        "caveat": record.caveat,
    }
    return Markdown("\n".join([f"| {record.title} | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items())]))


def _outside(record: Activation) -> str:
    interval = record.zero_slope_float32
    ends = []
    if interval.low > float("-inf"):
        ends.append(f"up to {interval.low:.3g}")
    if interval.high < float("inf"):
        ends.append(f"from {interval.high:.3g} on")
    return " and ".join(ends) or "nowhere within 10,000 of zero"
