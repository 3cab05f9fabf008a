"""Habits that no linter knows: documents that keep up with the code, streams that are closed."""

import ast
import re
import runpy
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import server
from server import __version__

ROOT = Path(__file__).parents[1]
TABLES = runpy.run_path(str(Path(__file__).with_name("tables.py")))
MODULES = [
    path
    for package in ("server", "planner", "rewards", "loadtest")
    for path in sorted((ROOT / package).rglob("*.py"))
]
SIZES = {"function": 50, "module": 300, "median": 10}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def document(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


# What is iterated with ``async for`` is closed by ``aclosing``: a generator that is cancelled while
# it is suspended is otherwise ended by the garbage collector, and its engine writes on till then.


def loose_loops(tree: ast.AST, bound: frozenset[str] = frozenset()) -> Iterator[int]:
    """Lines of ``async for`` over anything but a name that an enclosing ``aclosing`` binds."""
    for node in ast.iter_child_nodes(tree):
        inside = bound
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                inside = frozenset()
            case ast.AsyncWith(items=items):
                inside = bound | frozenset(name for item in items for name in _closed(item))
            case ast.AsyncFor(iter=iterated) | ast.comprehension(iter=iterated, is_async=1):
                if not (isinstance(iterated, ast.Name) and iterated.id in bound):
                    yield iterated.lineno
        yield from loose_loops(node, inside)


def _closed(item: ast.withitem) -> Iterator[str]:
    """``xs`` of ``aclosing(f()) as xs`` and of ``aclosing(xs)``."""
    match item:
        case ast.withitem(context_expr=ast.Call(func=ast.Name(id="aclosing"), args=[given])):
            for held in (given, item.optional_vars):
                if isinstance(held, ast.Name):
                    yield held.id


@pytest.mark.parametrize("path", [p for p in MODULES if named(p).startswith("server/")], ids=named)
def test_every_asynchronous_loop_runs_over_what_aclosing_holds(path: Path) -> None:
    assert list(loose_loops(parsed(path))) == []


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("    async for x in call():\n        pass", [2]),
        ("    async for x in self.frames:\n        pass", [2]),
        ("    async for x in frames:\n        pass", [2]),
        ("    return [x async for x in call()]", [2]),
        ("    async with other(f()) as xs:\n        async for x in xs:\n            pass", [3]),
        ("    async with aclosing(f()) as xs:\n        async for x in ys:\n            pass", [3]),
        ("    async with aclosing(f()) as xs:\n        async for x in xs:\n            pass", []),
        ("    async with aclosing(f()) as xs:\n        return [x async for x in xs]", []),
        ("    async with aclosing(xs):\n        async for x in xs:\n            pass", []),
        ("    return [x for x in xs]", []),
    ],
)
def test_a_planted_loop_is_found(body: str, lines: list[int]) -> None:
    assert list(loose_loops(ast.parse(f"async def f():\n{body}\n"))) == lines


def test_every_module_has_its_line_in_the_architecture() -> None:
    text = document("ARCHITECTURE.md")
    told = [
        path
        for path in MODULES
        if path.name != "__init__.py" and not named(path).startswith("server/pocket/maker/")
    ]
    assert [named(path) for path in told if named(path) not in text] == []


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    lines = document("README.md").splitlines()
    assert [row for row in TABLES["settings_table"]().splitlines() if row not in lines] == []


def test_every_metric_is_in_its_document() -> None:
    lines = document("docs/metrics.md").splitlines()
    assert [row for row in TABLES["metrics_table"]().splitlines() if row not in lines] == []


def test_the_help_in_the_readme_is_what_the_command_prints() -> None:
    printed = TABLES["serve_help"]()
    assert printed.startswith("usage: longhand serve ")
    assert f"```text\n{printed}```\n" in document("README.md")


def test_the_newest_version_of_the_changelog_is_the_packages() -> None:
    headings = re.findall(r"^## \[?([^\]\s]+)", document("CHANGELOG.md"), re.MULTILINE)
    assert [heading for heading in headings if heading != "Unreleased"][0] == __version__


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function and its lines, decorators and docstring left out."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            told = node.body[0]
            docstring: Any = told if ast.get_docstring(node) else None
            lines = node.end_lineno - node.lineno + 1
            if docstring is not None:
                lines -= docstring.end_lineno - docstring.lineno + 1
            yield f"{named(path)}:{node.name}", lines


def test_functions_are_short() -> None:
    lengths = dict(entry for path in MODULES for entry in functions(path))
    assert {name: n for name, n in lengths.items() if n > SIZES["function"]} == {}
    assert statistics.median(lengths.values()) < SIZES["median"]


def test_modules_can_be_read_alone() -> None:
    lengths = {named(p): len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES}
    assert {name: n for name, n in lengths.items() if n > SIZES["module"]} == {}
    silent = [named(p) for p in MODULES if p.stat().st_size and not ast.get_docstring(parsed(p))]
    assert silent == []


def test_the_package_under_test_is_the_one_of_this_checkout() -> None:
    assert server.__file__ is not None
    assert Path(server.__file__).resolve() == (ROOT / "server" / "__init__.py").resolve()


# Imported as one name, installed as another, or brought by the package it belongs to.
BROUGHT_BY = {
    "packaging": "pytest",
    "safetensors": "transformers",
    "starlette": "fastapi",
    "tokenizers": "transformers",
    "yaml": "pyyaml",
}


def imported(tree: ast.AST) -> Iterator[str]:
    """The top-level packages that a module imports by their full names, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_every_package_that_is_imported_is_one_that_is_installed() -> None:
    project = tomllib.loads(document("pyproject.toml"))["project"]
    asked = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"[^\w-]", line)[0].lower().replace("_", "-") for line in asked}
    ours = {"server", "planner", "rewards", "loadtest", "tests", *sys.stdlib_module_names}
    sources = [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))]
    met = {name for path in sources for name in imported(parsed(path))} - ours
    assert {BROUGHT_BY.get(n, n.replace("_", "-")) for n in met} - declared == set()


def test_no_file_names_a_place_on_one_persons_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    tracked = [ROOT / name for name in listed.stdout.split("\0") if name]
    # In two pieces, so that this line is not what it looks for.
    places = re.compile(rb"(?<![\w.])/(?:work" + rb"/|tmp" + rb"/w\b)")
    assert [
        named(path) for path in tracked if path.is_file() and places.search(path.read_bytes())
    ] == []
