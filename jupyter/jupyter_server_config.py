"""Configuration of the Jupyter server for this course.

start.py puts this folder on JUPYTER_CONFIG_PATH. The administrator of a JupyterHub can do the same; the folder
labconfig beside this file, which switches JupyterLab's news off, is found the same way. An option on the command line
goes before what is said here.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = Path(os.path.expanduser(os.environ.get("NONLIN_RUNS") or ROOT / "runs")).absolute()
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
            "command": [literal(sys.executable), *TENSORBOARD, "--logdir", literal(RUNS)],
            "absolute_url": False,
            "timeout": 60,
            "launcher_entry": {"title": "TensorBoard"},
        }
    }
)

if os.environ.get("NONLIN_PROG"):  # started by start.py, not by a hub
    c.ServerApp.root_dir = str(ROOT)
    c.ServerApp.ip = "127.0.0.1"
    c.LabApp.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
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
