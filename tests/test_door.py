"""What cannot be built here is held by what can be looked at: workflows, container, dev container, forms for issues."""

import json
import re
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from nonlin.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in GITHUB.glob("workflows/*.yml")}
STEPS = [step for workflow in WORKFLOWS.values() for job in workflow["jobs"].values() for step in job.get("steps", [])]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
DEV = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
PYTHONS = SpecifierSet(
    tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
)
NAMES = {command.__name__.rpartition(".")[2].replace("_", "-") for command in COMMANDS}
OF_START = {"test", "setup", "lab"}


def test_the_tests_run_on_three_systems_and_on_each_python_that_is_supported() -> None:
    matrix = WORKFLOWS["test"]["jobs"]["test"]["strategy"]["matrix"]
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == [f"3.{minor}" for minor in range(8, 20) if f"3.{minor}.1" in PYTHONS]


def test_actions_are_pinned_by_commit_with_their_version_beside() -> None:
    lines = [
        line for path in GITHUB.glob("workflows/*.yml") for line in path.read_text().splitlines() if "uses:" in line
    ]
    assert len(lines) == len([step for step in STEPS if "uses" in step]) >= 6
    for line in lines:
        assert re.fullmatch(r"\s*(- )?uses: actions/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line), line
    pins = {line.split("uses: ")[1] for line in lines}
    assert len({pin.partition("@")[0] for pin in pins}) == len(pins), "one action in two versions"


def test_workflows_may_write_only_where_they_publish() -> None:
    for workflow in WORKFLOWS.values():
        assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in WORKFLOWS["test"]["jobs"]["test"]


@pytest.mark.parametrize("script", [step["run"] for step in STEPS if "start.py" in step.get("run", "")])
def test_workflows_call_commands_that_exist(script: str) -> None:
    assert (ROOT / "start.py").is_file()
    words = shlex.split(script)
    assert words[:2] == ["python", "start.py"]
    assert words[2] in NAMES | OF_START


def test_pythons_of_containers_and_workflows_are_supported() -> None:
    said = [re.search(r"^FROM python:(3\.\d+)", DOCKERFILE, re.MULTILINE)[1], re.search(r":(3\.\d+)", DEV["image"])[1]]
    said += [str(step["with"]["python-version"]) for step in STEPS if "python-version" in step.get("with", {})]
    for version in said:
        assert version.startswith("${{") or f"{version}.1" in PYTHONS, version


def test_the_container_copies_what_exists_and_runs_as_no_root() -> None:
    users = re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)
    assert users == ["${NB_USER}"]
    for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists(), name
    left_out = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert not {"src", "data/results", "notebooks", "jupyter"} & set(left_out)
    command = json.loads(re.search(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[1])
    assert command[:2] == ["jupyter", "lab"]
    assert "EXPOSE ${JUPYTER_PORT}" in DOCKERFILE
    assert not re.search("token|port=", " ".join(command)), "they come from JUPYTER_TOKEN and JUPYTER_PORT"
    [port] = re.findall(r"JUPYTER_PORT=(\d+)", DOCKERFILE)
    assert set(re.findall(r"-p (\S+)", DOCKERFILE)) == {f"{port}:{port}"}


def test_the_container_installs_what_is_locked_or_pinned() -> None:
    installs = re.findall(r"pip install ([^&;]*)", DOCKERFILE.replace("\\\n", ""))
    assert len(installs) == 2
    for words in map(shlex.split, installs):
        names = [word for before, word in pairwise(["", *words]) if "-" not in (before[:1], word[:1])]
        assert all("==" in name for name in names), names


def test_the_dev_container_sets_the_course_up() -> None:
    assert shlex.split(DEV["postCreateCommand"]) == ["python3", "start.py", "setup"]
    for name in DEV["customizations"]["codespaces"]["openFiles"]:
        assert (ROOT / name).is_file()


@pytest.mark.parametrize("name", ["lesson-error", "unfair-hint"])
def test_forms_for_issues_are_whole(name: str) -> None:
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml").read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids) >= 3
    assert all(
        field["type"] in ("input", "textarea", "dropdown") and field["attributes"]["label"] for field in form["body"]
    )
    assert any(field.get("validations", {}).get("required") for field in form["body"])
