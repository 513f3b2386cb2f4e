"""Configuration of the Jupyter server for this course.

start.py puts this folder on JUPYTER_CONFIG_PATH. The administrator of a JupyterHub can do the same; the folder
labconfig beside this file, which switches JupyterLab's news off, is found the same way.
"""

import os
import sys
from pathlib import Path

RUNS = Path(os.environ.get("NONLIN_RUNS") or Path(__file__).resolve().parents[1] / "runs").absolute()
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

# As if .venv were activated: %tensorboard in a notebook, and terminals, look for their programs on PATH.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

# Behind a hub the browser cannot reach the port that %tensorboard opens; through the proxy it can.
PREFIX = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
if PREFIX:
    os.environ.setdefault("TENSORBOARD_PROXY_URL", PREFIX.rstrip("/") + "/proxy/%PORT%/")
