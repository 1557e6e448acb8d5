"""The house stands on its floors: imports point down, never up, round, or hidden inside a function.

The sources are read, not run. The floors and their packages are those of ``docs/architecture.md``; a
package that is missing here fails the test, so that nothing is built beside the house. Imports under ``if
TYPE_CHECKING:`` do not run and are left out.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "ferax"

FLOORS = {
    0: "util engine",
    1: "types",
    2: "ir",
    3: "tracing",
    4: "runtime",
    5: "ops",
    6: "transforms",
    7: "control",
    8: "api",
    9: "numpy scipy nn random image tree lax",
    10: "tools compat",
}
FLOOR_OF = {package: floor for floor, packages in FLOORS.items() for package in packages.split()}
PUBLIC = 11  # packages that hold names only; they see every floor, and no floor sees them

#: An import inside a function is allowed if its line, or the one above, says why: ``# lazy: takes 30 ms``.
LAZY = re.compile(r"#\s*lazy:\s*\S")


@dataclass(frozen=True)
class Import:
    importer: str  # dotted name of the file's module
    target: str  # dotted name of what it needs: a module where that can be told, else as written
    where: str  # file:line
    hidden: bool  # inside a function, without a reason
    lazy: bool  # inside a function, with one
    relative: bool


class House:
    """All modules below ``source`` and what each of them imports."""

    def __init__(self, source: Path):
        self.root = source.parent
        self.modules = {self._name(path): path for path in sorted(source.rglob("*.py"))}
        self.imports = [i for name, path in self.modules.items() for i in self._read(name, path)]

    def _name(self, path: Path) -> str:
        parts = path.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _read(self, name: str, path: Path) -> list[Import]:
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        found: list[Import] = []

        def visit(node: ast.AST, in_function: bool) -> None:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                    for other in child.orelse:
                        visit(other, in_function)
                    continue
                reason = any(
                    LAZY.search(line) for line in lines[max(0, getattr(child, "lineno", 1) - 2) :][:2]
                )
                for target, relative in self._targets(child):
                    where = f"{path.relative_to(self.root)}:{child.lineno}"  # type: ignore[attr-defined]
                    found.append(
                        Import(
                            name, target, where, in_function and not reason, in_function and reason, relative
                        )
                    )
                inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                visit(child, in_function or inside)

        visit(ast.parse(text), in_function=False)
        return found

    def _targets(self, node: ast.AST) -> list[tuple[str, bool]]:
        if isinstance(node, ast.Import):
            return [(alias.name, False) for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            inner = [f"{base}.{alias.name}" for alias in node.names]
            return [(full if full in self.modules else base, node.level > 0) for full in inner]
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func)
            if called in ("importlib.import_module", "import_module", "__import__"):
                return [(str(node.args[0].value), False)]
        return []


def package_of(module: str) -> str | None:
    """``'ops'`` for ``ferax._src.ops.reduce``; None outside of ``_src``."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["ferax", "_src"] and len(parts) > 2 else None


def floor_of(module: str) -> int:
    package = package_of(module)
    return PUBLIC if package is None else FLOOR_OF[package]


def is_ours(target: str) -> bool:
    return target.split(".")[0] == "ferax"


# ----------------------------------------------------------------------- the rules: each lists what breaks it


def packages_without_floor(house: House) -> list[str]:
    inside = {package_of(name) for name in house.modules} - {None}
    return [f"ferax/_src/{package} stands on no floor" for package in sorted(inside - FLOOR_OF.keys())]


def upward_imports(house: House) -> list[str]:
    """The array API itself may hand out a public package (``__array_namespace__``), in a function and lazily."""
    return [
        f"{i.where}: floor {floor_of(i.importer)} imports {i.target} (floor {floor_of(i.target)})"
        for i in house.imports
        if package_of(i.importer) and is_ours(i.target) and i.target != "ferax._src"
        if floor_of(i.target) > floor_of(i.importer)
        if not (i.lazy and floor_of(i.importer) >= FLOOR_OF["numpy"] and floor_of(i.target) == PUBLIC)
    ]


def jaxlib_outside_engine(house: House) -> list[str]:
    return [
        f"{i.where}: only ferax/_src/engine imports jaxlib"
        for i in house.imports
        if i.target.split(".")[0] == "jaxlib" and package_of(i.importer) != "engine"
    ]


def jax_imports(house: House) -> list[str]:
    forbidden = ("jax", "jax_plugins")
    return [f"{i.where}: imports {i.target}" for i in house.imports if i.target.split(".")[0] in forbidden]


def hidden_imports(house: House) -> list[str]:
    return [
        f"{i.where}: imports {i.target} inside a function, with no `# lazy: reason` on the line"
        for i in house.imports
        if i.hidden
    ]


def relative_imports(house: House) -> list[str]:
    return [f"{i.where}: write the import in full" for i in house.imports if i.relative]


def cycles(house: House) -> list[str]:
    """Modules that need each other, in whatever way and wherever the import stands."""
    needs: dict[str, dict[str, str]] = {name: {} for name in house.modules if package_of(name)}
    for i in house.imports:
        if i.importer in needs and i.target in needs and i.target != i.importer:
            needs[i.importer].setdefault(i.target, i.where)
    found, settled = [], set()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            ring = [*path[path.index(module) :], module]
            steps = [f"{needs[a][b]} needs {b}" for a, b in zip(ring, ring[1:])]
            found.append("a cycle:\n    " + "\n    ".join(steps))
        elif module not in settled:
            for other in needs[module]:
                walk(other, [*path, module])
            settled.add(module)

    for module in needs:
        walk(module, [])
    return found


def logic_in_public_packages(house: House) -> list[str]:
    """Public files hold names: imports, tables of names, ``__getattr__`` and ``__dir__`` for lazy loading."""
    found = []
    for name, path in house.modules.items():
        if package_of(name) is None and path.name != "__main__.py":
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name not in (
                    "__getattr__",
                    "__dir__",
                ):
                    found.append(
                        f"{path.relative_to(house.root)}:{node.lineno}: {node.name} belongs into ferax/_src"
                    )
    return found


RULES = [
    packages_without_floor,
    upward_imports,
    jaxlib_outside_engine,
    jax_imports,
    hidden_imports,
    relative_imports,
    cycles,
    logic_in_public_packages,
]


@pytest.fixture(scope="module")
def house():
    return House(SOURCE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house(house, rule):
    broken = rule(house)
    assert not broken, "\n".join(["", *broken])


# ----------------------------------------------------------------------- the rules themselves, on built ruins


def build(tmp_path, files: dict[str, str]) -> House:
    for name, text in files.items():
        path = tmp_path / "ferax" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return House(tmp_path / "ferax")


def test_a_sound_house_has_no_complaints(tmp_path):
    sound = build(
        tmp_path,
        {
            "__init__.py": "from ferax._src.api.jit import jit\n",
            "_src/engine/__init__.py": "import jaxlib\n",
            "_src/ops/add.py": "from ferax._src.ops import mul\nfrom ferax._src import engine\n",
            "_src/ops/mul.py": "import numpy\ndef f():\n    import scipy  # lazy: slow to import\n",
            "_src/api/jit.py": "from ferax._src.ops.add import add\n",
            "_src/numpy/a.py": "def f():\n    return importlib.import_module('ferax')  # lazy: handed out\n",
        },
    )
    assert not any(rule(sound) for rule in RULES)


@pytest.mark.parametrize(
    "rule, files, complaint",
    [
        (packages_without_floor, {"_src/shed/x.py": ""}, "ferax/_src/shed stands on no floor"),
        (
            upward_imports,
            {"_src/ir/a.py": "from ferax._src.ops import add", "_src/ops/add.py": ""},
            "(floor 5)",
        ),
        (upward_imports, {"_src/ir/a.py": "import ferax"}, "imports ferax (floor 11)"),
        (
            upward_imports,
            {"_src/ir/a.py": "def f():\n import ferax._src.api.jit", "_src/api/jit.py": ""},
            "a.py:2",
        ),
        (upward_imports, {"_src/numpy/a.py": "import ferax.numpy  # lazy: no, at import"}, "a.py:1"),
        (upward_imports, {"_src/ops/a.py": "def f():\n import ferax.numpy  # lazy: too deep"}, "a.py:2"),
        (jaxlib_outside_engine, {"_src/ir/a.py": "from jaxlib.mlir import ir"}, "only ferax/_src/engine"),
        (jax_imports, {"_src/engine/a.py": "try:\n    import jax.numpy\nfinally: pass"}, "imports jax.numpy"),
        (jax_imports, {"_src/ir/a.py": "import importlib\nimportlib.import_module('jax')"}, "imports jax"),
        (hidden_imports, {"_src/ir/a.py": "def f():\n    import json"}, "imports json inside a function"),
        (
            hidden_imports,
            {"_src/ir/a.py": "class A:\n def f(self):\n  import json  # lazy:"},
            "inside a function",
        ),
        (relative_imports, {"_src/ir/a.py": "from . import b", "_src/ir/b.py": ""}, "a.py:1"),
        (
            cycles,
            {
                "_src/ir/a.py": "from ferax._src.ir import b",
                "_src/ir/b.py": "from ferax._src.ir.c import f",
                "_src/ir/c.py": "def f():\n    from ferax._src.ir.a import g  # lazy: a cycle all the same",
            },
            "needs ferax._src.ir.a",
        ),
        (
            logic_in_public_packages,
            {"numpy/__init__.py": "def sin(x): return x"},
            "sin belongs into ferax/_src",
        ),
    ],
)
def test_ruins_are_noticed(tmp_path, rule, files, complaint):
    broken = rule(build(tmp_path, files))
    assert len(broken) == 1 and complaint in broken[0], broken
