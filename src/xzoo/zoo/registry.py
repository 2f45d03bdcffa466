"""From names to backbones: names come from metadata, and only the plugin that is asked for is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xzoo.errors import PluginError, UsageError, XzooError
from xzoo.zoo import plugin
from xzoo.zoo.names import Reference, parse
from xzoo.zoo.offers import Offer, normal, read_installed
from xzoo.zoo.plugin import Declared
from xzoo.zoo.spec import Backbone, Choice, Family, FileStart, RandomStart, Start
from xzoo.zoo.wording import did_you_mean

_RANDOM = re.compile(r"random(?::(\d+))?")
_FILE_ENDINGS = (".safetensors", ".pth", ".pt")


@dataclass(frozen=True)
class Registry:
    """What is installed, as offers in the order of their names.

    `misfits` are entries that nobody can ask for, each with its fault; `left_out` those that XZOO_PLUGINS or --no-plugin hides.
    """

    offers: tuple[Offer, ...]
    misfits: tuple[Offer, ...] = ()
    left_out: tuple[Offer, ...] = ()

    @classmethod
    def installed(cls) -> Registry:
        """Read the metadata of every distribution on `sys.path`; no plugin is imported. Raises as `read_installed` does."""
        found = read_installed()
        return cls(found.offers, found.misfits, found.left_out)

    def names(self) -> tuple[str, ...]:
        """Return the names on offer, each once: of single backbones, and of families."""
        return tuple(dict.fromkeys(offer.name for offer in self.offers))

    def family_offers(self, name: str) -> tuple[Offer, ...]:
        """Return the offers of one name: none, one, or those of rivals."""
        return tuple(offer for offer in self.offers if offer.name == name)

    def members(self, offer: Offer) -> tuple[str, ...]:
        """Return the full names behind an offer, a family's from the table that it ships. Raises PluginError."""
        names: list[str] = []
        for item in plugin.declarations(offer, self.own_names(offer)):
            if isinstance(item, Family) and item.name == offer.name:
                names += [f"{item.name}/{member}" for member in _listed(offer, item)]
            elif isinstance(item, Backbone) and offer.name in (item.name, item.name.partition("/")[0]):
                names.append(item.name)
        return tuple(names)

    def get(self, wanted: str | Reference | Backbone | Choice) -> Choice:
        """Return the backbone that is meant, with the weights it starts from, importing its plugin alone.

        Raises UsageError for names that are not there or not clear, PluginError for a plugin that fails.
        """
        if isinstance(wanted, Choice):
            return wanted
        if isinstance(wanted, Backbone):
            return Choice(wanted, start_of(wanted, ""), origin="python", name=wanted.name)
        reference = parse(wanted) if isinstance(wanted, str) else wanted
        if reference.file:
            backbone = plugin.from_file(reference.file, reference.attribute)
            start = start_of(backbone, reference.weights)
            return Choice(backbone, start, origin=reference.file, name=backbone.name, reference=reference)
        offer = self._offer(reference)
        backbone = _pick(offer, plugin.declarations(offer, self.own_names(offer)), reference.name)
        name = f"{reference.distribution}:{backbone.name}" if reference.distribution else backbone.name
        start = start_of(backbone, reference.weights)
        return Choice(backbone, start, origin=offer.origin, name=name, reference=reference)

    def own_names(self, offer: Offer) -> set[str]:
        """Return the names that the distribution behind an offer may declare: those of all its entry points."""
        every = (*self.offers, *self.left_out)
        return {other.name for other in every if other.distribution == offer.distribution}

    def _offer(self, reference: Reference) -> Offer:
        family = reference.name.partition("/")[0]
        offers = [offer for offer in self.offers if offer.name == reference.name] or list(self.family_offers(family))
        if reference.distribution:
            chosen = [offer for offer in offers if normal(offer.distribution) == normal(reference.distribution)]
            if offers and not chosen and not any(offer.is_called(reference.distribution) for offer in self.left_out):
                raise UsageError(
                    f"{reference.distribution!r} does not offer {reference.name!r}", f"it is offered by {_owners(offers)}"
                )
            offers = chosen
        if not offers:
            raise self._missing(reference.name, family)
        if len(offers) > 1:
            raise clash(reference.name, offers)
        return offers[0]

    def _missing(self, name: str, family: str) -> XzooError:
        for misfit in self.misfits:
            if misfit.name in (name, family):
                return PluginError(f"{misfit.origin} {misfit.fault}", f"upgrade, repair or uninstall {misfit.distribution}")
        for hidden in self.left_out:
            if hidden.name in (name, family):
                return UsageError(
                    f"{name!r} of {hidden.origin} is left out here", "look at XZOO_PLUGINS, XZOO_NO_PLUGINS and --no-plugin"
                )
        return UsageError(f"there is no backbone {name!r}", f"{did_you_mean(name, self.names())}`xzoo list` shows all")


def clash(name: str, offers: Sequence[Offer]) -> UsageError:
    """Return the error for a name that several offer; two distributions of one name are told apart by where they lie."""
    first = offers[0].distribution
    if len({normal(offer.distribution) for offer in offers}) == 1:
        return UsageError(
            f"{name!r} is offered by {' and '.join(f'{offer.origin} in {offer.place}' for offer in offers)}",
            f"two distributions call themselves {first}: uninstall the one that should not",
        )
    return UsageError(f"{name!r} is offered by {_owners(offers)}", f"uninstall one, or ask for {first}:{name}")


def _pick(offer: Offer, declared: tuple[Declared, ...], wanted: str) -> Backbone:
    """Choose the declaration that `wanted` names, through its family where it has one."""
    for item in declared:
        if isinstance(item, Backbone) and item.name == wanted:
            return item
    family_name, slash, member = wanted.partition("/")
    for item in declared:
        if isinstance(item, Family) and item.name == family_name:
            return _member(offer, item, member)
    members = [item.name for item in declared if isinstance(item, Backbone) and item.name.startswith(f"{family_name}/")]
    if members:
        near = did_you_mean(wanted, members) if slash else ""
        raise UsageError(f"{offer.origin} offers no {wanted!r}", f"{near}it offers {_some(members)}")
    if slash:
        raise UsageError(f"{family_name!r} of {offer.origin} is one backbone, no family", f"ask for {family_name}")
    raise plugin.misnamed(offer, wanted, ", ".join(item.name for item in declared) or "nothing")


def _listed(offer: Offer, family: Family) -> tuple[str, ...]:
    return plugin.listed(offer, family)


def _member(offer: Offer, family: Family, member: str) -> Backbone:
    if not member:
        names = _listed(offer, family)
        raise UsageError(
            f"{family.name!r} is a family", f"ask for one of it, such as {family.name}/{names[0] if names else 'NAME'}"
        )
    try:
        backbone = plugin.guarded(offer, f"declare {member!r}", lambda: family.get(member))
    except PluginError as error:
        names = _listed(offer, family)
        if names and member not in names:
            near = did_you_mean(member, names)
            raise UsageError(
                f"the family {family.name!r} of {offer.origin} has no {member!r}", f"{near}it has {len(names)} names"
            ) from error
        raise
    if not isinstance(backbone, Backbone) or backbone.name != f"{family.name}/{member}":
        raise plugin.misnamed(offer, f"{family.name}/{member}", getattr(backbone, "name", repr(backbone)))
    plugin.check_types(offer, backbone)
    return backbone


def start_of(backbone: Backbone, weights: str) -> Start:
    """Return the weights that the words behind the `@` name; without any, the backbone's default. Raises UsageError."""
    if not weights:
        return backbone.weights[0] if backbone.weights else RandomStart(0)
    for published in backbone.weights:
        if published.name == weights:
            return published
    if found := _RANDOM.fullmatch(weights):
        return RandomStart(int(found[1] or 0))
    if weights.startswith((".", "/", "~")) or weights.endswith(_FILE_ENDINGS):
        return FileStart(_own_file(weights))
    if backbone.other_weights is not None:
        return backbone.other_weights(weights)
    names = [published.name for published in backbone.weights]
    has = f"it has {', '.join(names)}" if names else "none are published for it"
    raise UsageError(
        f"backbone {backbone.name!r} has no weights {weights!r}",
        f"{did_you_mean(weights, [*names, 'random'])}{has}; @random and @/path/file.safetensors work too",
    )


def _own_file(path: str) -> str:
    try:
        Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"the home in {path!r} is not known", "write the whole path behind the '@'") from error
    return path


def _owners(offers: Iterable[Offer]) -> str:
    return " and ".join(offer.origin for offer in offers)


def _some(names: list[str], limit: int = 8) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
