"""Follow a checkpoint's pickle without carrying it out: what it would make, told in plain values. No torch.

torch's own reader carries a pickle out as far as it thinks it safe. What is asked for here is far less, and it is asked before:
opcodes, names and sizes of a state dict and of what training keeps beside it, and nothing that only an attack has.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from xzoo.model.described import DTYPES, Described, RefusedError, Storage, described, is_count

MOST_BYTES = 64_000_000
"""Longest pickle: tensors lie outside of it, and those of the largest networks take less than a million bytes to tell of."""
_AS_SAVED = "name a .safetensors file, or what torch.save wrote of a state dict"
_MOST_STEPS = 2_000_000
_MOST_LETTERS = 100_000
_OTHER_TENSORS = {
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_sparse_csr_tensor": "a sparse tensor",
    "_rebuild_qtensor": "a quantised tensor",
    "_rebuild_meta_tensor_no_storage": "a tensor without values",
    "_rebuild_tensor_v3": "a tensor of a type that networks do not have",
    "_rebuild_wrapper_subclass": "a tensor of a class of its own",
    "_rebuild_from_type_v2": "a tensor of a class of its own",
    "_rebuild_nested_tensor": "a nested tensor",
}
_PLAIN_NAMES = {"collections OrderedDict", "collections Counter", "torch Size", "torch device", "_codecs encode"}
_LARGEST_KEY = 1 << 60
_MARK = object()


class Inert:
    """A value that is no tensor and holds none; what it is does not matter."""


class Name:
    """What a pickle asks for by its name; nothing is looked up."""

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def storage(self) -> str:
        """Return the key in DTYPES where it names a storage, else nothing."""
        module, _, name = self.text.partition(" ")
        kind = name.removesuffix("Storage")
        return kind if module in {"torch", "torch.cuda"} and name.endswith("Storage") and kind in DTYPES else ""


class Pickle:
    """The pickle that `stream` comes to next, followed to its end: its `value`, and the `storages` that it names."""

    def __init__(self, stream: io.BytesIO) -> None:
        self.storages: list[Storage] = []
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self.value = self._follow(stream)

    def _follow(self, stream: io.BytesIO) -> Any:
        try:
            with warnings.catch_warnings():
                # An altered text may hold escapes that Python will not know for ever.
                warnings.simplefilter("ignore")
                for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
                    if opcode.name == "STOP":
                        return self._stack.pop()
                    act = _ACTS.get(opcode.name)
                    if act is None or count > _MOST_STEPS:
                        raise RefusedError("is no checkpoint", _AS_SAVED)
                    act(self, argument)
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise RefusedError("is truncated or no checkpoint", _AS_SAVED) from error
        raise RefusedError("is truncated")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _push_text(self, value: str) -> None:
        if len(value) > _MOST_LETTERS:
            raise RefusedError(f"holds a text of {len(value):,} letters, which no checkpoint needs")
        self._stack.append(value)

    def _ask(self, text: str) -> None:
        name = Name(text)
        module, _, last = text.partition(" ")
        if module.startswith("torch") and last in _OTHER_TENSORS:
            raise RefusedError(f"holds {_OTHER_TENSORS[last]}", "save plain tensors: module.state_dict(), best as .safetensors")
        if module in {"torch", "torch.cuda"} and last.endswith("Storage") and not name.storage:
            raise RefusedError(
                f"holds {last.removesuffix('Storage')[:40]} tensors, which no network here has", "save its weights as float32"
            )
        if not (name.storage or text in _PLAIN_NAMES or text in _MAKES or (module == "torch" and last in _DTYPE_NAMES)):
            shown = repr(text.replace(" ", ".")[:100])
            raise RefusedError(
                f"holds more than tensors (it asks for {shown}), and nothing in it was executed",
                "save its state dict alone, best as .safetensors, on a machine where you trust it",
            )
        self._stack.append(name)

    def _call(self, _: object) -> None:
        arguments, name = self._stack.pop(), self._stack.pop()
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise RefusedError("calls what cannot be called, and nothing in it was executed")
        make = _MAKES.get(name.text)
        self._stack.append(make(*arguments) if make else Inert())

    def _persistent(self, _: object) -> None:
        mark, kind, key, _place, numel, *views = self._stack.pop()
        if mark != "storage" or not isinstance(kind, Name) or not kind.storage or views not in ([], [None]):
            raise RefusedError("names a storage that is none")
        if not isinstance(key, str) or not (key.isascii() and key.isdecimal()) or not is_count(numel):
            raise RefusedError("names a storage that is none")
        self.storages.append(Storage(key, kind.storage, numel))
        self._stack.append(self.storages[-1])

    def _build(self, _: object) -> None:
        # An OrderedDict takes attributes so, and one called `items` would hide what it holds.
        state, built = self._stack.pop(), self._stack[-1]
        if type(built) is not OrderedDict or not isinstance(state, dict) or state.keys() - {"_metadata"}:
            raise RefusedError("sets attributes that no checkpoint sets, and nothing in it was executed")

    def _put(self, pairs: list[Any]) -> None:
        goal = self._stack[-1]
        if not isinstance(goal, dict) or len(pairs) % 2:
            raise RefusedError("is no checkpoint")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            _refuse_odd_name(key)
            goal[key] = value

    def _append(self, values: list[Any]) -> None:
        goal = self._stack[-1]
        if not isinstance(goal, list):
            raise RefusedError("is no checkpoint")
        goal.extend(values)

    def _taken(self, count: int) -> list[Any]:
        if len(self._stack) < count or any(value is _MARK for value in self._stack[len(self._stack) - count :]):
            raise RefusedError("is truncated or no checkpoint")
        taken = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return taken

    def _marked(self) -> list[Any]:
        place = len(self._stack) - 1
        while self._stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise RefusedError("is truncated or no checkpoint")
        values = self._stack[place + 1 :]
        del self._stack[place:]
        return values

    def _remember(self, number: int) -> None:
        self._memo[number] = self._stack[-1]


def _tensor(storage: object, offset: object, shape: object, stride: object, *rest: object) -> Described:
    # What may follow: requires_grad, hooks (none), metadata.
    if any(one not in (True, False, None) and not (isinstance(one, dict) and not one) for one in rest):
        raise RefusedError("holds a tensor with more than values")
    return described(storage, offset, shape, stride)


def _parameter(tensor: object, *rest: object) -> Described:
    if not isinstance(tensor, Described) or any(isinstance(one, dict) and one for one in rest):
        raise RefusedError("holds a parameter that is no tensor")
    return tensor


def _ordered(*given: object) -> OrderedDict[Any, Any]:
    found: OrderedDict[Any, Any] = OrderedDict()
    # Python 2 wrote what it holds behind its name, in pairs.
    for pair in given[0] if len(given) == 1 and isinstance(given[0], list) else given:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise RefusedError("is no checkpoint")
        _refuse_odd_name(pair[0])
        found[pair[0]] = pair[1]
    return found


def _set(*given: object) -> Inert:
    for one in given[0] if len(given) == 1 and isinstance(given[0], list) else given:
        _refuse_odd_name(one)
    return Inert()


def _refuse_odd_name(key: object) -> None:
    # The hash of a deep tuple can end the process or never end, and any number of large numbers share one hash.
    if not (key is None or isinstance(key, str) or (isinstance(key, int) and abs(key) < _LARGEST_KEY)):
        raise RefusedError(f"holds a {type(key).__name__} for a name", "save module.state_dict() in it")


_MAKES: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": _ordered,
    **dict.fromkeys(("builtins set", "__builtin__ set"), _set),
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}
_DTYPE_NAMES = {name for name, _ in DTYPES.values()}

_ACTS: dict[str, Callable[[Pickle, Any], None]] = {
    "PROTO": lambda _machine, _number: None,
    "MARK": lambda machine, _: machine._push(_MARK),
    "GLOBAL": Pickle._ask,
    "REDUCE": Pickle._call,
    "BUILD": Pickle._build,
    "BINPERSID": Pickle._persistent,
    "NONE": lambda machine, _: machine._push(None),
    "NEWTRUE": lambda machine, _: machine._push(True),
    "NEWFALSE": lambda machine, _: machine._push(False),
    "EMPTY_TUPLE": lambda machine, _: machine._push(()),
    "EMPTY_LIST": lambda machine, _: machine._push([]),
    "EMPTY_DICT": lambda machine, _: machine._push({}),
    "TUPLE1": lambda machine, _: machine._push(tuple(machine._taken(1))),
    "TUPLE2": lambda machine, _: machine._push(tuple(machine._taken(2))),
    "TUPLE3": lambda machine, _: machine._push(tuple(machine._taken(3))),
    "TUPLE": lambda machine, _: machine._push(tuple(machine._marked())),
    "APPEND": lambda machine, _: machine._append(machine._taken(1)),
    "APPENDS": lambda machine, _: machine._append(machine._marked()),
    "SETITEM": lambda machine, _: machine._put(machine._taken(2)),
    "SETITEMS": lambda machine, _: machine._put(machine._marked()),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "BINFLOAT", "LONG1"), Pickle._push),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINSTRING"), Pickle._push_text),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), Pickle._remember),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda machine, number: machine._push(machine._memo[number])),
}
"""What each opcode does; a file with any other is none that torch.save writes of tensors."""
