"""Folders of image files: `train|val|test/class/file` or `class/file`, at any depth below the class."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xzoo.data.decode import SUFFIXES, ImageFiles
from xzoo.data.items import SPLIT_NAMES, Found, Item, counted, listed, natural, printable
from xzoo.errors import DataError
from xzoo.runs.result import Finding

JUNK = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
FOLLOW = "XZOO_FOLLOW_LINKS"
"""The variable by which links that lead out of a folder are followed: who sets it knows who made them."""

MOST_DEEP = 100
"""Folders inside of each other: more are a trap for whoever walks through them."""


@dataclass
class Walk:
    """What a walk through a dataset's folder passed over or followed, by kind."""

    hidden: list[str] = field(default_factory=list)
    linked_folders: list[str] = field(default_factory=list)
    linked_files: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)

    def folders(self, root: Path, folder: Path) -> list[Path]:
        """Return the folders directly in `folder` that may hold images, in natural order."""
        return [path for path in self._visible(root, folder) if path.is_dir()]

    def files(self, root: Path, folder: Path, suffixes: Iterable[str] = SUFFIXES) -> Iterator[Path]:
        """Yield the files of these suffixes at any depth, in natural order. Linked folders are not entered. Raises DataError."""
        if len(folder.parts) - len(root.parts) > MOST_DEEP:
            raise DataError(
                f"{root} holds more than {MOST_DEEP} folders inside of each other: {listed([folder.relative_to(root)])}",
                "give the folder that holds the images",
            )
        for path in self._visible(root, folder):
            if path.is_dir():
                yield from self.files(root, path, suffixes)
            elif path.suffix.lower() not in suffixes or not (path.is_file() or path.is_symlink()):
                self.other[path.suffix.lower() or "no suffix"] += 1
            else:
                if path.is_symlink():
                    self._follow(root, path)
                yield path

    def check_links(self, root: Path) -> None:
        """Refuse a folder whose links lead out of it, unless XZOO_FOLLOW_LINKS says that they may. Raises DataError."""
        if self.outside and os.environ.get(FOLLOW, "") in {"", "0"}:
            raise DataError(
                f"{counted(len(self.outside), 'link')} lead out of {root}: {listed(self.outside)}",
                f"copy the files (`cp -rL {shlex.quote(printable(root.name))} COPY`), list them in a .csv,"
                f" or set {FOLLOW}=1 where you know who made the links",
            )

    def _follow(self, root: Path, path: Path) -> None:
        relative = path.relative_to(root).as_posix()
        self.linked_files.append(relative)
        # os.path: a loop is no error here, opening the file tells of it.
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
            self.outside.append(f"{relative} -> {os.readlink(path)}")  # noqa: PTH115

    def findings(self) -> tuple[Finding, ...]:
        """Return one finding for each kind that was met."""
        kinds = self.other.most_common()
        told = [
            ("hidden-files", "info", self.hidden, "hidden or system files and folders were passed over"),
            ("linked-folders", "warning", self.linked_folders, "links to folders were not followed"),
            ("linked-files", "info", self.linked_files, "links to files were followed"),
            ("loose-images", "warning", self.loose, "images or folders outside of the class folders were passed over"),
        ]
        found = [
            Finding(name, severity, f"{len(names)} {text}: {listed(names)}") for name, severity, names, text in told if names
        ]
        if kinds:
            text = ", ".join(f"{count} {suffix}" for suffix, count in kinds)
            found.append(Finding("other-files", "info", f"files of other kinds were passed over: {text}"))
        return tuple(found)

    def _visible(self, root: Path, folder: Path) -> Iterator[Path]:
        with os.scandir(folder) as entries:
            names = natural(entry.name for entry in entries)
        for path in (folder / name for name in names):
            relative = path.relative_to(root).as_posix()
            if path.name.startswith(".") or path.name in JUNK:
                self.hidden.append(relative)
            elif path.is_symlink() and path.is_dir():
                self.linked_folders.append(relative)
            else:
                yield path


def read_folder(root: Path) -> Found:
    """Read a folder of image files. Raises DataError where it is not laid out as classes."""
    walk = Walk()
    files: list[Path] = []
    items: list[Item] = []
    folders = class_folders(root, walk)
    classes = natural({folder.name for _, folder in folders})
    label_of = {name: label for label, name in enumerate(classes)}
    empty: list[str] = []
    for split, folder in folders:
        before = len(files)
        for path in walk.files(root, folder):
            files.append(path)
            items.append(Item(path.relative_to(root).as_posix(), label_of[folder.name], split))
        if len(files) == before:
            empty.append(folder.relative_to(root).as_posix())
    walk.check_links(root)
    hint = _hint(root, classes, walk)
    if files and empty:
        raise DataError(f"{root}: no images in {listed(empty)}", f"add images or remove the folder{'; ' + hint if hint else ''}")
    images = ImageFiles(tuple(files), tuple(item.id for item in items))
    name, shown = printable(root.resolve().name), tuple(map(printable, classes))
    return Found(name, shown, tuple(items), images.read, images.decode, images.digest, walk.findings(), hint)


def class_folders(root: Path, walk: Walk) -> list[tuple[str | None, Path]]:
    """Return the class folders with the split that each lies in, None where none is declared. Raises DataError."""
    top = walk.folders(root, root)
    splits = split_folders(top)
    walk.loose += [path.name for path in root.iterdir() if _is_loose(path)]
    if not splits:
        return [(None, folder) for folder in top]
    walk.loose += [path.name for path in top if path not in splits.values()]
    for folder in splits.values():
        walk.loose += [f"{folder.name}/{path.name}" for path in folder.iterdir() if _is_loose(path)]
    return [(split, folder) for split, inside in splits.items() for folder in walk.folders(root, inside)]


def split_folders(folders: Iterable[Path]) -> Mapping[str, Path]:
    """Return the folders that declare splits, by split; nothing where none is called train. Raises DataError."""
    named: dict[str, Path] = {}
    folders = list(folders)
    for folder in folders:
        if split := SPLIT_NAMES.get(folder.name.lower()):
            if split in named:
                raise DataError(
                    f"{folder.parent}: {named[split].name} and {folder.name} both name {split}", "keep one of the two"
                )
            named[split] = folder
    if named and "train" not in named and len(named) == len(folders):
        raise DataError(f"{folders[0].parent} declares {listed(list(named))} and no train", "add a folder called train")
    return {split: named[split] for split in ("train", "val", "test") if split in named} if "train" in named else {}


def _hint(root: Path, classes: list[str], walk: Walk) -> str:
    if walk.other[".dcm"]:
        return f"xzoo does not read DICOM files yet: {counted(walk.other['.dcm'], 'file')} ending in .dcm"
    if walk.loose and not classes:
        return f"{counted(len(walk.loose), 'image')} lie in {root} itself: put those of each class in a folder of its own"
    if len(classes) == 1 and any(path.is_dir() for path in (root / classes[0]).glob("*")):
        return f"if the dataset is the folder inside, give {root / classes[0]}"
    return f"xzoo looks for {root}/CLASS/IMAGE or {root}/train/CLASS/IMAGE, ending in {', '.join(sorted(SUFFIXES))}"


def _is_loose(path: Path) -> bool:
    """Whether an image, or a link that leads nowhere, lies where class folders are expected."""
    is_image = path.suffix.lower() in SUFFIXES and path.is_file()
    return (is_image or (path.is_symlink() and not path.exists())) and not path.name.startswith(".")
