"""Functions of a vector: what their records say, against torch, and that the table and a figure show it."""

import pytest
import torch
from torch import nn

from nonlin.activations.gated import GATES
from nonlin.activations.vectors import VECTOR_FUNCTIONS, VectorFunction
from nonlin.plots import along_one_input
from nonlin.plots.tables import vector_comparison

every_function = pytest.mark.parametrize("record", VECTOR_FUNCTIONS.values(), ids=VECTOR_FUNCTIONS)


@every_function
def test_it_is_torchs_and_keeps_to_its_range(record: VectorFunction) -> None:
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = record.function(x)
    assert record.range.contains(y).all()
    if record.torch_module:
        torch.testing.assert_close(y, record.torch_module(dim=-1)(x))
    else:
        gate = {name.lower(): make for name, make in GATES.items()}[record.name]()
        torch.testing.assert_close(y, x[:, :3] * gate(x[:, 3:]))


def test_facts() -> None:
    facts = {name: (r.halves, r.total, r.shift_invariant) for name, r in VECTOR_FUNCTIONS.items()}
    assert facts["softmax"] == facts["softmin"] == (False, 1.0, True)
    assert facts["log_softmax"] == (False, None, True)
    assert set(list(facts.values())[3:]) == {(True, None, False)}
    assert [name for name, record in VECTOR_FUNCTIONS.items() if record.torch_module is nn.GLU] == ["glu"]


def test_the_table_says_what_they_are_functions_of() -> None:
    lines = vector_comparison(*VECTOR_FUNCTIONS.values()).text.splitlines()
    assert len(lines) == 2 + len(VECTOR_FUNCTIONS)
    assert "| softmax " in lines[2]
    assert "| a vector " in lines[2]
    assert "half as many" in lines[5]
    with pytest.raises(ValueError, match="at least one"):
        vector_comparison()


def test_the_figure_varies_one_input() -> None:
    picture = along_one_input(VECTOR_FUNCTIONS["softmax"], VECTOR_FUNCTIONS["glu"])
    outputs, slopes = picture.figure.axes[:2]
    assert len(outputs.lines) == len(slopes.lines) == 3
    total = sum(line.get_ydata()[300] for line in outputs.lines)
    assert total == pytest.approx(1)
    assert sum(line.get_ydata()[300] for line in slopes.lines) == pytest.approx(0, abs=1e-12)
    assert "GLU of the vector (1, x), outputs at x = −4: 0.018; x = 0: 0.5; x = 4: 0.982." in picture.text
    with pytest.raises(ValueError, match="at least one function"):
        along_one_input()
