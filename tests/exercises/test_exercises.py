"""Every exercise: each wrong answer gets its own hint, an untouched one says "not yet". Whether the solutions are
right is tested in test_exercise_oracles.py.
"""

import ast
import html
import inspect
import math
import re
from collections.abc import Callable
from dataclasses import replace

import nbformat
import numpy as np
import pytest
import torch
from folded import folded
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS, ActivationModule
from nonlin.exercises import Exercise, Feedback, Mistake, Probe, by_hand, judge
from nonlin.exercises.exercise import without_annotations
from nonlin.intervals import Estimate, mean_interval
from nonlin.lessons import EXERCISES, QUIZZES, TOPICS, check, quiz
from nonlin.notebooks import LESSONS

in_all_exercises = folded("exercise", EXERCISES.values())
every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


@every_exercise
def test_each_mistake_gets_its_own_hint(exercise: Exercise) -> None:
    assert len(exercise.mistakes) >= 3
    assert len({mistake.hint for mistake in exercise.mistakes}) == len(exercise.mistakes)
    for mistake in exercise.mistakes:
        feedback = check(exercise.number, mistake.answer)
        assert (feedback.state, feedback.message) == ("wrong", mistake.hint)


@in_all_exercises
def test_an_untouched_exercise_says_not_yet(exercise: Exercise) -> None:
    untouched = [lambda *arguments: ...] if exercise.wants_function else [..., None]
    assert {check(exercise.number, answer).state for answer in untouched} == {"not yet"}


@in_all_exercises
def test_hints_and_the_tested_solution_are_folded_below_the_verdict(exercise: Exercise) -> None:
    page = check(exercise.number, ...)._repr_html_()
    assert page.count("<details>") == len(exercise.hints) + 1
    assert html.escape(exercise.solution_text) in page
    assert exercise.hints
    assert 1 <= exercise.difficulty <= 3


@in_all_exercises
def test_the_solution_shown_can_be_pasted_into_the_notebook(exercise: Exercise) -> None:
    definitions = ast.parse(exercise.solution_text)
    definitions.body = [node for node in definitions.body if not isinstance(node, ast.Expr)]  # a value: test_notebooks
    exec(compile(definitions, exercise.number, "exec"), {})  # a name in an annotation would be missing there


def test_annotations_are_cut_out_and_nothing_else() -> None:
    source = """def f(x: Tensor, *, α: dict[str, int] = {"a: b": 1}) -> tuple[Tensor, Tensor]:
    y: Tensor = x[1:2]  # a comment: it stays
    return y, lambda z: z
"""
    assert (
        without_annotations(source)
        == """def f(x, *, α = {"a: b": 1}):
    y = x[1:2]  # a comment: it stays
    return y, lambda z: z
"""
    )
    assert without_annotations("solution=lambda x: 2 * x,") == "solution=lambda x: 2 * x,"


def test_numbers_are_those_of_the_lessons() -> None:
    for number in TOPICS:
        own = [each for each in EXERCISES if each.startswith(number)]
        assert own == [f"{number}.{k}" for k in range(1, len(own) + 1)]
        assert len(own) >= (3 if number == "00" else 4)


DOUBLE = Exercise(
    number="99.1",
    title="Twice x",
    minutes=1,
    difficulty=1,
    solution=lambda x: 2 * x,
    probes=(Probe(label="at x = 1, 2", arguments=(torch.tensor([1.0, 2.0]),), with_slope=True),),
    mistakes=(Mistake(answer=lambda x: x, hint="that is once x."),),
    hints=("Think of two.",),
    remark="good.",
)


def fail(x: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("no luck")


def in_place(x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        x.mul_(2)
    return x


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: x + x, "good."),
        (lambda x: x, "that is once x."),
        (lambda x: 3 * x, "at x = 1, 2: 3 at index 0, expected 2."),
        (lambda x: torch.cat([2 * x, x]), "at x = 1, 2: the shape is (4,), expected (2,)."),
        (lambda x: (2 * x).double(), "at x = 1, 2: the dtype is torch.float64, expected torch.float32."),
        (lambda x: 2 * x + (x - x.detach()), "at x = 1, 2, the slope by autograd: 3 at index 0, expected 2."),
        (
            lambda x: 2 * x.detach(),
            "at x = 1, 2 autograd cannot follow your function: use differentiable operations on its argument",
        ),
        (fail, "at x = 1, 2 your function raised RuntimeError: no luck"),
        (in_place, "at x = 1, 2, the slope by autograd: 1 at index 0, expected 2."),
        (lambda x: float("nan") * x, "at x = 1, 2: nan at index 0, expected 2."),
        (torch.tensor([2.0, 4.0]), "pass the function itself, without parentheses behind its name."),
        (lambda x: "two", "at x = 1, 2 autograd cannot follow your function"),
    ],
)
def test_messages_name_the_bug(answer: object, message: str) -> None:
    feedback = judge(DOUBLE, answer)
    assert feedback.message.startswith(message)
    assert feedback.state == ("correct" if message == "good." else "wrong")


@pytest.mark.parametrize(
    ("given", "returned", "named"),
    [(torch.float64, torch.float32, True), (torch.float64, torch.float16, True), (torch.float32, torch.float64, False)],
)
def test_a_coarser_dtype_is_named_beside_a_number_that_differs(
    given: torch.dtype, returned: torch.dtype, named: bool
) -> None:
    total = replace(
        DOUBLE,
        solution=lambda x: x.sum(),
        probes=(Probe(label="at", arguments=(torch.ones(3, dtype=given) / 3,)),),
        mistakes=(),
    )
    message = judge(total, lambda x: x.to(returned).sum() * 1.001).message
    assert (f"the dtype is {returned}, not {given}." in message) == named, message


class Evil:
    """Equal to everything, and never to be looked at."""

    def __eq__(self, other: object) -> bool:
        return True

    def __float__(self) -> float:
        raise RuntimeError("no")

    __repr__ = __bool__ = __float__
    __hash__ = None


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def raising(error: BaseException) -> Callable[[Tensor], Tensor]:
    def answer(x: Tensor) -> Tensor:
        raise error

    return answer


HOSTILE = {
    "a program's end": raising(SystemExit(3)),
    "interrupted": raising(KeyboardInterrupt()),
    "an error without words": raising(Speechless()),
    "complex": lambda x: x.to(torch.complex64),
    "a leaf of one's own": lambda x: 2 * x.detach().clone().requires_grad_(),
    "backward inside": lambda x: (x.sum().backward(), 3 * x)[1],
    "sparse": lambda x: (2 * x).to_sparse(),
    "meta": lambda x: (2 * x).to("meta"),
    "nested": lambda x: torch.nested.nested_tensor([2 * x], layout=torch.jagged),
    "a generator": lambda x: (each for each in x),
    "an object of one's own": lambda x: Evil(),
    "no argument": lambda: 1,
    "its own recursion": lambda x: HOSTILE["its own recursion"](x),
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("with_slope", [True, False])
def test_no_answer_ends_in_a_traceback(answer: Callable, with_slope: bool) -> None:
    probes = tuple(replace(probe, with_slope=with_slope) for probe in DOUBLE.probes)
    feedback = judge(replace(DOUBLE, probes=probes), answer)
    right = "a leaf of one's own" if not with_slope else None
    assert feedback.state == ("correct" if answer is HOSTILE.get(right) else "wrong")
    assert feedback._repr_html_()


VALUES = (Evil(), "abc", 1 + 2j, math.nan, torch.ones(2), np.ones(3), [1], {}, (1,), 10**400, b"x")


@pytest.mark.parametrize("wanted", [3.5, "AD", True, (1.0, 2.0)])
def test_no_value_ends_in_a_traceback_and_none_equals_everything(wanted: object) -> None:
    exercise = replace(DOUBLE, solution=lambda: wanted, probes=(), mistakes=())
    assert judge(exercise, wanted).state == "correct"
    assert {judge(exercise, value).state for value in VALUES} == {"wrong"}


def switching(switch: Callable[[], object]) -> Callable[[Tensor], Tensor]:
    return lambda x: (2 * x, switch())[0]


def test_an_answer_spoils_nothing_for_the_next() -> None:
    chance = torch.get_rng_state()
    for switch in (
        lambda: torch.set_grad_enabled(False),
        lambda: torch.set_default_dtype(torch.float64),
        lambda: torch.manual_seed(1),
    ):
        assert judge(DOUBLE, switching(switch)).state == "correct"
        assert torch.is_grad_enabled()
        assert torch.get_default_dtype() == torch.float32
        assert torch.equal(torch.get_rng_state(), chance)
    module = nn.Linear(1, 1)
    exercise = replace(
        DOUBLE, solution=lambda m: m.training, probes=(Probe(label="a layer", arguments=(module,)),), mistakes=()
    )
    assert judge(exercise, lambda m: (m.training, m.eval())[0]).state == "correct"
    assert module.training


def test_numpy_and_plain_numbers_are_right_where_a_tensor_is_wanted() -> None:
    exercise = replace(DOUBLE, probes=tuple(replace(probe, with_slope=False) for probe in DOUBLE.probes))
    assert judge(exercise, lambda x: 2 * x.numpy()).state == "correct"
    total = replace(exercise, solution=lambda x: x.sum(), mistakes=())
    assert judge(total, lambda x: float(x.sum())).state == "correct"
    pair = replace(exercise, solution=lambda x: (x[0], x[1]), mistakes=())
    assert judge(pair, lambda x: x).state == "correct"


def test_a_tensor_where_one_value_is_expected_is_told_so() -> None:
    feedback = check("10.3", lambda outputs: (outputs >= 0).all(dim=1))
    assert "one value is expected, not a tensor of shape (6,)." in feedback.message
    assert feedback.state == "wrong"


def test_an_answer_that_changes_its_argument_is_told_so() -> None:
    without_slope = Exercise(
        **{name: getattr(DOUBLE, name) for name in DOUBLE.__dataclass_fields__ if name != "probes"},
        probes=(Probe(label="at 1", arguments=(torch.tensor([1.0]),)),),
    )
    assert "changes its argument in place" in judge(without_slope, lambda x: x.mul_(2)).message


def test_a_missing_return_is_named() -> None:
    assert judge(DOUBLE, lambda x: None).message == "your function returned nothing: is a return missing?"


def by_autograd(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    leaf = x.detach().requires_grad_()
    return torch.autograd.grad(function(leaf).sum(), leaf)[0]


def with_a_dual(x: Tensor, beta: Tensor, gradient: Tensor) -> Tensor:
    """The right answer, beside a number that carries its derivative, as torch.func.jvp uses."""
    with forward_ad.dual_level():
        forward_ad.make_dual(beta, torch.ones_like(beta))
    return EXERCISES["08.2"].solution(x, beta, gradient)


def ends(interval: Estimate) -> tuple[float, float]:
    return interval.low, interval.high


def one_by_one(function: Callable[[Tensor], object]) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.stack([torch.as_tensor(function(each), dtype=x.dtype) for each in x.reshape(-1)]).view_as(x)


#: exercise, what its answer may not use, and routes to it
ROUTES = {
    ("00.1", "relu"): (torch.relu, F.relu, nn.ReLU(), Tensor.relu, lambda x: x.clone().relu_(), torch.ops.aten.relu),
    ("00.1", "nonlin's own"): (ACTIVATIONS["relu"].function, ActivationModule(ACTIVATIONS["relu"])),
    ("01.2", "abs"): (torch.absolute, abs, torch.ops.aten.abs),
    ("01.2", "gt"): (lambda u: torch.where(u > 0, u, -u),),
    ("01.2", "sqrt"): (lambda u: (u * u).sqrt(),),
    ("01.2", "vector_norm"): (lambda u: torch.linalg.vector_norm(u[:, None], dim=1),),
    ("01.2", "leaky_relu"): (lambda u: F.leaky_relu(u, -1.0),),
    ("01.2", "NumPy"): (
        lambda u: torch.from_numpy(np.asarray(np.abs(u.numpy()))),
        lambda u: torch.as_tensor(np.abs(np.asarray(u))),
    ),
    ("03.1", "sigmoid"): (torch.special.expit, F.sigmoid, nn.Sigmoid(), lambda x: F.logsigmoid(x).exp()),
    ("03.1", "softmax"): (lambda x: F.softmax(torch.stack([x, torch.zeros_like(x)]), 0)[0],),
    ("03.3", "tanh"): (torch.tanh, F.tanh, nn.Tanh(), Tensor.tanh, lambda x: x.clone().tanh_(), torch.ops.aten.tanh),
    ("03.3", "NumPy"): (lambda x: torch.from_numpy(np.asarray(np.tanh(x.numpy()))),),
    ("03.4", "binary_cross_entropy"): (lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction="none"),),
    ("03.4", "softplus"): (lambda x, y: F.softplus(x) - x * y,),
    ("04.1", "relu"): (torch.relu, lambda x: torch.ops.aten.relu.default(x)),
    ("04.1", "leaky_relu"): (lambda x: F.leaky_relu(x, 0), nn.LeakyReLU(0)),
    ("04.1", "threshold"): (lambda x: F.threshold(x, 0, 0), nn.Threshold(0, 0)),
    ("04.1", "hardtanh"): (lambda x: F.hardtanh(x, 0, math.inf),),
    ("04.1", "rrelu"): (lambda x: F.rrelu(x, 0, 0),),
    ("04.1", "prelu"): (lambda x: F.prelu(x, torch.zeros(1, dtype=x.dtype)),),
    ("04.3", "softshrink"): (F.softshrink, lambda x, lambd: nn.Softshrink(lambd)(x)),
    ("04.3", "clamp"): (lambda x, lambd: x - torch.clip(x, -lambd, lambd),),
    ("04.3", "sign"): (lambda x, lambd: x.sign() * F.relu(x.abs() - lambd),),
    ("05.1", "leaky_relu"): (F.leaky_relu, lambda x, a: nn.LeakyReLU(a)(x)),
    ("07.1", "elu"): (F.elu, lambda x, alpha: nn.ELU(alpha)(x)),
    ("08.4", "sigmoid"): (lambda x: -F.logsigmoid(-x),),
    ("08.3", "gelu"): (lambda x: F.gelu(x, approximate="tanh"), nn.GELU(approximate="tanh")),
    ("08.2", "autograd"): (
        lambda x, beta, g: by_autograd(lambda b: g * x * torch.sigmoid(b * x), beta).reshape(beta.shape),
        with_a_dual,
    ),
    ("09.3", "hardswish"): (F.hardswish, nn.Hardswish()),
    ("09.3", "hardsigmoid"): (lambda x: x * F.hardsigmoid(x),),
    ("10.1", "cross_entropy"): (F.cross_entropy, lambda z, labels: nn.CrossEntropyLoss()(z, labels)),
    ("10.1", "log_softmax"): (lambda z, at: -torch.special.log_softmax(z, 1)[torch.arange(len(at)), at].mean(),),
    ("11.2", "autograd"): (lambda g, a, b: (g * torch.sigmoid(b), by_autograd(lambda t: g * a * torch.sigmoid(t), b)),),
    ("12.2", "logit"): (torch.logit, torch.special.logit, Tensor.logit, torch.ops.aten.logit),
    ("13.2", "nonlin's own mean_interval"): (lambda ours, relu, t: ends(mean_interval(ours - relu)),),
    ("14.4", "greater"): (lambda g, y, a: g * (y.clamp(max=0) + a + (1 - a) * torch.greater(y, 0)),),
    ("14.4", "logical_not"): (
        lambda g, y, a: g * (y.clamp(max=0) + a + (1 - a) * (1 - y.relu().logical_not().float())),
    ),
    ("14.4", "NumPy"): (lambda g, y, a: g * torch.as_tensor(np.where(y.numpy() > 0, 1, y + a)),),
    ("14.4", "Python's numbers"): (
        lambda g, y, a: g * one_by_one(lambda y: 1.0 if y.item() > 0 else y.item() + a)(y),
        lambda g, y, a: g * torch.tensor([1.0 if v > 0 else v + a for v in y.flatten().tolist()]).to(y).view_as(y),
        lambda g, y, a: g * one_by_one(lambda y: 1.0 if y.relu() else y + a)(y),
        lambda g, y, a: g * one_by_one(lambda y: 1.0 if float(y) > 0 else y + a)(y),
        lambda g, y, a: g * y.clone().map_(y, lambda _, y: 1.0 if y > 0 else y + a),
        lambda g, y, a: g * y.clone().apply_(lambda y: 1.0 if y > 0 else y + a),
    ),
    ("14.4", "nonzero"): (lambda g, y, a: g * (y + a).view(-1).index_fill(0, y.relu().view(-1).nonzero()[:, 0], 1),),
    ("14.4", "elu_backward"): (lambda g, y, a: torch.ops.aten.elu_backward(g, a, 1, 1, True, y),),
}


@pytest.mark.parametrize(
    ("number", "used", "answer"), [(*key, answer) for key, routes in ROUTES.items() for answer in routes]
)
def test_the_answer_itself_is_no_answer_by_any_route(
    number: str, used: str, answer: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTORCH_JIT", "0")  # forward_ad would import torch's compiler, which takes seconds
    feedback = check(number, answer)
    assert feedback.state == "wrong"
    assert feedback.message.startswith("that uses")
    assert used in feedback.message
    assert "here you are to" in feedback.message


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        ("00.1", lambda x: torch.maximum(x, torch.zeros_like(x))),
        ("00.1", lambda x: (x + x.abs()) / 2),
        ("00.1", lambda x: torch.where(x > 0, x, 0.0)),
        ("01.2", lambda u: 2 * F.relu(u) - u),
        ("01.2", lambda u: u.clamp(min=0) + (-u).clamp(min=0)),
        ("01.2", lambda u: nn.ReLU()(torch.stack([u, -u])).sum(0)),
        ("03.3", lambda x: torch.sigmoid(2 * x) - torch.sigmoid(-2 * x)),
        ("04.1", lambda x: torch.where(x > 0, x, torch.where(x.isnan(), x, 0.0))),
        ("04.3", lambda x, lambd: nn.ReLU()(x - lambd) - nn.ReLU()(torch.tensor(-1) * x - lambd)),
        ("05.1", lambda x, a: (a * x).where(x <= 0, x)),
        ("07.1", lambda x, alpha: x.where(x > 0, alpha * torch.expm1(x.where(x <= 0, 0)))),
        ("08.3", lambda x: x / (1 + torch.exp(-math.sqrt(8 / math.pi) * (x + 0.044715 * x**3)))),
        ("09.3", lambda x: x * (x + 3).clamp(0, 6) / 6),
        ("10.1", lambda z, labels: (z.logsumexp(1) - z.gather(1, labels[:, None])[:, 0]).mean()),
        ("12.2", lambda y: torch.log(y / (1 - y))),
        ("14.4", lambda g, y, a: g * (y.clamp(max=0) + a + (1 - a) * torch.heaviside(y, torch.zeros_like(y)))),
    ],
)
def test_another_way_by_hand_is_an_answer(number: str, answer: Callable) -> None:
    assert check(number, answer).message == EXERCISES[number].remark


#: words by which a text rules out what it does not call by name
SAID = {
    by_hand.NUMPY: "in torch",
    by_hand.NUMBERS: "in torch",
    "elu_backward": "Write its backward",
    "binary_cross_entropy": "losses",
    "soft_margin_loss": "losses",
    "quantize": "Quantisers",
    "fake_quantize": "Quantisers",
    "masked_scatter": "no mask",
    "nonzero": "no mask",
} | dict.fromkeys(by_hand.ACTIVATIONS, "activations")


PLACES = [(each.number, probe) for each in EXERCISES.values() for probe in each.probes if "at x = " in probe.label]


@folded(("number", "probe"), PLACES)
def test_a_place_is_given_as_a_vector_of_one(number: str, probe: Probe) -> None:
    """Without a dimension, loops over x fail, and NumPy answers by a number that is no array."""
    assert probe.arguments[0].ndim == 1


def text_of(exercise: Exercise) -> str:
    (path,) = LESSONS.glob(f"{exercise.number[:2]}_*.ipynb")
    cells = nbformat.read(path, 4).cells
    return next(cell.source for cell in cells if cell.source.startswith(f"### Exercise {exercise.number} "))


DIFFERENTIATED = [each for each in EXERCISES.values() if any(probe.with_slope for probe in each.probes)]


@pytest.mark.parametrize("exercise", DIFFERENTIATED, ids=lambda each: each.number)
def test_an_answer_that_is_differentiated_was_asked_for_in_torch(exercise: Exercise) -> None:
    """Else one in NumPy would be right, and refused."""
    assert re.search("slope|autograd|backward|in torch|nothing but `F.", text_of(exercise))


@pytest.mark.parametrize(
    "exercise", [each for each in EXERCISES.values() if each.by_hand], ids=lambda each: each.number
)
def test_what_an_exercise_rules_out_its_text_says(exercise: Exercise) -> None:
    text = text_of(exercise)
    silent = [
        name
        for name in exercise.by_hand.without
        if not any(word in text for word in (name, name.replace("_", ""), SAID.get(name, name)))
    ]
    assert silent == []
    assert exercise.by_hand.only is None or "nothing" in text


def test_the_first_answer_does_not_wait_for_the_compiler() -> None:
    """Which torch would import if it wrapped the method."""
    assert inspect.unwrap(by_hand._Operators.__torch_dispatch__) is by_hand._Operators.__torch_dispatch__


@every_exercise
def test_the_solution_is_by_hand(exercise: Exercise) -> None:
    copy = (lambda *a: exercise.solution(*a)) if exercise.wants_function else exercise.solution()
    assert check(exercise.number, copy).state == "correct"


def test_numbers_that_differ_look_different() -> None:
    said = judge(DOUBLE, lambda x: 2 * x * (1 + 1e-5)).message
    assert said == "at x = 1, 2: 2.00002 at index 0, expected 2."
    near = Exercise(
        **{name: getattr(DOUBLE, name) for name in DOUBLE.__dataclass_fields__ if name != "probes"},
        probes=(Probe(label="at 1", arguments=(torch.tensor([1.0], dtype=torch.float64),)),),
    )
    assert judge(near, lambda x: 2 * x + 1e-12).message == "at 1: 2.000000000001 at index 0, expected 2."
    tolerant = Exercise(
        **{name: getattr(near, name) for name in DOUBLE.__dataclass_fields__ if name != "probes"},
        probes=(Probe(label="at 1", arguments=(torch.tensor([1.0], dtype=torch.float64),), tolerance=1e-9),),
    )
    assert judge(tolerant, lambda x: 2 * x + 1e-12).state == "correct"


def test_a_tolerance_holds_for_slopes_too() -> None:
    probe = Probe(label="at 1", arguments=(torch.tensor([1.0]),), with_slope=True)
    exercise = replace(DOUBLE, probes=(probe,))
    loose = replace(DOUBLE, probes=(replace(probe, tolerance=0.1),))
    nearly = lambda x: 2 * x + 0.01 * (x - 1)  # noqa: E731, right at 1, with a slope of 2.01
    assert "the slope by autograd" in judge(exercise, nearly).message
    assert judge(loose, nearly).state == "correct"


def test_unknown_numbers_are_refused_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"there is no exercise '07\.9'; there are 00\.1"):
        check("07.9", ...)
    with pytest.raises(KeyError, match="there is no quiz for lesson '77'; there are 00"):
        quiz("77")


def test_feedback_escapes_what_a_learner_wrote() -> None:
    assert "<b>hi</b>" not in Feedback(DOUBLE, "wrong", "<b>hi</b>")._repr_html_()


@pytest.mark.parametrize("lesson", QUIZZES)
def test_quiz(lesson: str) -> None:
    questions = quiz(lesson).questions
    assert len(questions) >= 3
    for question in questions:
        assert sum(option.right for option in question.options) == 1
        assert all(option.why for option in question.options)
    assert len({[option.right for option in question.options].index(True) for question in questions}) > 1
    page, text = quiz(lesson)._repr_html_(), repr(quiz(lesson))
    for option in (option for question in questions for option in question.options):
        assert html.escape(option.why) in page
        assert option.why in text
