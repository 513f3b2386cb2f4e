"""What pyproject.toml cannot say: the measured tables, data/results, go along in a wheel, as nonlin/results."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithResults(build_py):
    """Builds the package, and copies the tables beside it; not where a checkout is installed as it lies."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            self.copy_tree("data/results", str(Path(self.build_lib, "nonlin", "results")))


setup(cmdclass={"build_py": WithResults})
