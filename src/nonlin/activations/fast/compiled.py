"""The compiled form: ``kernels.cpp``, compiled when somebody asks for it, and kept in the cache folder.

It is optional. Nothing compiles by itself; what was compiled before, for this torch and this processor, is loaded at
the first call of an activation. Where it is missing or does not load, the form in Python runs, which gives the same
numbers but for the last digits. The environment's ``NONLIN_KERNELS=off`` leaves it out.
"""

import hashlib
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import filelock
import torch
from torch import Tensor

from nonlin.activations.record import HALF, Activation
from nonlin.errors import ReaderError, reason
from nonlin.files import FileError, remove_parts, write_whole
from nonlin.paths import cache_folder, is_private
from nonlin.processes import switched_on

SOURCE = Path(__file__).with_name("kernels.cpp")
TORCH = Path(torch.__file__).parent
VARIABLE = "NONLIN_KERNELS"
OFF = "off"
LONGEST = 900.0  # seconds that a compiler may take
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
COMPILERS = ("cl",) if os.name == "nt" else ("c++", "g++", "clang++")
GATES = ("sigmoid", "relu", "gelu", "silu")
PLAIN = "the form in Python runs"

# What torch itself is compiled with where it finds these instructions, so that its vectors have the same width here.
INSTRUCTIONS = {
    "AVX512": ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma", "-mf16c"],
    "AVX2": ["-mavx2", "-mfma", "-mf16c"],
}


class KernelsError(ReaderError):
    """There are no compiled kernels, and why."""


# Whether they are in use


_active: bool | None = None  # None until somebody asks
_left_out: bool | None = None  # None where nobody but the environment has said so
_loaded = False
_lock = threading.RLock()


def use(wanted: bool) -> None:
    """Let the compiled kernels serve all layers from now on, here and in new processes, or no layer.

    Raises:
        KernelsError: if they are wanted, and there are none or they do not load.
    """
    global _active, _left_out
    with _lock:
        if wanted:
            load()
        os.environ[VARIABLE] = "on" if wanted else OFF
        _active, _left_out = wanted, not wanted


def in_use() -> bool:
    """Whether the compiled kernels serve the layers; loads them if they are there."""
    global _active
    with _lock:
        if _active is None:
            _active = not left_out() and _loads()
        return _active


def left_out() -> bool:
    """Whether the form in Python is wanted: by `use`, `using` or the environment."""
    return _left_out if _left_out is not None else not switched_on(VARIABLE)


@contextmanager
def using(wanted: bool) -> Iterator[None]:
    """As `use`, within the block and in this process only.

    Raises:
        KernelsError: as `use`.
    """
    global _active, _left_out
    if wanted:
        load()
    before = _active, _left_out
    _active, _left_out = wanted, not wanted
    try:
        yield
    finally:
        _active, _left_out = before


def _loads() -> bool:
    try:
        if _stored() is None:
            return False
        load()
    except KernelsError as error:
        warnings.warn(f"{str(error).rstrip('.')}; until then {PLAIN}.", stacklevel=2)
        return False
    return True


def load() -> None:
    """Load what was compiled.

    Raises:
        KernelsError: if there is nothing, or it is damaged, or was made for another machine.
    """
    global _loaded
    with _lock:
        if _loaded:
            return
        library = _stored()
        if library is None:
            raise KernelsError("no kernels are compiled for this torch and processor: python3 start.py kernels does it")
        if not _is_whole(library):
            raise KernelsError(f"{library} is damaged: python3 start.py kernels makes it anew")
        try:
            torch.ops.load_library(library)
        except (OSError, RuntimeError) as error:
            raise KernelsError(
                f"{library} does not load here ({_first_line(reason(error))}): python3 start.py kernels --again makes "
                "it anew"
            ) from error
        _register()
        _loaded = True


def _register() -> None:
    """What torch has to know of the operators besides: what fake tensors become, and backward for who follows it."""

    def like_the_second(name: str, x: Tensor, *rest: object) -> Tensor:
        return torch.empty_like(x)

    def plain_backward(name: str, gradient: Tensor, saved: Tensor, parameters: Sequence[float]) -> Tensor:
        from nonlin.activations import ACTIVATIONS  # which imports this file
        from nonlin.activations.layers import textbook_chain

        return textbook_chain(ACTIVATIONS[name], gradient, saved, *parameters)

    for operator in ("apply", "backward", "learned", "gated"):
        torch.library.register_fake(f"nonlin::{operator}", like_the_second)
    for key in ("CompositeImplicitAutograd", "FuncTorchBatched"):
        torch.library.impl("nonlin::plain_backward", key, plain_backward)


# What they compute


def serve(*tensors: Tensor) -> bool:
    """Whether they are in use and take such tensors. Nobody may follow the steps: see ``explicit.followed``."""
    if _active is False or not (_active or in_use()):
        return False
    dtype = tensors[0].dtype
    if dtype not in DTYPES:
        return False
    for t in tensors:  # noqa: SIM110 - a generator would take as long as all of this
        if t.dtype != dtype or not t.is_cpu or t.layout != torch.strided or t.is_neg():
            return False
    return True


def serves(activation: Activation, *tensors: Tensor) -> bool:
    """Whether there is a kernel of this very record besides: a changed copy is another record and has none."""
    return serve(*tensors) and is_ours(activation)


@lru_cache
def _operator(name: str) -> Callable:
    return getattr(torch.ops.nonlin, name).default


@lru_cache
def is_ours(activation: Activation) -> bool:
    """Whether it is a record of the course itself."""
    from nonlin.activations import ACTIVATIONS  # which imports this file

    return ACTIVATIONS.get(activation.name) is activation


def apply(activation: Activation, x: Tensor, parameters: Sequence[float]) -> Tensor:
    """f(x), with its backward."""
    from_output = activation.keeps_output(*parameters, dtype=x.dtype)
    return _operator("apply")(activation.name, x, compared(activation, parameters, x), from_output)


def overwrite(activation: Activation, x: Tensor, parameters: Sequence[float]) -> None:
    """f(x) written over x, without derivatives."""
    _operator("overwrite")(activation.name, x, compared(activation, parameters, x))


def chain(activation: Activation, gradient: Tensor, saved: Tensor, parameters: Sequence[float]) -> Tensor:
    """gradient * f', as backward runs it."""
    from_output = activation.keeps_output(*parameters, dtype=saved.dtype)
    return _operator("backward")(activation.name, gradient, saved, compared(activation, parameters, saved), from_output)


def compared(activation: Activation, parameters: Sequence[float], x: Tensor) -> Sequence[float]:
    """The parameters, of which Hardtanh's bounds are rounded to 16 bits, as the outputs beside them."""
    if x.dtype not in HALF or activation.name != "hardtanh":
        return parameters
    return torch.tensor(parameters, dtype=x.dtype).tolist()


def learned(name: str, x: Tensor, parameter: Tensor) -> Tensor:
    """f(x), ``"prelu"`` or ``"swish"``, whose parameter is a tensor: a single number, or one for each channel."""
    if parameter.numel() == 1:
        return _operator("apply")(name, x, (parameter.item(),), False)
    each = parameter.reshape(-1, *[1] * (x.dim() - 2))
    return _operator("learned")(name, x, each)


def learned_chain(name: str, gradient: Tensor, x: Tensor, parameter: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of x and of the parameter, its sum included, in one pass."""
    for_x, sums = _operator("learned_backward")(name, gradient, x, parameter)
    return for_x, sums.reshape(parameter.shape).to(parameter.dtype)


def gates(gate: Activation, *tensors: Tensor) -> bool:
    """As `serves`, for a product with this gate."""
    return gate.name in GATES and serves(gate, *tensors)


def gated(gate: Activation, x: Tensor, dim: int) -> Tensor:
    """a * gate(b) of the halves of x along ``dim``."""
    return _operator("gated")(gate.name, *x.chunk(2, dim))


def gated_chain(gate: Activation, gradient: Tensor, x: Tensor, dim: int) -> Tensor:
    """The gradient of x."""
    result = torch.empty_like(x)
    _operator("gated_backward")(gate.name, gradient, *x.chunk(2, dim), *result.chunk(2, dim))
    return result


# Where they are kept


def _key() -> str:
    """What differs whenever other machine code would be needed or come out."""
    made_of = (
        SOURCE.read_bytes(),
        torch.__version__,
        torch.version.git_version,
        torch.backends.cpu.get_cpu_capability(),
        platform.machine(),
        sys.platform,
        " ".join(_options()),
    )
    return hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]


def _stored() -> Path | None:
    """The file for this torch and processor, whose name ends in a digest of it, or None."""
    folder = cache_folder()
    return next(iter(sorted(folder.glob(f"kernels-{_key()}-*"))), None) if folder else None


def _is_whole(library: Path) -> bool:
    try:
        return is_private(library.stat()) and library.stem.endswith(_digest(library))
    except OSError:
        return False


def _digest(library: Path) -> str:
    return hashlib.sha256(library.read_bytes()).hexdigest()[:16]


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:200]


# How they are made


def make(tell: Callable[[float], object] = lambda seconds: None, *, again: bool = False) -> Path:
    """Compile the kernels, unless that was done for this torch and processor.

    Of two processes one compiles, and the other waits for it. A compilation that is killed leaves nothing behind that
    anybody would load or wait for.

    Args:
        tell: called once a second with the seconds since the start.
        again: whether to compile in any case.

    Returns:
        The library's file.

    Raises:
        KernelsError: without a compiler, with one that fails, and without a place for the result.
    """
    folder = cache_folder()
    if folder is None:
        raise KernelsError(f"there is no cache folder to which this user can write, and no other: {PLAIN}")
    start = time.monotonic()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _waited_for(folder / ".kernels.lock", lambda: tell(time.monotonic() - start))
    except OSError as error:
        raise _no_place(folder, error) from error
    try:
        stored = _stored()
        if stored and not again and _is_whole(stored):
            return stored
        return _make(folder, lambda: tell(time.monotonic() - start))
    except OSError as error:
        raise _no_place(folder, error) from error
    finally:
        lock.release()


def _no_place(folder: Path, error: OSError) -> KernelsError:
    return KernelsError(f"{folder} cannot hold the kernels ({reason(error)}), so that {PLAIN}")


def _waited_for(file: Path, tell: Callable[[], object]) -> filelock.FileLock:
    lock = filelock.FileLock(file)  # the system's, which ends with its process
    while True:
        try:
            lock.acquire(timeout=1)
            return lock
        except filelock.Timeout:
            tell()


def _make(folder: Path, tell: Callable[[], object]) -> Path:
    for left in folder.glob(".kernels-*"):
        shutil.rmtree(left, ignore_errors=True)  # by a killed compilation
    name = f"kernels-{_key()}"
    compiler = _compiler()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".kernels-", ignore_cleanup_errors=True) as place:
        made = Path(place, "kernels.dll" if os.name == "nt" else "kernels.so")
        _run([*compiler, *_options(), str(SOURCE), *_linking(made)], Path(place), tell)
        if not made.is_file():
            raise KernelsError(f"{compiler[0]} ended well and wrote nothing: {PLAIN}")
        library = folder / f"{name}-{_digest(made)}{made.suffix}"

        def write(file: BinaryIO) -> None:
            if os.name == "posix":
                os.chmod(file.name, 0o600)  # whatever the umask is: see is_private
            file.write(made.read_bytes())

        try:
            for old in folder.glob(f"{name}-*"):
                remove_parts(old)
                old.unlink(missing_ok=True)
            write_whole(library, write)
        except FileError as error:
            raise KernelsError(f"{folder} cannot hold the kernels ({error.why}), so that {PLAIN}") from error
    return library


def _compiler() -> list[str]:
    """The compiler's words: what CXX says, as for torch's own extensions, else the first that is found.

    Raises:
        KernelsError: if none is there.
    """
    named = os.environ.get("CXX")
    try:
        choices = [shlex.split(named, posix=os.name == "posix")] if named else [[name] for name in COMPILERS]
    except ValueError:  # a quotation mark without its second
        choices = []
    for words in choices:
        if words and shutil.which(words[0]):
            return words
    if named:
        raise KernelsError(f"the compiler {named!r} that CXX names is not found, so that {PLAIN}: correct or unset CXX")
    instead = "open the developer prompt of Visual Studio's build tools" if os.name == "nt" else "install g++ or clang"
    raise KernelsError(f"no C++ compiler is found, so that {PLAIN}: {instead}, or name one in CXX")


# Not by torch.utils.cpp_extension.load, which needs ninja, compiles for Python's own version what torch alone has to
# load, and waits without end for a lock that a killed compilation has left.


def _options() -> list[str]:
    capability = torch.backends.cpu.get_cpu_capability()
    defined = {
        "AVX512": ["CPU_CAPABILITY=AVX512", "CPU_CAPABILITY_AVX512"],
        "AVX2": ["CPU_CAPABILITY=AVX2", "CPU_CAPABILITY_AVX2"],
    }.get(capability, ["CPU_CAPABILITY=DEFAULT", "CPU_CAPABILITY_DEFAULT"])
    if platform.machine() in ("arm64", "aarch64"):
        defined.append("AT_BUILD_ARM_VEC256_WITH_SLEEF")
    if os.name == "nt":
        arch = [f"/arch:{capability}"] if capability in INSTRUCTIONS else []
        options = ["/nologo", "/O2", "/std:c++20", "/MD", "/LD", "/EHsc", "/bigobj", "/Zc:__cplusplus", *arch]
        return [*options, *(f"/D{name}" for name in defined), f"/I{TORCH / 'include'}"]
    options = ["-O3", "-std=c++20", "-fPIC", "-shared", *INSTRUCTIONS.get(capability, [])]
    return [*options, *(f"-D{name}" for name in defined), f"-I{TORCH / 'include'}"]


def _linking(made: Path) -> list[str]:
    libraries = ["torch", "torch_cpu", "c10"]
    if os.name == "nt":
        files = [f"{name}.lib" for name in (*libraries, "sleef")]
        return [f"/Fe:{made}", "/link", f"/LIBPATH:{TORCH / 'lib'}", *files]
    needed = [] if sys.platform == "darwin" else ["-Wl,--no-as-needed"]
    place = [f"-L{TORCH / 'lib'}", f"-Wl,-rpath,{TORCH / 'lib'}"]
    return ["-o", str(made), *place, *needed, *(f"-l{name}" for name in libraries)]


def _run(command: list[str], place: Path, tell: Callable[[], object]) -> None:
    """Run the compiler, in a session of its own, so that all its processes can be ended with it."""
    start, output = time.monotonic(), place / "output"
    with output.open("wb") as said:
        try:
            process = subprocess.Popen(
                command,
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=os.environ | {"TMPDIR": str(place), "LC_ALL": "C"},
                start_new_session=True,
            )
        except OSError as error:
            raise KernelsError(
                f"the compiler {command[0]} does not start ({reason(error)}), so that {PLAIN}: name another in CXX"
            ) from error
        try:
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=1)
                tell()
                if time.monotonic() - start > LONGEST:
                    raise KernelsError(f"{command[0]} has not ended after {LONGEST / 60:.0f} minutes, so that {PLAIN}")
        finally:
            if process.poll() is None:
                _end(process)
    if process.returncode:
        raise KernelsError(
            f"{command[0]} does not compile the kernels ({_complaint(output) or f'exit code {process.returncode}'}), "
            f"so that {PLAIN}: name another compiler in CXX"
        )


def _end(process: subprocess.Popen) -> None:
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _complaint(output: Path) -> str:
    """The first error in what a compiler said, on one line."""
    lines = [line.strip() for line in output.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[0] if lines else "")[:200]
