"""Ask one plugin for its declarations, so that whatever goes wrong is its own fault and bears its name."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TypeVar

import pluggy

from xzoo.errors import PluginError, UsageError, XzooError
from xzoo.zoo import hookspecs, manners
from xzoo.zoo.names import is_name
from xzoo.zoo.offers import Offer
from xzoo.zoo.spec import Backbone, Family
from xzoo.zoo.typed import mistyped
from xzoo.zoo.wording import brief, shown, told

Declared = Backbone | Family
Answer = TypeVar("Answer")
NAMES = "use letters, digits, '_', '-' and '.', with '/' after a family"
MOST_DECLARATIONS, MOST_MEMBERS = 10_000, 100_000
_NOTHING = object()
YOUR_FILE = "(your file)"
"""What stands in the place of a version for a backbone from a file."""


def declarations(offer: Offer, own_names: Collection[str]) -> tuple[Declared, ...]:
    """Import the plugin behind `offer`, call its hook and return what it declares, all of it among `own_names`.

    What it changes of this process meanwhile is put back. Raises PluginError.
    """
    with manners.kept():
        return declared_by(offer, own_names)


def declared_by(offer: Offer, own_names: Collection[str]) -> tuple[Declared, ...]:
    """Do as `declarations` does, and leave this process as the plugin leaves it. Raises PluginError."""
    plugin = guarded(offer, f"import {offer.value}", EntryPoint(offer.name, offer.value, hookspecs.GROUP).load)
    answers = guarded(offer, "answer xzoo_backbones()", lambda: _call_hook(offer, plugin))
    answer = answers[0] if len(answers) == 1 else None
    if not isinstance(answer, Iterable) or isinstance(answer, str):
        raise _fault(offer, f"returned {shown(answer)} from xzoo_backbones()", "yield Backbone or Family values from it")
    return guarded(offer, "answer xzoo_backbones()", lambda: tuple(_checked(offer, answer, own_names)))


def listed(offer: Offer, family: Family) -> tuple[str, ...]:
    """Return the names that a family lists. Raises PluginError."""
    names = guarded(offer, "list its names", lambda: tuple(itertools.islice(family.names(), MOST_MEMBERS + 1)))
    if len(names) > MOST_MEMBERS:
        raise _fault(offer, f"lists more than {MOST_MEMBERS:,} names", "leave names() empty, and let get() take any name")
    if wrong := next((name for name in names if not is_name(name)), None):
        raise _fault(offer, f"lists {shown(wrong)}, which is no name", NAMES)
    return names


def check_types(offer: Offer, declared: object) -> None:
    """Raise PluginError where a declaration's field holds what it must not."""
    if wrong := mistyped(declared):
        raise _fault(offer, f"declares a {type(declared).__name__} whose {wrong}", "see the plugin contract in xzoo's docs")


def _checked(offer: Offer, answer: Iterable[object], own_names: Collection[str]) -> Iterator[Declared]:
    """Yield what is declared as it comes, and stop at the first fault: the rest may have no end."""
    seen: set[str] = set()
    for item in answer:
        if not issubclass(type(item), Backbone | Family):
            raise _fault(offer, f"declares {shown(item)}", "yield Backbone or Family values from xzoo_backbones()")
        check_types(offer, item)
        assert isinstance(item, Backbone | Family)
        if item.name not in own_names and item.name.partition("/")[0] not in own_names:
            raise _fault(
                offer,
                f"declares {shown(item.name)}, a name that is not its own",
                f'add {brief(item.name)} to its entry points in the group "{hookspecs.GROUP}", or take the declaration out',
            )
        if item.name in seen:
            raise _fault(offer, f"declares {item.name!r} twice", "declare each name once")
        seen.add(item.name)
        if len(seen) > MOST_DECLARATIONS:
            raise _fault(
                offer, f"declares more than {MOST_DECLARATIONS:,} backbones", "declare a Family: it makes them when asked"
            )
        yield item


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
        raise _fault(
            offer,
            f"cannot {task}: {told(error)}",
            "correct the file, then run the same command again"
            if offer.version == YOUR_FILE
            else f"upgrade, repair or uninstall {offer.distribution}; other backbones are not affected",
        ) from error


def misnamed(offer: Offer, wanted: str, got: object) -> PluginError:
    """Return the error for a plugin that was asked for one name and declared another."""
    return _fault(
        offer,
        f"does not declare {wanted!r} but {brief(str(got))}",
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
    # A module may compute what it is asked for, and so fail at it.
    found = guarded(offer, f"give {attribute!r}", lambda: getattr(module, attribute, _NOTHING))
    if found is _NOTHING:
        backbones = sorted(name for name, value in vars(module).items() if isinstance(value, Backbone))
        raise UsageError(
            f"{file} has no {attribute!r}",
            f"it has {', '.join(backbones)}" if backbones else "make a Backbone of that name in it",
        )
    made = guarded(offer, f"call {attribute}()", found) if callable(found) else found
    if not isinstance(made, Backbone):
        raise PluginError(
            f"{attribute!r} in {file} is {shown(made)}, no Backbone",
            "make it an xzoo.Backbone, or a function that returns one",
        )
    if wrong := mistyped(made):
        raise PluginError(f"{attribute!r} in {file} is a Backbone whose {wrong}", "see the plugin contract in xzoo's docs")
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
