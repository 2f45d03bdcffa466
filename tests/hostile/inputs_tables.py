"""Listings, recipes, numpy's files, predictions and networks in files: those that cannot be read, or say what cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from archive_samples import NPY, NPZ, Lie, array
from inputs import Kind, Make, all_of, file, folder, giant, link, pipe
from inputs_words import GOOD

_NAMES = [(f"good/{label}/{number}.png", label) for label in "ab" for number in range(4)]
_LINES = "".join(json.dumps({"path": path, "label": label}) + "\n" for path, label in _NAMES)
ROWS = "path,label\n" + "".join(f"{path},{label}\n" for path, label in _NAMES)
_LISTING = GOOD.replace("good", "list.csv")
_OBJECTS = GOOD.replace("good", "list.jsonl")
_RECIPE = f"{GOOD} --recipe recipe.toml"
_PREDICTED = "compare a.csv b.csv --predictions"
_RIGHT = "path,label,probabilities\n" + "".join(f"{place}.png,{'ab'[place % 2]},0.5 0.5\n" for place in range(8))
_NET = f"{GOOD.replace('convgap', './net.py:net')}"


def _npy(lie: Lie) -> Make:
    def make(place: Path) -> None:
        home = place / "photos"
        home.mkdir()
        np.save(home / "b.npy", array())
        lie[0](home / "a.npy")

    return make


def _npz(lie: Lie) -> Make:
    return lambda place: lie[0](place / "photos.npz")


_CSV: list[tuple[str, str | bytes | Callable[[], bytes], str]] = [
    ("nothing but NULs", bytes(1000), ""),
    ("an image", b"\x89PNG\r\n\x1a\n" + bytes(100), "is not UTF-8"),
    ("one endless field", lambda: ROWS.encode() + b"x" * 10_000_000 + b",a\n", "is no CSV file"),
    ("a million columns", lambda: b"path,label" + b",x" * 1_000_000 + b"\n", ""),
    ("a carriage return in a name", ROWS + "good/\r.png,a\n", ""),
    ("a listed device", ROWS + "/dev/zero,a\n", "do not exist: /dev/zero"),
    ("a terminal", ROWS + "/dev/tty,a\n", "do not exist"),
    ("memory", ROWS + "/proc/self/mem,a\n", ""),
    ("a text elsewhere", ROWS + "/etc/passwd,a\n", "none of PNG"),
    ("a text above", ROWS + "../" * 40 + "etc/passwd,a\n", "none of PNG"),
    ("codes of the terminal", ROWS + "\x1b]0;x\x07.png,a\n", r"\x1b]0;x\x07.png"),
    ("letters from right to left", ROWS + "\u202egnp.png,a\n", r"\u202egnp.png"),
    ("a head of terminal codes", "\x1b[2J,label\n" + ROWS, r"\x1b[2j"),
    ("a split of terminal codes", ROWS.replace("label\n", "label,split\n").replace("a\n", "a,\x1b[2J\n"), "x1b"),
    ("formulas", "path,label\n=cmd|'/C calc'!A0,a\n", "do not exist"),
    ("a label of one image", ROWS + "good/a/0.png,c\n", ""),
]
_JSONL: list[tuple[str, str | bytes, str]] = [
    ("a hundred thousand brackets", "[" * 100_000, "is no JSON"),
    ("a hundred thousand objects", '{"path":' * 100_000, "is no JSON"),
    ("half a letter", _LINES + '{"path": "\\ud800.png", "label": "a"}', "half a letter"),
    ("a zero byte", _LINES + '{"path": "\\u0000.png", "label": "a"}', "zero byte"),
    ("a number of thousands of digits", '{"path": ' + "9" * 5000 + ', "label": "a"}', "is no JSON"),
    ("a path that is a list", _LINES + '{"path": ["a"], "label": "a"}', ""),
    ("a path that is an object", _LINES + '{"path": {"a": 1}, "label": "a"}', ""),
    ("a label that is an object", _LINES + '{"path": "good/a/0.png", "label": {"a": 1}}', "multi-label"),
    ("a label that is null", _LINES + '{"path": "good/a/0.png", "label": null}', "without a label"),
    ("numbers that are none", _LINES + '{"path": NaN, "label": Infinity}', ""),
    ("a text", '"hello"', "is no JSON object"),
    ("UTF-16", _LINES.encode("utf-16"), "is not UTF-8"),
]
_TOML: list[tuple[str, str | bytes, str]] = [
    ("a list", "lr = [1, 2]", "lr"),
    ("a table", "[lr]\nx = 1", "lr"),
    ("a date", "epochs = 2026-11-22", "epochs"),
    ("infinity", "lr = inf", "lr"),
    ("not a number", "lr = nan", "lr"),
    ("a negative number", "epochs = -1", "epochs"),
    ("a number of thousands of digits", "epochs = " + "9" * 5000, "recipe"),
    ("a fraction of an epoch", "epochs = 1.5", "epochs"),
    ("an empty text", 'optimizer = ""', "optimizer"),
    ("terminal codes in a value", 'optimizer = "\\u001b[2J"', "x1b"),
    ("terminal codes in a name", '"\\u001b[2J" = 3', "x1b"),
    ("a name twice", "lr = 1\nlr = 2", "is not TOML"),
    ("a thousand brackets", "lr = " + "[" * 100_000, "is not TOML"),
    ("a thousand tables", "a = " + "{a=" * 100_000, "is not TOML"),
    ("a long dotted name", ".".join("a" * 50_000) + " = 1", ""),
    ("NULs", bytes(100), "is not TOML"),
    ("JSON", '{"lr": 0.1}', "is not TOML"),
    ("YAML", "lr: 0.1", "is not TOML"),
    ("a recipe that is a number", "recipe = 3", ""),
    ("Python", "__import__('os').system('touch canary')", "is not TOML"),
    ("an augmentation of another place", 'augment = "../../x"', "augment"),
]
_PREDICTIONS: list[tuple[str, str, str]] = [
    ("nothing", "", "no column"),
    ("a head alone", "path,label,probabilities\n", "no predictions"),
    ("no probabilities", "path,label\n0.png,a\n1.png,b\n", ""),
    ("NaN", _RIGHT.replace("0.5 0.5", "nan nan", 1), "no probabilities"),
    ("infinity", _RIGHT.replace("0.5 0.5", "inf -inf", 1), "no probabilities"),
    ("negative ones", _RIGHT.replace("0.5 0.5", "-1 2", 1), "no probabilities"),
    ("a sum of two", _RIGHT.replace("0.5 0.5", "1 1", 1), "no probabilities"),
    ("three of two", _RIGHT.replace("0.5 0.5", "0.2 0.3 0.5", 1), ""),
    ("words", _RIGHT.replace("0.5 0.5", "high low", 1), "cannot be read"),
    ("brackets", _RIGHT.replace("0.5 0.5", "[" * 50_000, 1), "cannot be read"),
    ("a list of lists", _RIGHT.replace("0.5 0.5", '"[[1], [2]]"', 1), ""),
    ("code", _RIGHT.replace("0.5 0.5", "__import__('os')", 1), "cannot be read"),
    ("other images", _RIGHT.replace(".png", ".jpg"), "no image is in all of"),
    ("an image twice", _RIGHT + _RIGHT.partition("\n")[2], "twice"),
    ("other labels", _RIGHT.replace(",a,", ",b,", 1), "the label of"),
    ("other classes", _RIGHT.replace("0.5 0.5", '"{""x"": 0.5, ""y"": 0.5}"'), ""),
    ("terminal codes", _RIGHT.replace("0.png", "\x1b[2J.png").replace("0.5 0.5", "\x1b[2J", 1), "x1b"),
]
_CODE: list[tuple[str, str | bytes, int, str]] = [
    ("endless recursion", "def f():\n    f()\nf()", 3, "RecursionError"),
    ("an error without words", "raise type('E', (BaseException,), {'__str__': lambda s: 1 / 0})", 3, ""),
    ("terminal codes", "raise ValueError('\\x1b[2J')", 3, "x1b"),
    ("a null byte", b"net = 3\0", 3, ""),
    ("not UTF-8", b"# \xff\xfe\nnet = 3", 3, ""),
    ("brackets", "net = " + "(" * 10_000, 3, ""),
    ("a hundred thousand brackets", "net = " + "(" * 100_000 + ")" * 100_000, 3, ""),
    ("a class", "class net: pass", 3, "no Backbone"),
    ("a promise not kept", "def __getattr__(name):\n    raise OSError('no')", 3, ""),
]
KINDS = [
    *(Kind(f"csv: {name}", _LISTING, 2, [says] if says else [], file("list.csv", data)) for name, data, says in _CSV),
    *(Kind(f"jsonl: {name}", _OBJECTS, 2, [says] if says else [], file("list.jsonl", data)) for name, data, says in _JSONL),
    *(Kind(f"recipe: {name}", _RECIPE, 2, [says] if says else [], file("recipe.toml", data)) for name, data, says in _TOML),
    *(
        Kind(f"{kind}: {name}", line, code, [says], make(path))
        for kind, line, path, code in (
            ("csv", _LISTING, "list.csv", 2),
            ("jsonl", _OBJECTS, "list.jsonl", 2),
            ("recipe", _RECIPE, "recipe.toml", 2),
            ("npz", GOOD.replace("good", "photos.npz"), "photos.npz", 2),
        )
        for name, make, says in (
            ("a pipe", pipe, "a pipe"),
            ("a folder", folder, ""),
            ("three gigabytes of nothing", giant, path),
            ("a device", lambda path: link(path, "/dev/zero"), "a device"),
            ("a link to itself", lambda path: link(path, path), path),
        )
        if not (name == "a folder" and kind != "recipe")
    ),
    *(Kind(f"npy: {name}", GOOD.replace("good", "photos"), 2, [lie[1]], _npy(lie)) for name, lie in NPY.items()),
    *(Kind(f"npz: {name}", GOOD.replace("good", "photos.npz"), 2, [lie[1]], _npz(lie)) for name, lie in NPZ.items()),
    *(
        Kind(f"predictions: {name}", _PREDICTED, 2, [says] if says else [], all_of(file("a.csv", text), file("b.csv", _RIGHT)))
        for name, text, says in _PREDICTIONS
    ),
    Kind("predictions: a pipe", _PREDICTED, 2, ["a.csv"], lambda place: [pipe("a.csv")(place), file("b.csv", _RIGHT)(place)]),
    Kind("predictions: an image", _PREDICTED, 2, ["not UTF-8"], all_of(file("a.csv", b"\x89PNG\r\n"), file("b.csv", _RIGHT))),
    Kind("predictions: a file twice", "compare a.csv a.csv --predictions", 2, ["given twice"], file("a.csv", _RIGHT)),
    *(Kind(f"network: {name}", _NET, code, [says] if says else [], file("net.py", data)) for name, data, code, says in _CODE),
    Kind("network: a pipe", _NET, 2, ["net.py"], pipe("net.py")),
    Kind("network: a folder", _NET, 2, ["net.py"], folder("net.py")),
    Kind("network: a device", _NET, 2, ["net.py"], link("net.py", "/dev/zero")),
]
