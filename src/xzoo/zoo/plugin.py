"""Ask one plugin for its declarations, so that whatever goes wrong is its own fault and bears its name."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TypeVar

import pluggy

from xzoo.errors import PluginError, UsageError, XzooError
from xzoo.zoo import hookspecs
from xzoo.zoo.spec import Backbone, Family

Declared = Backbone | Family
Answer = TypeVar("Answer")
YOUR_FILE = "(your file)"
"""What stands in the place of a version for a backbone from a file."""


@dataclass(frozen=True)
class Offer:
    """A name that a distribution offers, and the module (`value`) that declares it."""

    name: str
    distribution: str
    version: str
    value: str

    @property
    def origin(self) -> str:
        """The distribution and its version, as messages and results show them."""
        return f"{self.distribution} {self.version}"


def declarations(offer: Offer, own_names: Collection[str]) -> tuple[Declared, ...]:
    """Import the plugin behind `offer`, call its hook and return what it declares, all of it among `own_names`.

    Raises PluginError.
    """
    plugin = guarded(offer, f"import {offer.value}", EntryPoint(offer.name, offer.value, hookspecs.GROUP).load)
    answers = guarded(offer, "answer xzoo_backbones()", lambda: _call_hook(offer, plugin))
    answer = answers[0] if len(answers) == 1 else None
    if not isinstance(answer, Iterable) or isinstance(answer, str):
        raise _fault(offer, f"returned {_short(repr(answer))} from xzoo_backbones()", "yield Backbone or Family values from it")
    declared = guarded(offer, "answer xzoo_backbones()", lambda: tuple(answer))
    for item in declared:
        if not isinstance(item, Backbone | Family):
            raise _fault(offer, f"declares {_short(repr(item))}", "yield Backbone or Family values from xzoo_backbones()")
        if item.name not in own_names and item.name.partition("/")[0] not in own_names:
            raise _fault(
                offer,
                f"declares {item.name!r}, a name that is not its own",
                f'add {item.name} to its entry points in the group "{hookspecs.GROUP}", or take the declaration out',
            )
    return declared


def guarded(offer: Offer, task: str, call: Callable[[], Answer]) -> Answer:
    """Return `call()`; whatever it raises, an exit of the interpreter included, becomes a PluginError that names the plugin."""
    try:
        return call()
    except (KeyboardInterrupt, MemoryError, UsageError):
        raise
    except PluginError as error:
        if offer.origin in error.text:
            raise
        raise _fault(offer, f"cannot {task}: {error.text}", error.remedy) from error
    except XzooError:
        raise
    except BaseException as error:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise _fault(
            offer,
            f"cannot {task}: {_short(what)}",
            "correct the file, then run the same command again"
            if offer.version == YOUR_FILE
            else f"upgrade, repair or uninstall {offer.distribution}; other backbones are not affected",
        ) from error


def misnamed(offer: Offer, wanted: str, got: object) -> PluginError:
    """Return the error for a plugin that was asked for one name and declared another."""
    return _fault(
        offer,
        f"does not declare {wanted!r} but {_short(str(got))}",
        f"its author must declare {wanted!r}, or rename the entry point",
    )


def from_file(file: str, attribute: str) -> Backbone:
    """Import a Python file and return the Backbone that it calls `attribute`, or that a function of this name returns.

    Raises UsageError for a file or name that is not there, PluginError for what fails or is no Backbone.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise UsageError(f"there is no file {file}", "check the path; it is written ./mynet.py:net")
    offer = Offer(name=attribute, distribution=file, version=YOUR_FILE, value=file)
    module = guarded(offer, "be imported", lambda: _import_file(path))
    if not hasattr(module, attribute):
        backbones = sorted(name for name, value in vars(module).items() if isinstance(value, Backbone))
        raise UsageError(
            f"{file} has no {attribute!r}",
            f"it has {', '.join(backbones)}" if backbones else "make a Backbone of that name in it",
        )
    found = getattr(module, attribute)
    made = guarded(offer, f"call {attribute}()", found) if callable(found) else found
    if not isinstance(made, Backbone):
        raise PluginError(
            f"{attribute!r} in {file} is {_short(repr(made))}, no Backbone",
            "make it an xzoo.Backbone, or a function that returns one",
        )
    return made


def _call_hook(offer: Offer, plugin: object) -> list[object]:
    manager = pluggy.PluginManager("xzoo")
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name=offer.name)
    callers = manager.get_hookcallers(plugin) or []
    if not any(caller.name == "xzoo_backbones" for caller in callers):
        raise _fault(
            offer,
            f"has no hook xzoo_backbones in {offer.value}",
            "write a function of this name and decorate it with @xzoo.hookimpl",
        )
    answers: list[object] = manager.hook.xzoo_backbones()
    return answers


def _import_file(path: Path) -> object:
    name = f"_xzoo_file_{path.stem}_{abs(hash(str(path.resolve()))):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file", "name a file that ends with .py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickling look a module up by its name while it is imported.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _fault(offer: Offer, what: str, remedy: str) -> PluginError:
    return PluginError(f"the plugin {offer.name!r} of {offer.origin} {what}", remedy)


def _short(text: str, limit: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."
