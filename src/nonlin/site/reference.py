"""The reference of the package: every public name with its signature and docstring, read from the source alone."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import indent, shorten

import nonlin
from nonlin.address import source_link
from nonlin.site.markdown import ROOT, Pages

PACKAGE = Path(nonlin.__file__).parent
_LITERAL = re.compile(r"(``.*?``|:\w+:`.*?`|`.*?`)", re.DOTALL)
_SPECIAL = re.compile(r"(\||(?<!\*)\*(?!\*)|(?<=\w)_(?!\w))")  # what reStructuredText would take for a mark of its own
Definition = ast.FunctionDef | ast.ClassDef


def folders() -> dict[str, list[Path]]:
    """The modules of each folder of the package, by its name."""
    found: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if not path.stem.startswith("_") or path.stem == "__init__":
            found.setdefault(module_name(path.parent), []).append(path)
    return found


def pages(folders: Mapping[str, Sequence[Path]]) -> Pages:
    """A page for each folder of the package, and one that lists them."""
    written = {f"{place(folder)}.rst": "\n\n".join(_page(folder, paths)) for folder, paths in folders.items()}
    rows = (f"- [{folder}]({place(folder)}.rst): {_summary(folder)}" for folder in folders)
    written["reference.md"] = (
        "# Reference of the package\n\nAll names in one list: {ref}`genindex`.\n\n" + "\n".join(rows) + "\n"
    )
    return written


def module_name(path: Path) -> str:
    """Of a file or folder: "nonlin.lab.runs"."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def place(folder: str) -> str:
    """The page of a package, without its ending."""
    return f"reference/{folder}"


def public(tree: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.stmt]]:
    """The public names that a module or a class defines, each once."""
    found: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, Definition):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(tree, ast.Module):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            each = (name for target in targets for name in (target.elts if isinstance(target, ast.Tuple) else [target]))
            found |= {name.id: node for name in each if isinstance(name, ast.Name)}
    yield from ((name, node) for name, node in found.items() if not name.startswith("_"))


def _summary(folder: str) -> str:
    source = (PACKAGE.parent / folder.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
    said = ast.get_docstring(ast.parse(source)) or "what all rooms share"
    return said.partition("\n")[0]


def _page(folder: str, paths: Sequence[Path]) -> Iterator[str]:
    yield f":orphan:\n\n{_title(folder, '=')}"
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        module = module_name(path)
        tree = _Qualified(tree, module).visit(tree)
        if path.stem != "__init__":
            yield _title(module, "-")
        yield f".. py:currentmodule:: {module}"
        yield _docstring(tree)
        for name, node in public(tree):
            yield _entry(name, node, path)


class _Qualified(ast.NodeTransformer):
    """Names of the package in full: several modules have a class of one name, and a link must lead to the right one."""

    def __init__(self, tree: ast.Module, module: str) -> None:
        imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module)
        self.full = {name: f"{module}.{name}" for name, node in public(tree) if not isinstance(node, ast.FunctionDef)}
        self.full |= {
            each.asname or each.name: f"{node.module}.{each.name}"
            for node in imports
            if node.module.startswith("nonlin")
            for each in node.names
        }

    def visit_Name(self, node: ast.Name) -> ast.expr:  # as ast calls it
        if node.id not in self.full or not isinstance(node.ctx, ast.Load):
            return node
        return ast.parse(self.full[node.id], mode="eval").body


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}"


def _entry(name: str, node: ast.stmt, path: Path, kind: str = "") -> str:
    where = f"*Source:* {_source(path.relative_to(ROOT).as_posix(), node.lineno)}."
    if not isinstance(node, Definition):
        value = shorten(ast.unparse(node.value), 100, placeholder=" …") if node.value else ""
        shown = f"``{value}``\n\n" if value and "`" not in value else ""
        return _described("py:data", name, f"{shown}{where}")
    parts = [_docstring(node), where]
    if isinstance(node, ast.FunctionDef):
        decorators = {ast.unparse(each) for each in node.decorator_list}
        if decorators & {"property", "cached_property"}:
            return _described("py:property", name, "\n\n".join(parts))
        signature = f"{name}({ast.unparse(node.args)})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")
        return _described(kind or "py:function", signature, "\n\n".join(parts))
    parts += [_entry(each, member, path, "py:method") for each, member in public(node)]
    return _described("py:class", name, "\n\n".join(parts))


def _source(path: str, line: int) -> str:
    address = source_link(path)
    return f"`{path}, line {line} <{address}#L{line}>`__" if address else f"``{path}``, line {line}"


def _described(kind: str, signature: str, body: str) -> str:
    return f".. {kind}:: {signature}\n\n{indent(body, '   ')}"


def _docstring(node: ast.Module | Definition) -> str:
    from sphinx.ext.napoleon import Config, GoogleDocstring

    said = escaped(ast.get_docstring(node) or "")
    return str(GoogleDocstring(said, Config(napoleon_use_rtype=False), what="function"))


def escaped(docstring: str) -> str:
    """The docstring with the bars of \\|x\\|, stars and final underscores as signs, but in literals and roles.

    They are written for people who read the source.
    """
    pieces = _LITERAL.split(docstring)
    return "".join(piece if place % 2 else _SPECIAL.sub(r"\\\1", piece) for place, piece in enumerate(pieces))
