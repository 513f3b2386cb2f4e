"""The benchmark's file and the tables made from it, and that what is printed about the committed run is true of it."""

import pytest

from nonlin.activations import ACTIVATIONS
from nonlin.bench import table
from nonlin.bench.cost import FORMS, SHAPES, Spread
from nonlin.files import FileError
from nonlin.paths import project_root

SMALL, LARGE = (table.Setting("float32", 1, shape) for shape in SHAPES["cpu"])


def rows(**ratios: float) -> dict[str, dict[str, Spread]]:
    measures = (table.TRAINING, table.IN_PLACE, table.INFERENCE, *FORMS)
    found = {name: {measure: Spread(r / 2, r, 2 * r) for measure in measures} for name, r in ratios.items()}
    del found["gelu"][table.IN_PLACE]
    return found


ROWS = {SMALL: rows(relu=2.0, gelu=0.5), LARGE: rows(relu=1.0, gelu=0.25)}


def test_what_is_written_is_read(tmp_path) -> None:
    table.write(ROWS, tmp_path, "python3 start.py bench")
    assert table.read(tmp_path) == ROWS
    (tmp_path / table.FILE).write_text("a,b\n1\n")
    with pytest.raises(FileError, match="damaged"):
        table.read(tmp_path)


def test_the_mean_is_geometric_over_those_that_have_the_measure() -> None:
    assert table.mean(ROWS, SMALL, table.TRAINING) == pytest.approx(1)
    assert table.mean(ROWS, SMALL, table.IN_PLACE) == pytest.approx(2)
    assert table.largest(ROWS, LARGE)[0] == "relu"


def test_the_summary_has_a_row_for_each_setting_and_then_the_other_measures() -> None:
    assert table.summary(ROWS).splitlines() == [
        "| ours / torch.nn: geometric mean (largest) | (256, 512) | (64, 64, 32, 32) |",
        "|---|---|---|",
        "| forward and backward, float32, one thread | **1.00** (relu 2.00) | **0.50** (relu 1.00) |",
        "| forward and backward, in place, 1 activations, float32, one thread | **2.00** (relu 2.00) "
        "| **1.00** (relu 1.00) |",
        "| inference, 2 activations, float32, one thread | **1.00** (relu 2.00) | **0.50** (relu 1.00) |",
    ]
    assert table.forms(ROWS).splitlines()[-1] == "| (64, 64, 32, 32) | 0.50 | 0.50 | 0.50 | 0.50 |"


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_the_committed_table_is_that_of_the_committed_run(page: str) -> None:
    root = project_root()
    folder = root / "data" / "results" / "speed"
    committed, forms = table.read(folder), table.read(folder / "forms")
    text = (root / page).read_text(encoding="utf-8")
    assert table.summary(committed) in text
    on_a_card = table.read(folder / "card")
    assert page == "README.md" or all(words in text for words in map(table.forms, (forms, on_a_card)))
    assert page == "README.md" or table.summary(on_a_card) in text
    compared = {record.name for record in ACTIVATIONS.values() if record.torch_module}
    assert all({*activations} == compared for rows in (committed, forms, on_a_card) for activations in rows.values())
