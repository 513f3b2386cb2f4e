"""The form in Triton: on a card where there is one, else in Triton's interpreter, which runs the same with NumPy.

The interpreter does not show what a card does in its own way: its quick division, its own sine, its exponential and
logarithm in float64, what a fused step (fma) saves in digits, and its rounding to bfloat16, where the interpreter cuts
digits off. That every kernel compiles for a card is tested without one.
"""

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from nonlin.activations import ACTIVATIONS, Activation, ActivationModule, fast
from nonlin.activations.fast import compiled, gpu
from nonlin.activations.gated import gated
from nonlin.activations.layers import apply_, textbook_chain, textbook_values

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # NumPy's, where an infinity meets a 0
]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
each_record = pytest.mark.parametrize("record", ACTIVATIONS.values(), ids=ACTIVATIONS)

RELATIVE = {torch.float32: 3e-6, torch.float64: 1e-13, torch.bfloat16: 8e-3, torch.float16: 1e-3}
ABSOLUTE = {torch.float32: 4e-7, torch.float64: 1e-15, torch.bfloat16: 1e-6, torch.float16: 1e-6}
INFINITY = float("inf")
SPECIAL = [
    0.0,
    -0.0,
    INFINITY,
    -INFINITY,
    float("nan"),
    1e4,
    -1e4,
    3e38,
    -3e38,
    20.0,
    -20.0,
    88.0,
    -88.0,
    104.0,
    -104.0,
]
DENORMAL = [1.2e-38, -1.2e-38, 1e-40, -1e-40, 1e-45, -1e-45]  # the interpreter's bfloat16 has none


@pytest.fixture(scope="module", autouse=True)
def kernels() -> Iterator[ModuleType]:
    """The file of kernels, imported for the interpreter where there is no card."""
    name = "nonlin.activations.fast.triton_kernels"
    if DEVICE == "cuda":
        yield importlib.import_module(name)
        return
    assert name not in sys.modules, "who has no card should not wait for the import of Triton"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        yield importlib.import_module(name)
        sys.modules.pop(name)
        del fast.triton_kernels


@pytest.fixture(autouse=True)
def where() -> Iterator[None]:
    """Tensors are made on the card, if there is one."""
    with torch.device(DEVICE):
        yield


@contextmanager
def as_on_a_card() -> Iterator[list[str]]:
    """Every tensor says that it lies on a card; what is given is the list of kernels that run."""
    ran: list[str] = []
    run = gpu._run

    def spy(kernel: str, *arguments: object, **named: object) -> Tensor | None:
        ran.append(kernel)
        return run(kernel, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        if DEVICE == "cpu":
            patch.setattr(Tensor, "is_cuda", True)
        patch.setattr(gpu, "_run", spy)
        patch.setattr(compiled, "_active", False)
        patch.setattr(compiled, "_left_out", False)
        yield ran


def inputs(record: Activation, dtype: torch.dtype, *parameters: float) -> Tensor:
    kinks = [kink.at for kink in record.kinks(*parameters)]
    denormal = [] if (dtype, DEVICE) == (torch.bfloat16, "cpu") else DENORMAL
    special = torch.tensor([*SPECIAL, *kinks, *denormal], dtype=torch.float64)
    ordinary = torch.randn(60, dtype=torch.float64, device="cpu", generator=torch.Generator().manual_seed(0)).to(DEVICE)
    return torch.cat([special, 4 * ordinary, ordinary / 64]).to(dtype)


def assert_close(ours: Tensor, others: Tensor) -> None:
    torch.testing.assert_close(ours, others, rtol=RELATIVE[ours.dtype], atol=ABSOLUTE[ours.dtype], equal_nan=True)


def assert_agrees(record: Activation, x: Tensor, *parameters: float) -> None:
    """Value and gradient with the textbook form."""
    gradient = torch.linspace(0.5, 1.5, x.numel(), dtype=x.dtype).reshape(x.shape)
    gradient = torch.empty_like(x).copy_(gradient)
    leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
    with as_on_a_card() as ran:
        y = ActivationModule(record, *parameters)(leaf)
        (slope,) = torch.autograd.grad(y, leaf, gradient)
    assert ran == ["value", "chain"]
    assert x.stride() == y.stride() == slope.stride()
    y = y.detach()
    assert_close(y, textbook_values(record, x, *parameters))
    saved = y if record.keeps_output(*parameters, dtype=x.dtype) else x
    assert_close(slope, textbook_chain(record, gradient, saved, *parameters))


def test_every_activation_has_a_kernel(kernels: ModuleType) -> None:
    assert {*kernels.ACTIVATIONS} == {*ACTIVATIONS}


@each_record
def test_values_and_gradients_agree(record: Activation) -> None:
    for dtype in compiled.DTYPES:
        if (record.name, dtype) != ("gelu", torch.float64):
            assert_agrees(record, inputs(record, dtype, *record.default_values), *record.default_values)


PARAMETERS = {
    "threshold": [(-0.5, 3.0), (-INFINITY, 0.0)],
    "hardshrink": [(0.1,), (-1.0,)],
    "softshrink": [(0.0,)],
    "leaky_relu": [(-0.3,), (INFINITY,), (0.0,)],
    "prelu": [(-0.3,)],
    "rrelu": [(0.1, 0.7), (-0.5, 0.1)],
    "elu": [(2.5,), (-1.0,), (INFINITY,), (1e200,), (0.0,)],
    "celu": [(0.3,), (-2.0,), (1e-50,), (-1e-50,), (INFINITY,)],
    "softplus": [(2.0, 5.0), (-1.0, 20.0), (1.0, -INFINITY)],
    "swish": [(0.0,), (-2.0,), (1e30,)],
    "hardtanh": [(-0.3, 0.7), (-INFINITY, 2)],
    "sine": [(30.0,)],
}


def test_other_parameters_agree() -> None:
    assert {*PARAMETERS} == {record.name for record in ACTIVATIONS.values() if record.parameters}
    for name, choices in PARAMETERS.items():
        for parameters in choices:
            for dtype in (torch.float32, torch.float64, torch.float16):
                assert_agrees(ACTIVATIONS[name], inputs(ACTIVATIONS[name], dtype, *parameters), *parameters)


ONLY_IN_FLOAT32 = {"exponential", "normal", "gelu"}


def test_no_constant_of_32_bits_gets_into_float64(kernels: ModuleType) -> None:
    """On a card a constant in ``tl.fma`` has 32 bits, whatever the numbers beside it have; the interpreter keeps 64."""
    found = set()
    for function in ast.parse(Path(kernels.__file__).read_text(encoding="utf-8")).body:
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "tl.fma":
                names = [{n.id for n in ast.walk(each) if isinstance(n, ast.Name)} for each in call.args]
                if any(all(name.isupper() for name in each) for each in names):
                    found.add(function.name)
    assert found == ONLY_IN_FLOAT32


TAILS = {
    "value": ("sigmoid", "log_sigmoid", "softplus", "silu", "mish"),
    "slope": ("sigmoid", "tanh", "log_sigmoid", "elu", "selu", "celu", "softplus", "swish", "gelu_tanh", "mish"),
}


def test_tails_keep_their_digits(kernels: ModuleType) -> None:
    """Far from 0, what is tiny is right as a number of its own size."""
    x = torch.cat([torch.linspace(-85, -3, 100), torch.linspace(3, 85, 100)])
    for what, names in TAILS.items():
        for name in names:
            record, out = ACTIVATIONS[name], torch.empty_like(x)
            a, b, *_ = *map(float, record.default_values), 0.0, 0.0
            constants = {"a": a, "b": b, "F": kernels.ACTIVATIONS[name], "BLOCK": 256}
            if what == "value":
                kernels.value[(1,)](x, out, 200, **constants)
            else:
                kernels.chain[(1,)](torch.ones(200), x, out, 200, WHICH=1, **constants)
            formula = record.function if what == "value" else record.derivative
            wanted = formula(x.double(), *record.default_values).float()
            torch.testing.assert_close(
                out, wanted, rtol=1e-5, atol=1e-37, msg=lambda text, name=name: f"{name}: {text}"
            )


SHAPES: dict[str, Callable[[], Tensor]] = {
    "more than a block": lambda: torch.randn(3, 700),
    "channels last": lambda: torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "a number": lambda: torch.randn(()),
} | {f"{n} numbers": lambda n=n: torch.randn(n) for n in range(1, 41)}


def test_shapes_and_layouts_are_kept() -> None:
    for make in SHAPES.values():
        assert_agrees(ACTIVATIONS["swish"], make(), 1.0)


def test_the_gradient_of_a_sum_is_one_number() -> None:
    x = torch.tensor([-1.0, 2.0, 3.0, -4.0])
    for function, slopes in (
        (ActivationModule(ACTIVATIONS["relu"]), [0, 1, 1, 0]),
        (lambda x: gated(ACTIVATIONS["relu"], x), [3, 0, -1, 0]),
    ):
        leaf = x.clone().requires_grad_()
        with as_on_a_card() as ran:
            function(leaf).sum().backward()
        assert len(ran) == 2
        assert leaf.grad.tolist() == slopes


PLAIN: dict[str, Callable[[], Tensor]] = {
    "strided": lambda: torch.randn(30)[::3],
    "transposed": lambda: torch.randn(4, 6, 5).transpose(0, 2),
    "broadcast": lambda: torch.randn(1, 4).expand(3, 4),
    "empty": lambda: torch.randn(0, 3),
    "negated view": lambda: torch._neg_view(torch.randn(9)),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_what_is_not_dense_takes_the_form_in_python(kind: str) -> None:
    record, x = ACTIVATIONS["silu"], PLAIN[kind]()
    expected = textbook_values(record, x)
    with as_on_a_card() as ran:
        assert_close(ActivationModule(record)(x), expected)
        if kind != "broadcast":  # whose numbers nobody can write over
            assert_close(apply_(record, x), expected)
    assert ran == []


def test_what_there_is_no_kernel_for_takes_the_form_in_python() -> None:
    x = torch.randn(5)
    with as_on_a_card() as ran:
        for record, given in (
            (ACTIVATIONS["gelu"], x.double()),
            (replace(ACTIVATIONS["relu"], title="Another"), x),
            (ACTIVATIONS["relu"], x.to(torch.float8_e5m2)),
        ):
            assert gpu.apply(record, given, ()) is None
            assert gpu.overwrite(record, given, ()) is None
            assert gpu.chain(record, given, given, ()) is None
        with fast.using(False):
            assert gpu.apply(ACTIVATIONS["relu"], x, ()) is None
    assert ran == []


def test_they_are_left_out_as_the_compiled_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_left_out", None)
    for setting, wanted in (("off", False), ("on", True), ("", True)):
        monkeypatch.setenv(compiled.VARIABLE, setting)
        assert gpu.in_use() is wanted


def test_in_place() -> None:
    for record in (record for record in ACTIVATIONS.values() if record.takes_inplace):
        x = inputs(record, torch.float32, *record.default_values)
        expected = textbook_values(record, x)
        version = x._version
        with as_on_a_card() as ran:
            assert ActivationModule(record, inplace=True)(x) is x
        assert ran == ["value"]
        assert x._version > version
        assert_close(x, expected)


def test_in_place_with_a_gradient() -> None:
    leaf = torch.linspace(-3, 3, 9, requires_grad=True)
    with as_on_a_card() as ran:
        y = ActivationModule(ACTIVATIONS["elu"], inplace=True)(1 * leaf)
        (slope,) = torch.autograd.grad(y, leaf, torch.ones(9))
    assert ran == ["value", "chain"]
    assert_close(slope, ACTIVATIONS["elu"].derivative(leaf.detach()))


@pytest.mark.parametrize("name", ["sigmoid", "relu", "gelu", "silu", "tanh", "softplus"])
def test_gates_agree(name: str) -> None:
    gate = ACTIVATIONS[name]
    for dtype in (torch.float32, torch.bfloat16):
        for shape, dim in (((6, 10), -1), ((3, 4, 5, 3), 1), ((2,), 0), ((4, 1, 700), 0)):
            x = torch.randn(shape, dtype=dtype, requires_grad=True)
            results = []
            for on_a_card in (True, False):
                with as_on_a_card() as ran, nullcontext() if on_a_card else fast.using(False):
                    y = gated(gate, x, dim)
                    weights = torch.linspace(0.5, 1.5, y.numel(), dtype=dtype).reshape(y.shape)
                    results.append((y.detach(), *torch.autograd.grad(y, x, weights)))
                assert ran == (["gated", "gated_chain"] if on_a_card else [])
            for ours, others in zip(*results, strict=True):
                assert_close(ours, others)
    with as_on_a_card() as ran:
        x = torch.randn(4, 6).t()
        assert_close(gated(gate, x, 0), x.chunk(2, 0)[0] * gate.function(x.chunk(2, 0)[1]))
    assert ran == []


def test_a_kernel_that_fails_is_one_sentence_and_the_form_in_python_runs(kernels: ModuleType, monkeypatch) -> None:
    class Failing:
        def __getitem__(self, grid: tuple[int, ...]) -> Callable:
            raise RuntimeError("Failed to find C compiler.\nSet CC.")

    monkeypatch.setattr(gpu, "_failed", False)
    monkeypatch.setattr(kernels, "value", Failing())
    x = torch.linspace(-2, 2, 7)
    with as_on_a_card() as ran:
        with pytest.warns(
            UserWarning, match=r"^Triton's kernels do not run here \(Failed to find C compiler"
        ) as caught:
            y = ActivationModule(ACTIVATIONS["silu"])(x)
        ActivationModule(ACTIVATIONS["silu"], inplace=True)(x)
    assert ran == ["value"]
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    torch.testing.assert_close(y, x)
    assert not gpu.in_use()


def test_without_triton_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_installed", lambda: False)
    with as_on_a_card() as ran:
        assert ActivationModule(ACTIVATIONS["relu"])(torch.tensor([-1.0, 2.0])).tolist() == [0, 2]
    assert ran == []


def test_the_form_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with as_on_a_card():
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert fast.form() == "in Python"
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        assert fast.form() == "in Python; on the graphics processor, Triton"
        with fast.using(False):
            assert fast.form() == "in Python"


def test_what_lies_elsewhere_never_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "in_use", lambda: pytest.fail("a tensor that lies on no card has asked"))
    x = torch.linspace(-2, 2, 8, device="cpu", requires_grad=True)
    for y in (ActivationModule(ACTIVATIONS["tanh"])(x), gated(ACTIVATIONS["silu"], x)):
        y.sum().backward()
    apply_(ACTIVATIONS["mish"], torch.ones(3, device="cpu"))


COMPILED = """
import functools
import warnings

import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import JITFunction, driver

from nonlin.activations import ACTIVATIONS
from nonlin.activations.fast import compiled, gpu, triton_kernels


class Card:
    get_current_device = get_current_stream = lambda *_: 0
    get_current_target = lambda _: GPUTarget("cuda", 90, 32)


driver.set_active(Card())
JITFunction.__getitem__ = lambda kernel, grid: functools.partial(kernel.warmup, grid=grid)  # which compiles alone
warnings.simplefilter("error")
parameters = [p for p in triton_kernels.value.params + triton_kernels.chain.params if p.name in "ab"]
assert [p.annotation_type for p in parameters] == ["fp64"] * 4  # else Triton would round them to 32 bits
for dtype in (torch.float32, torch.float64, torch.bfloat16):
    x = torch.ones(66, dtype=dtype)
    for record in ACTIVATIONS.values():
        if (record.name, dtype) == ("gelu", torch.float64):
            continue
        assert gpu.apply(record, x, record.default_values) is not None
        assert gpu.chain(record, x, x, record.default_values) is not None
        if record.name in compiled.GATES:
            assert gpu.gated(record, x, 0) is not None
            assert gpu.gated_chain(record, x[:33], x, 0) is not None
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="Triton's compiler is there on Linux")
def test_every_kernel_compiles_for_a_card(tmp_path: Path) -> None:
    """For one of NVIDIA's, which need not be there, to its machine code."""
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path), compiled.VARIABLE: "on"}
    environment.pop("TRITON_INTERPRET", None)
    ended = subprocess.run([sys.executable, "-c", COMPILED], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
