#!/usr/bin/env python3
"""Start the course: install it into the folder .venv, once, and hand over to JupyterLab, pytest or the course itself.

How it is installed stands in src/nonlin/installation.py. This file has to parse on Python 3.6: an old Python gets a
sentence, not a SyntaxError.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parent
BITS = 64 if sys.maxsize > 2**32 else 32

if BITS == 32 or not (3, 11) <= sys.version_info[:2] <= (3, 14):
    sys.exit(
        "start.py: The course needs a 64-bit Python 3.11 to 3.14, and this is {} with {} bits: install one from"
        " python.org and type its name instead of python3, for example python3.13 start.py.".format(
            sys.version.split()[0], BITS
        )
    )

if not (ROOT / "src" / "nonlin" / "installation.py").is_file():
    sys.exit("start.py: Of the course in {} a part is missing: download it again.".format(ROOT))

sys.path.insert(0, str(ROOT / "src"))  # nothing is installed yet

from nonlin.installation import (
    VENV,
    Misuse,
    Problem,
    check_imports,
    environment,
    is_ready,
    prepare,
    python,
    run,
    say,
    take_torch,
)

HELP = """\
usage: python3 start.py [--torch auto|cpu|gpu] [COMMAND] [ARGUMENTS]

The first start installs everything into the folder .venv; later starts need no network.

  lab [OPTIONS]    open your copies of the lessons, in the folder work, in JupyterLab (this is what happens
                   without a command); an update of the course brings them up to date and keeps what you wrote;
                   OPTIONS are JupyterLab's, for example --no-browser or --port 9999
  test [ARGS]      check the code with ruff, then run the unit tests and every notebook;
                   ARGS are pytest's, for example tests/test_start.py or -k relu;
                   --long runs the tests of endurance instead, a quarter of an hour;
                   --faults plants faults one by one and prints those that no test notices
  setup [--again]  install, and start nothing; --again installs everything anew
  --torch CHOICE   the build of PyTorch on Linux, remembered: cpu is small, gpu is for NVIDIA cards,
                   auto (the default) is cpu where there is no NVIDIA driver

The other commands are those of the course itself:
"""


PARSE = "import sys; from nonlin.__main__ import parse; parse(sys.argv[1:])"


def lab(args: List[str]) -> int:
    variables = environment()
    # First, because a later file that assigns its tiles would remove ours; ours only adds one.
    paths = [str(ROOT / "jupyter"), variables.get("JUPYTER_CONFIG_PATH")]
    variables["JUPYTER_CONFIG_PATH"] = os.pathsep.join(path for path in paths if path)
    home = Path(os.path.expanduser("~"))
    used = [home / place for place in (".jupyter", ".local", ".local/share", ".local/share/jupyter")]
    # As in some containers, or after a sudo: Jupyter would not start.
    if not os.access(str(home), os.W_OK) or any(os.path.exists(p) and not os.access(str(p), os.W_OK) for p in used):
        place = VENV / "jupyter" if os.access(str(VENV), os.W_OK) else Path(tempfile.mkdtemp(prefix="jupyter-"))
        for kind in ("CONFIG", "DATA", "RUNTIME"):
            variables.setdefault(f"JUPYTER_{kind}_DIR", str(place / kind.lower()))
    return run(python("-m", "jupyterlab", *args), env=variables)


def test(args: List[str]) -> int:
    """Run all three, and return the exit code of the first that fails."""
    if not (ROOT / "tests").is_dir():
        raise Problem("This copy of the course holds no tests: they are part of the whole course.")
    codes = []
    for words in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["pytest", *args]):
        say("> python -m " + " ".join(words))
        codes.append(run(python("-m", *words), cwd=ROOT))
        if codes[-1] >= 128:
            break
    return next((code for code in codes if code), 0)


def course(args: List[str], choice: str) -> int:
    """Hand over to the command line of the package."""
    helping = "--help" in args or "-h" in args
    if helping or not is_ready(choice):
        # Help needs no installation, and a typing error is told before one of gigabytes.
        command = [sys.executable, *(["-m", "nonlin"] if helping else ["-c", PARSE]), *args]
        variables = {**environment(), "PYTHONPATH": str(ROOT / "src")}
        code = run(command, env=variables, stdout=None if helping else subprocess.DEVNULL)
        if code or helping:
            return code
    prepare(choice)
    return run(python("-m", "nonlin", *args))


def dispatch(args: List[str]) -> int:
    choice, args = take_torch(args)
    name, rest = (args[0], args[1:]) if args else ("lab", [])
    if name in ("-h", "--help") or (name == "setup" and {"-h", "--help"} & set(rest)):
        print(HELP, flush=True)
        return course(["--help"], choice)
    if name == "setup":
        if rest not in ([], ["--again"]):
            raise Misuse(f"setup takes --again and nothing else, not {' '.join(rest)}.")
        prepare(choice, again=bool(rest))
        check_imports()  # the rest of a package may be gone, and ours lies in src
        say(f"The course is set up in {VENV}.")
        return 0
    if name == "test" or name == "lab" or name.startswith("-"):
        prepare(choice)
        return test(rest) if name == "test" else lab(rest if name == "lab" else args)
    return course(args, choice)


def main(args: List[str]) -> int:
    try:
        return dispatch(args)
    except Problem as problem:
        say(f"start.py: {problem}")
        return 2 if isinstance(problem, Misuse) else 1
    except OSError as error:
        say(f"start.py: The course cannot be set up: {error}; it needs a folder that you can write to, and room.")
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
