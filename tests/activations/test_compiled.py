"""The compiled kernels: how they are made, kept and loaded, whatever goes wrong; with ``--long`` what they compute.

Without ``--long`` nothing is compiled: a compiler is played by a script, and the library that it writes is none.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from nonlin.__main__ import main
from nonlin.activations import ACTIVATIONS, Activation, ActivationModule, fast
from nonlin.activations.fast import compiled
from nonlin.activations.gated import gated
from nonlin.activations.layers import slopes, textbook_values
from nonlin.activations.learned import PReLU, Swish

posix = pytest.mark.skipif(os.name != "posix", reason="the compiler is played by a script of the shell")


# Made and loaded, or not


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own, in a process that has loaded nothing."""
    monkeypatch.setattr(compiled, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(compiled, "_active", None)
    monkeypatch.setattr(compiled, "_left_out", None)
    monkeypatch.setattr(compiled, "_loaded", False)
    monkeypatch.delenv(compiled.VARIABLE, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes a compiler from lines of a shell script, in which $out is the file that is asked for."""

    def make(lines: str) -> Path:
        script = tmp_path / "a compiler"
        find = 'while [ "$1" != -o ]; do shift; done; out="$2"'
        script.write_text(f"#!/bin/sh\n{find}\n{lines}\n", encoding="utf-8")
        script.chmod(0o700)
        monkeypatch.setenv("CXX", f"'{script}'")
        return script

    return make


WORKS = 'echo "no library" > "$out"'


def assert_plain_form_runs() -> None:
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    y = ActivationModule(ACTIVATIONS["relu"])(x)
    assert y.tolist() == [0, 2]
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [0, 1]
    assert not fast.in_use()


def assert_one_sentence(message: str) -> None:
    assert "\n" not in message.strip()
    assert len(message) < 700


def command(capsys: pytest.CaptureFixture) -> tuple[int, str]:
    code = main(["kernels"])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Error: ")
    assert_one_sentence(captured.err)
    return code, captured.err


FAILING = {
    "broken": ("echo 'kernels.cpp:1: error: no such thing' >&2; echo more >&2; exit 1", "error: no such thing"),
    "silent": ("exit 3", "exit code 3"),
    "idle": ("true", "wrote nothing"),
    "killed": ("kill -9 $$", "exit code -9"),
}


@posix
@pytest.mark.parametrize("kind", FAILING)
def test_a_compiler_that_fails_is_one_sentence(kind: str, folder: Path, compiler: Callable, capsys) -> None:
    lines, words = FAILING[kind]
    compiler(lines)
    code, said = command(capsys)
    assert code == 1
    assert words in said
    assert [*folder.glob("*kernels-*")] == []
    assert_plain_form_runs()


def test_without_a_compiler_there_is_one_sentence(folder: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert "no C++ compiler is found, so that the form in Python runs" in command(capsys)[1]
    for named in ("missing++", "missing' ++"):
        monkeypatch.setenv("CXX", named)
        assert f"{named!r} that CXX names is not found" in command(capsys)[1]
    assert_plain_form_runs()


def test_without_a_place_there_is_one_sentence(folder: Path, monkeypatch, capsys) -> None:
    folder.write_text("a file where the folder should be", encoding="utf-8")
    assert "cannot hold the kernels" in command(capsys)[1]
    monkeypatch.setattr(compiled, "cache_folder", lambda: None)
    assert "there is no cache folder" in command(capsys)[1]
    assert_plain_form_runs()


@posix
def test_a_compiler_without_an_end_is_ended(folder: Path, compiler: Callable, monkeypatch) -> None:
    compiler("command -p sleep 60")
    monkeypatch.setattr(compiled, "LONGEST", 0.0)
    with pytest.raises(fast.KernelsError, match="has not ended"):
        compiled.make()
    assert [*folder.glob("*kernels-*")] == []


@posix
def test_a_library_is_made_once_and_by_one(folder: Path, compiler: Callable, tmp_path: Path) -> None:
    compiler(f"echo x >> '{tmp_path / 'count'}'; command -p sleep 0.3; {WORKS}")
    made: list[Path] = []
    together = [threading.Thread(target=lambda: made.append(compiled.make())) for _ in range(3)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert len(made) == 3
    assert len({*made, compiled.make()}) == 1
    assert (tmp_path / "count").read_text(encoding="utf-8") == "x\n"
    assert stat.S_IMODE(made[0].stat().st_mode) == 0o600
    compiled.make(again=True)
    assert (tmp_path / "count").read_text(encoding="utf-8") == "x\nx\n"


@posix
def test_a_killed_compilation_leaves_nothing_in_the_way(folder: Path, compiler: Callable) -> None:
    compiler("command -p sleep 15")
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(folder=str(folder))], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert child.stdout.readline() == "compiling\n"
    child.kill()
    child.wait()
    child.stdout.close()
    assert [*folder.glob(".kernels-*")] != []
    compiler(WORKS)
    start = time.monotonic()
    compiled.make()
    assert time.monotonic() - start < 5
    assert [*folder.glob(".kernels-*")] == []


KILLED = """
from pathlib import Path
from nonlin.activations.fast import compiled
from nonlin.activations.layers import slopes, textbook_values
compiled.cache_folder = lambda: Path({folder!r})
compiled.make(lambda seconds: print("compiling", flush=True))
"""


@posix
def test_what_does_not_load_is_told_once_and_the_plain_form_runs(folder: Path, compiler: Callable) -> None:
    """As where a cache came from another machine, with another system's libraries."""
    compiler(WORKS)
    library = compiled.make()
    with pytest.warns(UserWarning, match="does not load here") as caught:
        assert not fast.in_use()
    assert len(caught) == 1
    assert_one_sentence(str(caught[0].message))
    assert_plain_form_runs()
    with pytest.raises(fast.KernelsError, match="does not load here"):
        fast.use(True)
    library.write_bytes(b"half of it")
    with pytest.raises(fast.KernelsError, match="is damaged"):
        fast.use(True)
    compiled.make()
    assert compiled._is_whole(library)
    library.chmod(0o666)  # others may have written to it
    with pytest.raises(fast.KernelsError, match="is damaged"):
        fast.use(True)


@posix
@pytest.mark.parametrize("what", ["torch", "processor", "source"])
def test_another_torch_processor_or_source_needs_another_library(
    what: str, folder: Path, compiler: Callable, monkeypatch, tmp_path: Path
) -> None:
    compiler(WORKS)
    compiled.make()
    assert compiled._stored()
    if what == "torch":
        monkeypatch.setattr(torch, "__version__", "9.9")
    elif what == "processor":
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    else:
        monkeypatch.setattr(compiled, "SOURCE", tmp_path / "kernels.cpp")
        compiled.SOURCE.write_text("another", encoding="utf-8")
    assert compiled._stored() is None
    with pytest.raises(fast.KernelsError, match="no kernels are compiled for this torch and processor"):
        fast.use(True)
    assert_plain_form_runs()


def test_every_activation_has_a_kernel() -> None:
    source = compiled.SOURCE.read_text(encoding="utf-8")
    assert {*re.findall(r'\{"(\w+)", made<', source)} == {*ACTIVATIONS}
    assert {*re.findall(r'\{"(\w+)", gate<', source)} == {*compiled.GATES}


def test_they_can_be_left_out(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv(compiled.VARIABLE, compiled.OFF)
    monkeypatch.setattr(compiled, "_stored", lambda: pytest.fail("nobody may look for them"))
    assert not fast.in_use()
    fast.use(False)
    assert os.environ[compiled.VARIABLE] == compiled.OFF
    assert fast.form() == "in Python"


# What they compute


@pytest.fixture(scope="module")
def kernels() -> Iterator[None]:
    """Compiled once, in a minute, into the cache folder; in use for these tests alone."""
    if not (os.environ.get("CXX") or any(map(shutil.which, compiled.COMPILERS))):
        pytest.skip("there is no C++ compiler here, and so there are no kernels to test")
    compiled.make()
    with fast.using(True):
        yield


@pytest.mark.long
@pytest.mark.parametrize("capability", ["AVX512", "AVX2", "DEFAULT"])
@pytest.mark.parametrize("name", compiled.COMPILERS)
def test_every_compiler_takes_them_without_a_warning(name: str, capability: str, monkeypatch) -> None:
    if os.name == "nt" or not shutil.which(name):
        pytest.skip(f"there is no {name} here whose options are known")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    # Headers of the system may do what brings a warning; so may torch's.
    options = [option.replace("-I", "-isystem") for option in compiled._options() if option != "-shared"]
    words = [name, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *options, str(compiled.SOURCE)]
    ended = subprocess.run(words, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[:3000]


def results(function: Callable[..., Tensor], *inputs: Tensor, kernels: bool) -> list[Tensor]:
    with fast.using(kernels):
        leaves = [x.detach().clone(memory_format=torch.preserve_format).requires_grad_() for x in inputs]
        y = function(*leaves)
        weights = torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).reshape(y.shape)
        return [y.detach(), *torch.autograd.grad((y * weights).sum(), leaves)]


def assert_both_forms_agree(function: Callable[..., Tensor], *inputs: Tensor) -> None:
    for one, other in zip(
        results(function, *inputs, kernels=True), results(function, *inputs, kernels=False), strict=True
    ):
        relative = 2e-2 if one.dtype in (torch.bfloat16, torch.float16) else 1e-5
        largest = other.abs().nan_to_num(0, 0, 0).max().item() if other.numel() else 0.0
        torch.testing.assert_close(one, other, rtol=relative, atol=1e-5 * max(1.0, largest), equal_nan=True)
        assert one.stride() == other.stride() or not one.numel()


INPUTS: dict[str, Callable[[], Tensor]] = {
    "large": lambda: 4 * torch.randn(3, 100_003),
    "channels last": lambda: torch.randn(2, 8, 5, 7).to(memory_format=torch.channels_last),
    "transposed": lambda: torch.randn(4, 6, 5).transpose(0, 2),
    "strided": lambda: torch.randn(3000)[::3],
    "empty": lambda: torch.randn(0, 3),
    "number": lambda: torch.randn(()),
    "negated view": lambda: torch.randn(9, dtype=torch.complex64).conj().imag,
} | {f"{n} numbers": lambda n=n: torch.randn(n) for n in range(1, 41)}

each_record = pytest.mark.parametrize("record", ACTIVATIONS.values(), ids=ACTIVATIONS)


@pytest.mark.long
@each_record
def test_both_forms_agree(record: Activation, kernels: None) -> None:
    for make in INPUTS.values():
        for dtype in compiled.DTYPES:
            assert_both_forms_agree(ActivationModule(record), make().to(dtype))


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", compiled.DTYPES, ids=str)
@pytest.mark.parametrize("channels", [1, 3, 64])
def test_both_forms_of_what_is_learned_agree(channels: int, dtype: torch.dtype, threads: int, kernels: None) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for shape in ((0, channels), (40, channels), (5, channels, 7, 9), (2, channels, 40, 40), (3, channels, 1)):
            x, weight, prelu = torch.randn(shape, dtype=dtype), torch.randn(channels, dtype=dtype) / 3, PReLU(channels)
            for given in (x, x.to(memory_format=torch.channels_last) if x.dim() == 4 else x[::2]):
                assert_both_forms_agree(lambda x, w, m=prelu: functional_call(m, {"weight": w}, x), given, weight)
        swish = Swish()
        x = torch.randn(1001, 77, dtype=dtype)
        assert_both_forms_agree(lambda x, beta: functional_call(swish, {"beta": beta}, x), x, torch.tensor(0.7))
        for gate in (ACTIVATIONS[name] for name in (*compiled.GATES, "tanh")):
            assert_both_forms_agree(lambda x, gate=gate: gated(gate, x), torch.randn(33, 40, dtype=dtype))
            assert_both_forms_agree(lambda x, gate=gate: gated(gate, x, 1), torch.randn(3, 40, 5, 5, dtype=dtype))
    finally:
        torch.set_num_threads(before)


@pytest.mark.long
@each_record
def test_both_forms_agree_on_ten_million_numbers(record: Activation, kernels: None) -> None:
    x = 6 * torch.randn(10_000_000, generator=torch.Generator().manual_seed(0))
    module = ActivationModule(record)
    with torch.no_grad(), fast.using(True):
        ours = module(x)
    with torch.no_grad(), fast.using(False):
        torch.testing.assert_close(ours, module(x), rtol=2e-6, atol=1e-6)


@pytest.mark.long
def test_a_sum_does_not_depend_on_the_number_of_threads(kernels: None) -> None:
    x, weight = torch.randn(8, 3, 50, 50), torch.tensor([0.25])
    before, found = torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(compiled.learned_chain("prelu", torch.ones_like(x), x, weight)[1].item())
    torch.set_num_threads(before)
    assert len(set(found)) == 1


@pytest.mark.long
def test_the_operators_fulfil_what_torch_asks_of_them(kernels: None) -> None:
    x = torch.randn(3, 5, requires_grad=True)
    for name, from_output in (("silu", False), ("tanh", True)):
        torch.library.opcheck(torch.ops.nonlin.apply.default, (name, x, [], from_output), test_utils=CHECKED)


CHECKED = ("test_schema", "test_autograd_registration", "test_faketensor")


@pytest.mark.long
def test_what_backward_keeps_does_not_grow(kernels: None) -> None:
    from nonlin.bench.cost import margin

    for record in ACTIVATIONS.values():
        kept = []
        for wanted in (True, False):
            with fast.using(wanted):
                kept.append(margin(lambda record=record: ActivationModule(record)))
        assert kept[0] == kept[1], record.name


@pytest.mark.long
def test_in_place_autograd_notices_what_is_overwritten(kernels: None) -> None:
    x = torch.randn(5, requires_grad=True)
    y = 1 * x
    kept = torch.exp(y)
    ActivationModule(ACTIVATIONS["elu"], inplace=True)(kept)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        kept.sum().backward()


@pytest.mark.long
def test_backward_shows_itself_as_torch_s_own_does(kernels: None) -> None:
    """To who watches the graph being made, who batches its backward, and in what is said of it."""
    x, nodes = torch.randn(5, requires_grad=True), []
    with torch.autograd.graph.node_creation_hook(nodes.append):
        y = ActivationModule(ACTIVATIONS["elu"])(x)
    assert nodes[-1] == y.grad_fn
    assert y.grad_fn.name() == "eluBackward"
    vectors = torch.eye(5)
    slope = torch.func.vmap(lambda v: torch.autograd.grad(y, x, v, retain_graph=True)[0])(vectors)  # without a warning
    torch.testing.assert_close(slope, torch.autograd.grad(y, x, vectors, retain_graph=True, is_grads_batched=True)[0])
    y += 1
    with pytest.raises(RuntimeError, match=r"which is output 0 of elu, is at version 1"):
        y.sum().backward()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch's own
def test_compiled_autograd_follows_backward(kernels: None) -> None:
    for name in ("relu", "gelu", "leaky_relu"):
        x = torch.linspace(-2, 2, 7, requires_grad=True)
        with torch._dynamo.compiled_autograd._enable(torch.compile(backend="eager")):
            ActivationModule(ACTIVATIONS[name])(x).square().sum().backward()
        value, slope = (each(ACTIVATIONS[name], x.detach()) for each in (textbook_values, slopes))
        torch.testing.assert_close(x.grad, 2 * value * slope)


@pytest.mark.long
def test_everything_that_is_tested_of_the_plain_form_holds_of_the_kernels(kernels: None) -> None:
    """The same tests, to the same tolerances, every ability included, in a process of its own."""
    folder = Path(__file__).parent
    files = [str(path) for path in sorted(folder.glob("test_*.py")) if path != Path(__file__)]
    words = [sys.executable, "-m", "pytest", "-q", "--numprocesses=0", "--kernels", "-p", "no:cacheprovider", *files]
    ended = subprocess.run(words, cwd=folder.parents[1], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-3000:]
