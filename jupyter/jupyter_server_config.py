"""Configuration of the Jupyter server for this course.

start.py puts this folder on JUPYTER_CONFIG_PATH. The administrator of a JupyterHub can do the same; what lies beside
this file is found the same way: labconfig switches JupyterLab's news off, jupyter_server_config.d an extension on that
makes each learner's copies of the lessons. An option on the command line goes before what is said here.
"""

import os
import sys
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "src"))  # where the server's Python is not the one that the course is installed in

from nonlin.paths import is_writable, runs_folder, work_folder  # noqa: E402

TENSORBOARD = ("-m", "tensorboard.main", "--port", "{port}")


def literal(text: object) -> str:
    """jupyter-server-proxy fills {port} in with str.format, which would trip over a brace in a folder's name."""
    return str(text).replace("{", "{{").replace("}", "}}")


c = get_config()  # noqa: F821  # given by Jupyter
# An update, not an assignment, leaves the tiles of other configuration files in place.
c.ServerProxy.servers.update(
    {
        "tensorboard": {
            # TensorBoard has no login: it listens on this machine alone, and the proxy asks for Jupyter's token.
            "command": [literal(sys.executable), *TENSORBOARD, "--logdir", literal(runs_folder())],
            "absolute_url": False,
            "timeout": 60,
            "launcher_entry": {"title": "TensorBoard"},
        }
    }
)

if os.environ.get("NONLIN_PROG"):  # started by start.py, not by a hub
    # Where nothing can be written, the lessons can still be read.
    work = work_folder() if is_writable(work_folder()) else ROOT / "notebooks"
    root = ROOT if work.is_relative_to(ROOT) else work
    c.ServerApp.root_dir = str(root)
    c.ServerApp.ip = "127.0.0.1"
    c.LabApp.default_url = "/lab/tree/" + quote((work / "00_start_here.ipynb").relative_to(root).as_posix())
    c.ServerApp.allow_root = True  # in a container one is root as a rule
    # Without a display Jupyter would look for a browser in vain; it prints the address in any case.
    display = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if os.environ.get("CI") or not display:
        c.ServerApp.open_browser = False

# As if .venv were activated: %tensorboard in a notebook, and terminals, look for their programs on PATH.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

# Behind a hub the browser cannot reach the port that %tensorboard opens; through the proxy it can.
PREFIX = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
if PREFIX:
    os.environ.setdefault("TENSORBOARD_PROXY_URL", PREFIX.rstrip("/") + "/proxy/%PORT%/")
