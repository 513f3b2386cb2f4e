"""The ledger: verdicts follow from cases by one rule, and are measured, stored, read and printed by one way each."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nonlin.__main__ import main
from nonlin.intervals import Estimate, exact
from nonlin.ledger import (
    Always,
    Case,
    Claim,
    Compared,
    Dependence,
    Exists,
    Finding,
    Measurement,
    MissingMeasurement,
    Never,
    Part,
    Quantifier,
    Tried,
    Usually,
    Verdict,
    judged,
    margins,
    stored,
    verdicts,
)
from nonlin.ledger.tables import overview
from nonlin.lessons import CLAIMS

HOLDS, FAILS, OPEN = Case("a", True, "1"), Case("b", False, "2"), Case("c", None, "3")


def ratio_is(expected: float) -> Part:
    def judge(measured: Measurement) -> list[Case]:
        return [Case("ratio", measured["ratio"][0] == expected, f"{measured['ratio'][0]:g}")]

    return Part(statement=f"The ratio is {expected:g}.", quantifier=Always("ratios"), judge=judge)


TWICE = Claim(
    number=99, statement="Two is twice one.", lesson="03", measure=lambda: {"ratio": [2 / 1]}, parts=(ratio_is(2),)
)
AND_MORE = replace(TWICE, number=98, statement="Two is twice and three times one.", parts=(ratio_is(2), ratio_is(3)))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stored, "results_folder", lambda: tmp_path)
    return tmp_path


ALWAYS, EXISTS, USUALLY = Always("all"), Exists("some"), Usually("most")
COMPARED = Compared("two settings", margins.ACCURACY)


@pytest.mark.parametrize(
    ("quantifier", "answers", "expected"),
    [
        (ALWAYS, (True, True), Verdict.CONFIRMED),
        (ALWAYS, (True, True, True, False), Verdict.REFUTED),  # one counter-example
        (ALWAYS, (True, None), Verdict.OPEN),
        (Never("all"), (False, None), Verdict.REFUTED),
        (EXISTS, (False, False, True), Verdict.CONFIRMED),  # one example
        (EXISTS, (False, None), Verdict.OPEN),
        (EXISTS, (False, False), Verdict.REFUTED),
        (USUALLY, (True, True, False), Verdict.CONFIRMED),
        (USUALLY, (True, False), Verdict.REFUTED),
        (USUALLY, (True, True, None, None), Verdict.OPEN),
        (COMPARED, (True, True), Verdict.CONFIRMED),
        (COMPARED, (True, None), Verdict.OPEN),
        (COMPARED, (False, False), Verdict.REFUTED),
        (COMPARED, (True, None, False), Verdict.DEPENDS),
        *((quantifier, (), Verdict.OPEN) for quantifier in (ALWAYS, EXISTS, USUALLY, COMPARED)),
    ],
)
def test_the_verdict_follows_from_quantifier_and_cases(
    quantifier: Quantifier, answers: tuple[bool | None, ...], expected: Verdict
) -> None:
    assert quantifier.verdict(answers) == expected


WIDTH = Dependence(factor="the width", holds="above", at=Estimate(8, 7, 9, 5), unit="units")


def test_depends_has_to_be_said_on_what() -> None:
    part = Part(quantifier=COMPARED, judge=lambda measured: ())
    assert Tried("1", part, (HOLDS, FAILS)).verdict == Verdict.OPEN
    assert Tried("1", part, (HOLDS, FAILS), WIDTH).verdict == Verdict.DEPENDS
    assert Tried("1", part, (HOLDS, OPEN), WIDTH).verdict == Verdict.OPEN
    assert str(WIDTH) == "it depends on the width: it holds above 8 [7, 9] units"
    assert str(replace(WIDTH, at=exact(-1), unit="")) == "it depends on the width: it holds above −1"
    with pytest.raises(ValueError, match='"below", "up to" or "above"'):
        replace(WIDTH, holds="beside")


def test_a_compound_has_no_verdict_of_its_own() -> None:
    finding = judged(AND_MORE)
    assert [(part.name, part.verdict) for part in finding.parts] == [("98a", "confirmed"), ("98b", "refuted")]
    assert finding.verdicts == "a confirmed, b refuted"
    with pytest.raises(ValueError, match="ask its parts"):
        _ = finding.verdict
    with pytest.raises(ValueError, match="a statement of its own"):
        replace(AND_MORE, parts=(ratio_is(2), replace(ratio_is(3), statement="")))


def test_a_margin_has_another_side() -> None:
    assert margins.ACCURACY.less_by == -0.5
    assert margins.STEPS.less_by == pytest.approx(1 / 1.1)


@pytest.mark.parametrize("margin", [margins.ACCURACY, margins.STEPS], ids=["difference", "ratio"])
def test_a_margin_tells_more_from_less_and_from_the_same(margin: margins.Margin) -> None:
    none, size, less = margin.none, margin.size, margin.less_by
    tiny = (size - none) / 10

    def said(low: float, high: float) -> list[bool | None]:
        interval = Estimate((low + high) / 2, low, high, 9)
        return [answer(interval) for answer in (margin.more, margin.less, margin.clearly_more, margin.same)]

    assert said(none + tiny, size + tiny) == [True, False, None, None]
    assert said(none - tiny, none + tiny) == [False, False, False, True]
    assert said(less - tiny, none - tiny / 10) == [False, True, False, None]
    assert said(size + tiny, size + 2 * tiny) == [True, False, True, False]
    assert said(less - tiny, size + tiny) == [None, None, None, None]


def test_negative_numbers_have_a_true_minus_and_words_keep_their_hyphens() -> None:
    said = str(Case("N(-1, 1), 2-bit", True, "-0.5 [-1, 1e-05], from -inf, x-1"))
    assert said == "N(−1, 1), 2-bit: holds (−0.5 [−1, 1e-05], from −inf, x-1)"


def test_what_takes_long_is_measured_once_and_read_from_then_on(results: Path) -> None:
    calls = []
    claim = replace(TWICE, kept=True, measure=lambda: calls.append(1) or {"ratio": [2]})
    with pytest.raises(MissingMeasurement, match=r"python3 start\.py claims 99 --measure"):
        judged(claim)
    path = stored.measure(claim)
    assert path == results / "claims" / "99.json"
    assert judged(claim).verdict == judged(claim).verdict == Verdict.CONFIRMED
    assert calls == [1]
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["measurement"] == {"ratio": [2.0]}
    assert set(kept) == {"statement", "measurement", "command", "versions", "revision", "hardware"}


def test_a_damaged_measurement_is_named(results: Path) -> None:
    claim = replace(TWICE, kept=True)
    stored.measure(claim).write_text("{")
    with pytest.raises(MissingMeasurement, match=r"99\.json"):
        judged(claim)


def test_a_condition_that_was_added_and_not_measured_is_named(results: Path) -> None:
    claim = replace(TWICE, kept=True, measure=lambda: {"another": [2]})
    stored.measure(claim)
    with pytest.raises(MissingMeasurement, match=r"99\.json: .*'ratio'.* claims 99 --measure"):
        judged(claim)


def test_a_measurement_that_is_not_a_number_is_not_kept(results: Path) -> None:
    with pytest.raises(ValueError, match="ratio is not finite"):
        stored.measure(replace(TWICE, kept=True, measure=lambda: {"ratio": [float("nan")]}))
    assert list(results.iterdir()) == []


def test_the_command_says_what_decides(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "4"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("   4  confirmed  Sigmoid(100)")
    assert "float32: holds (outputs 1 and 1)" in said
    assert "Said by Digital AI Finance, Sigmoid saturation, https://" in said


def test_an_unknown_claim_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "999"]) == 2
    assert "there is no claim 999; there are 1 to" in capsys.readouterr().err


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    cases = (HOLDS, FAILS, replace(OPEN, rests_on=(Estimate(1, 0, 2, 5),)))
    finding = Finding(TWICE, (Tried("99", TWICE.parts[0], cases, WIDTH),))
    verdicts.write([finding, judged(AND_MORE)], tmp_path / "table.json")
    claims = {99: TWICE, 98: AND_MORE, 97: replace(TWICE, number=97)}
    assert verdicts.read(claims, tmp_path / "table.json") == {99: finding, 98: judged(AND_MORE)}
    assert "97" not in (tmp_path / "table.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [None, "{}", "[]", "{", '{"1": {"lesson": "02"}}', '{"1": 1}'])
def test_a_ledger_that_cannot_be_read_names_the_command(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "table.json"
    if text:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(MissingMeasurement, match=r"claims --output"):
        verdicts.read(CLAIMS, path)


def test_the_command_writes_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nonlin.lessons.CLAIMS", {99: TWICE})
    assert main(["claims", "--output", str(tmp_path / "table.json")]) == 0
    assert verdicts.read({99: TWICE}, tmp_path / "table.json")[99].verdict == Verdict.CONFIRMED
    assert main(["claims", "99", "--output", str(tmp_path / "other.json")]) == 2
    assert "leave the numbers out" in capsys.readouterr().err
    assert main(["claims", "--output", str(tmp_path)]) == 2
    assert main(["claims", "--output", str(tmp_path / "table.json" / "below.json")]) == 2  # at once
    assert capsys.readouterr().err.count("choose another --output") == 2


def test_the_overview_links_each_claim_to_its_lesson_and_folds_the_evidence() -> None:
    part = replace(TWICE.parts[0], would_take="Count again.")
    claim = replace(TWICE, limits="One pair of numbers.", parts=(part,))
    said = overview([Finding(claim, (Tried("99", part, (HOLDS, OPEN)),)), judged(AND_MORE)]).text
    assert "**[Lesson 03: Sigmoid and tanh](03_sigmoid_and_tanh.ipynb)**" in said
    assert "| 99 | Two is twice one. | **open** |" in said
    assert "holds in 1 of 1 decided cases, 1 open<" in said
    folded = "said: always (ratios)<br>a: holds (1)<br>c: not decided (3)<br>to decide it: Count again.<br>One pair of"
    assert folded in said
    assert "| 98 | Two is twice and three times one. | |" in said
    assert "| 98b | The ratio is 3. | **refuted** |" in said
