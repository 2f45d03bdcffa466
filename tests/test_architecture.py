"""DESIGN's arrows, held by reading the imports: down only, no loops, plugins through the front door, one place that writes."""

from __future__ import annotations

import ast
import itertools
import statistics
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = {folder: ROOT / folder for folder in ("src", "plugins", "tests")}

WRITERS = {"refusal", "owner", "faults", "disk", "unfinished"}
"""What durable is made of; who writes a file asks durable."""

TIERS = (
    {"errors", "regular", "durable", *WRITERS},
    {"zoo", "runs", "statistics"},
    {"model", "data"},
    {"train", "evaluate"},
    {"audit", "doctor"},
    {"compare"},
    {"conformance", "report"},
    {"cli"},
    {"__main__"},
)
SIDEWAYS = {
    ("durable", "refusal"): "a failing write is told as a StorageError",
    ("durable", "disk"): "every change of a disk is a point that can be made to fail",
    ("durable", "unfinished"): "what is being written bears its process's name",
    ("refusal", "errors"): "a failing write is told as a StorageError",
    ("unfinished", "disk"): "what is put aside passes the same points",
    ("unfinished", "owner"): "what is being written bears its process's name",
    ("disk", "faults"): "every change of a disk is a point that can be made to fail",
    ("faults", "errors"): "a fault that nobody can mean is wrong use",
    ("evaluate", "train"): "predicting runs on the trainer's device and reads probabilities from its objective",
}
"""Arrows between rooms of one tier, each with its reason."""

WRITES = {
    *("write_bytes", "write_text", "mkdir", "makedirs", "unlink", "rmtree", "rmdir", "rename", "renames", "symlink_to", "chmod"),
    *("hardlink_to", "truncate", "utime", "save", "savez", "savez_compressed", "tofile", "save_file", "dump", "copytree", "move"),
    *("mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory", "os.replace", "os.remove", "os.open", "shutil.copy"),
}
WRITE_ELSEWHERE = {
    ("xzoo.runs.learnt_file", "save"): "safetensors' save gives bytes, which durable writes",
    ("xzoo.train.loop", "saving.save"): "a checkpoint, which durable's folder takes",
    ("xzoo.compare.learning", "keeping.save"): "a checkpoint, which durable's folder takes",
    ("xzoo.runs.store", "np.savez"): "numpy encodes into memory; durable's folder takes the bytes",
    ("xzoo.evaluate.formats", "save"): "safetensors' save gives bytes, which durable's folder takes",
    ("xzoo.evaluate.formats", ".save"): "torch.export encodes into memory; the bytes go into durable's folder",
    ("xzoo.compare.overlays", ".save"): "Pillow encodes into memory; the bytes go into durable's folder",
    ("xzoo.report.album", "drawn.save"): "Pillow encodes into memory; the bytes become a part of the page",
    ("xzoo.compare.pictures", "drawn.save"): "Pillow encodes into memory; durable writes the bytes",
    ("xzoo.compare.crew", ".open"): "the null device takes what a silent rank prints",
    ("xzoo.cli.ending", "os.open"): "the null device takes what a closed pipe cannot",
}
"""Calls outside of durable.py that may stay, each with its reason."""

STRANGER = CODE["plugins"] / "example"
"""A distribution of its own, which imports what it is a plugin for."""

MOST_LINES, MEDIAN_LINES = 300, 150
EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}


def modules(folder: str) -> dict[str, Path]:
    """Return the modules below a folder of the code, by their dotted names."""
    found = {}
    for path in sorted(path for path in CODE[folder].rglob("*.py") if STRANGER not in path.parents):
        parts = path.relative_to(CODE[folder]).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, known: Mapping[str, Path]) -> set[str]:
    """Return what a file imports, anywhere in it, and what the lazy face says it would; modules rather than names in them."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            found |= {name if (name := f"{module}.{alias.name}") in known else module for alias in node.names}
        elif isinstance(node, ast.Constant) and path == known.get("xzoo") and node.value in known:
            found.add(str(node.value))
    return found


@cache
def core_graph() -> Mapping[str, frozenset[str]]:
    known = modules("src")
    return {
        name: frozenset(one for one in imports(path, known) if one.partition(".")[0] == "xzoo") - {name}
        for name, path in known.items()
    }


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def tier(module: str) -> int:
    return next(place for place, rooms in enumerate(TIERS) if room(module) in rooms)


def core_arrows() -> Iterator[tuple[str, str]]:
    return ((module, imported) for module, found in core_graph().items() for imported in sorted(found))


def test_every_room_has_its_tier() -> None:
    assert {room(module) for module in core_graph()} - {""} <= set().union(*TIERS)


def test_arrows_between_rooms_point_down() -> None:
    between = [(a, b) for a, b in core_arrows() if room(a) and room(b) and room(a) != room(b)]
    assert len(between) > 50
    wrong = [f"{a} imports {b}" for a, b in between if tier(b) >= tier(a) and (room(a), room(b)) not in SIDEWAYS]
    assert wrong == []


def test_the_face_is_imported_by_the_command_line_alone() -> None:
    assert {room(a) for a, b in core_arrows() if b == "xzoo"} <= {"cli"}


def test_no_imports_go_in_a_circle() -> None:
    graph = core_graph()
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module not in done:
            for imported in sorted(graph.get(module, ())):
                visit(imported, (*way, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())
    assert done >= set(graph)


def test_the_core_imports_no_plugin() -> None:
    known = modules("src")
    plugins = {name.partition(".")[0] for name in modules("plugins")}
    wrong = [
        f"{name} imports {one}" for name, path in known.items() for one in imports(path, known) if one.split(".")[0] in plugins
    ]
    assert len(plugins) > 1
    assert wrong == []


def test_plugins_use_the_front_door_alone() -> None:
    known = modules("plugins")
    wrong = []
    for name, path in known.items():
        own = name.partition(".")[0]
        allowed = {"xzoo", "torch", "torchvision", "timm"} | sys.stdlib_module_names
        for one in imports(path, known):
            is_side_door = one.startswith("xzoo.") or (one.partition(".")[0] not in allowed | {own})
            wrong += [f"{name} imports {one}"] if is_side_door else []
    assert wrong == []


def test_plugins_import_no_torch_before_they_build() -> None:
    heavy = {"torch", "torchvision", "timm"}
    wrong = [
        f"{name}, line {node.lineno}"
        for name, path in modules("plugins").items()
        for node in tree_of(path).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        and heavy
        & {one.partition(".")[0] for one in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]}
    ]
    assert wrong == []


def calls_that_write(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each call that may change the disk past the points of durable, and its line."""
    for node in ast.walk(tree_of(path)):
        name = called(node)
        if isinstance(node, ast.Call) and not name.startswith("durable."):
            last = name.rpartition(".")[2]
            if {name, last} & WRITES or (last in {"open", "memmap"} and opens_to_write(node)):
                yield name, node.lineno


def called(node: ast.expr | ast.AST) -> str:
    """Return what a call names, as `durable.write_bytes`; only the last part where it is called on an expression."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        owner = f"{node.func.value.id}." if isinstance(node.func.value, ast.Name) else "."
        return owner + node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def opens_to_write(call: ast.Call) -> bool:
    words = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    modes = [word.value for word in words if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    return any(set(mode) <= set("rwxabt+") and set(mode) & set("wxa+") for mode in modes)


@pytest.mark.parametrize(
    ("line", "writes"),
    [
        ("path.write_text('x')", True),
        ("(folder / 'a').open('wb')", True),
        ("open(path, mode='a')", True),
        ("np.save(path, array)", True),
        ("os.replace(a, b)", True),
        ("open(path, 'rb')", False),
        ("path.open()", False),
        ("durable.write_bytes(path, b'')", False),
        ("with durable.new_folder(f) as folder:\n    (folder / 'a').write_bytes(b'')", True),
        ("with durable.new_folder(f) as folder:\n    durable.fill_bytes(folder / 'a', b'')", False),
        ("np.memmap(path, np.uint8, 'w+', shape=(2,))", True),
        ("np.memmap(path, np.uint8, 'r', shape=(2,))", False),
        ("text.replace('a', 'b')", False),
    ],
)
def test_what_counts_as_a_write(tmp_path: Path, line: str, writes: bool) -> None:
    (tmp_path / "one.py").write_text(line)
    assert bool(list(calls_that_write(tmp_path / "one.py"))) == writes


def test_durable_alone_writes_files() -> None:
    found = {
        (name, call): f"{path}, line {line}"
        for name, path in modules("src").items()
        if name.removeprefix("xzoo.") not in {"durable", *WRITERS}
        for call, line in calls_that_write(path)
    }
    assert {place: found[place] for place in found.keys() - WRITE_ELSEWHERE.keys()} == {}
    assert WRITE_ELSEWHERE.keys() - found.keys() == set(), "an exemption that nothing needs"


def test_files_are_short() -> None:
    paths = [path for folder in CODE for path in modules(folder).values()]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}
    for folder in CODE:
        assert statistics.median(length for name, length in lengths.items() if name.startswith(folder)) < MEDIAN_LINES


def test_modules_have_names_that_say_something() -> None:
    names = set(itertools.chain.from_iterable(name.split(".") for folder in CODE for name in modules(folder)))
    assert names & EMPTY_NAMES == set()
