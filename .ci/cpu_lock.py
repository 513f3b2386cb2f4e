"""Make requirements-cpu.txt, the lock with PyTorch's CPU build, from requirements.txt: python3 .ci/cpu_lock.py

PyTorch's CPU index cannot say which packages its builds need, but it is known how they differ from PyPI's: they need
no package of NVIDIA's and no Triton, and bear the local version "+cpu", torchvision's on x86-64 alone.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GPU = ("nvidia-", "cuda-", "triton==")
HEAD = """\
# requirements.txt with PyTorch's CPU build for Linux. Made by .ci/cpu_lock.py; do not edit. By hand:
#     pip install -r requirements-cpu.txt --extra-index-url https://download.pytorch.org/whl/cpu
"""


def cpu_lock(lock: str) -> str:
    """The CPU lock for a lock as uv writes it: a requirement a line, each with comments on who needs it below."""
    blocks = re.split(r"\n(?=\S)", lock.strip())
    text = "\n".join(block for block in blocks if not block.startswith(GPU)) + "\n"
    text = re.sub(r"^torch==(\S+)$", r"torch==\1+cpu", text, flags=re.MULTILINE)
    vision = r"torchvision==\1+cpu ; platform_machine == 'x86_64'\ntorchvision==\1 ; platform_machine != 'x86_64'"
    return HEAD + re.sub(r"^torchvision==(\S+)$", vision, text, flags=re.MULTILINE)


if __name__ == "__main__":
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    (ROOT / "requirements-cpu.txt").write_text(cpu_lock(lock), encoding="utf-8")
