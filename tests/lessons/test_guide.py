"""The decision guide: no line stands without its evidence, and the cheat sheet holds the whole of it."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from nonlin.__main__ import main
from nonlin.activations import ACTIVATIONS
from nonlin.ledger import Case, Finding, Tried, Verdict, verdicts
from nonlin.lessons import CLAIMS
from nonlin.lessons.choosing import guide
from nonlin.lessons.choosing.cheat_sheet import PAGE, cheat_sheet, save
from nonlin.lessons.choosing.guide import (
    GUIDE,
    Advice,
    ByClaim,
    ByMeasurement,
    ByRuns,
    Found,
    LeadAtMost,
    Level,
    examine,
    table,
)


@pytest.fixture(scope="module")
def found() -> dict[Advice, tuple[Found, ...]]:
    return examine()


@pytest.mark.parametrize("line", GUIDE, ids=[line.advice for line in GUIDE])
def test_every_line_has_the_evidence_that_it_needs(line: Advice, found: dict[Advice, tuple[Found, ...]]) -> None:
    assert found[line] or line.practice
    assert [each for each in found[line] if not each.holds] == []
    assert all(each.figures for each in found[line])


def test_the_guide_covers_what_people_ask() -> None:
    situations = {line.situation for line in GUIDE}
    assert situations >= {"Hidden layers", "Output layers", "Very deep", "Recurrent", "Transformer", "Mobile, 8 bits"}
    said = " ".join(f"{line.advice} {' '.join(map(str, line.practice))}" for line in GUIDE)
    for field in (
        "coordinates",
        "equations",
        "Reinforcement",
        "Flows",
        "GANs",
        "LSTM",
        "forget gate",
        "caps",
        "Graphs",
    ):
        assert field in said
    with pytest.raises(ValueError, match="rests on nothing"):
        Advice(situation="Hidden layers", advice="Take what you like.")


def test_every_line_says_what_practice_does_or_what_was_measured() -> None:
    said = table().text
    assert "| measured here | what practice does |" in said.splitlines()[0]
    assert "not measured here" in said
    assert "*They part:*" in said
    for practice in (each for line in GUIDE for each in line.practice):
        assert 2010 < practice.year < 2027
        assert practice.where


CASES = (Case("small network", False, "1"), Case("large network", None, "2"))
LEDGER = {16: Finding(CLAIMS[16], (Tried("16", CLAIMS[16].parts[0], CASES),))}


@pytest.mark.parametrize(
    ("support", "holds"),
    [
        (ByClaim("16", Verdict.REFUTED), True),
        (ByClaim("16", Verdict.CONFIRMED), False),
        (ByClaim("16", Verdict.REFUTED, "small", holds=False), True),
        (ByClaim("16", Verdict.REFUTED, "small", holds=True), False),
        (ByClaim("16", Verdict.REFUTED, "large", holds=False), False),  # an undecided case supports nothing
        (ByClaim("16", Verdict.REFUTED, "middling", holds=False), False),
        (ByClaim("999", Verdict.REFUTED), False),
        (ByRuns("gelu", better=False), False),
        (ByRuns("gelu", better=True, by=0.7), False),  # its mean is above, its interval is not
        (ByRuns("sigmoid", better=True), False),
        (ByRuns("nobody", better=True), False),
        (ByRuns("mish", better=True, batch_norm=False, by=4), True),
        (ByRuns("mish", better=True, batch_norm=False, by=8), False),
        (LeadAtMost(0.1), False),
        (Level("silu", "gelu", 2), True),
        (Level("silu", "gelu", 0.5), False),
        (Level("sigmoid", "relu", 15), False),
        (ByClaim("16b", Verdict.REFUTED), False),
        (ByMeasurement("L02", lambda: (False, "1")), False),
    ],
    ids=range(19),
)
def test_a_line_without_support_is_noticed(support: object, holds: bool) -> None:
    line = replace(GUIDE[0], support=(support,))
    (found,) = examine([line], LEDGER)[line]
    assert found.holds == holds
    assert ("DOES NOT SUPPORT" in table([line], LEDGER).text) == (not holds)


def test_a_lead_counts_at_both_depths(monkeypatch: pytest.MonkeyPatch) -> None:
    found = guide.reference_runs(depth=1)
    ahead = {"elu": replace(found["elu"], difference=5.0)}
    monkeypatch.setattr(guide, "reference_runs", lambda depth: found if depth == 1 else ahead)
    assert not LeadAtMost(2).find({}).holds


def test_another_verdict_in_the_ledger_takes_the_support_away() -> None:
    stored = verdicts.read(CLAIMS)
    lines = [line for line in GUIDE if any(isinstance(each, ByClaim) for each in line.support)]
    turned = {
        number: Finding(
            finding.claim,
            tuple(
                replace(part, cases=tuple(replace(case, holds=None) for case in part.cases)) for part in finding.parts
            ),
        )
        for number, finding in stored.items()
    }
    for line, found in examine(lines, turned).items():
        pairs = zip(line.support, found, strict=True)
        assert all(
            not each.holds or (support.needs == Verdict.OPEN and not support.condition)
            for support, each in pairs
            if isinstance(support, ByClaim)
        ), line


def test_the_command_prints_lines_with_their_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guide"]) == 0
    said = capsys.readouterr().out
    for line in GUIDE:
        assert line.advice in said
    assert "DOES NOT" not in said


def test_the_cheat_sheet_is_a_page_with_everything_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "sheet.png"
    assert main(["guide", "--cheat-sheet", str(path)]) == 0
    with Image.open(path) as page:
        assert page.height / page.width == pytest.approx(PAGE[1] / PAGE[0], rel=0.01)
        assert page.width > 1500
    assert path.stat().st_size < 400_000
    assert main(["guide", "--cheat-sheet", str(tmp_path / "sheet.jpg")]) == 2
    assert "must end in .png or .pdf" in capsys.readouterr().err


def test_the_cheat_sheet_stays_inside_the_page_and_says_it_in_words() -> None:
    records = [ACTIVATIONS[name] for name in ("relu6", "selu")]
    picture = cheat_sheet(*records)
    assert picture.text.startswith("ReLU6 (hardware, 2010): values in [0, 6]; largest slope 1, flat both sides; gain")
    assert "GLU (of a vector, 2017): values in (−∞, ∞). Gated" in picture.text
    assert all(str(line) in picture.text for line in GUIDE)
    renderer = FigureCanvasAgg(picture.figure).get_renderer()
    page = picture.figure.bbox
    for text in picture.figure.texts:
        box = text.get_window_extent(renderer)
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, text.get_text()
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, text.get_text()


def test_on_the_cheat_sheet_no_text_lies_over_another_and_curves_have_room() -> None:
    figure = cheat_sheet().figure
    assert min(curves.get_position().height for curves in figure.axes[1:]) > 0.4 / PAGE[1]  # the first is the key
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.texts]
    assert max(box.x1 for _, box in boxes) < figure.bbox.x1 - 10
    for (one, a), (other, b) in combinations(boxes, 2):
        wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert wide < 1 or high < 2, (one, other)  # pixels, of 100 an inch


def test_a_cheat_sheet_in_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a \.png or a \.pdf"):
        save(cheat_sheet(ACTIVATIONS["relu"]), tmp_path / "sheet.svg")
