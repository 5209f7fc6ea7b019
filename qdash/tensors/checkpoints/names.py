"""Names of weights as wrappers change them, and back."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

# Path components that wrappers put before or inside the names of what they wrap.
_WRAPPERS = ("module", "_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_flat_param_wrapped_module")


@dataclass(frozen=True)
class Renaming:
    """names: of the file → of the model. prefix: what was cut off their beginning; added: what was put before it.
    inside: wrappers' components that were taken out. outside: names of the file that lie outside the prefix."""

    names: dict[str, str]
    prefix: str = ""
    added: str = ""
    inside: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What was done, for a person."""
        said = [f"removed {part!r} from the names of the weights" for part in self.inside]
        if self.prefix:
            said.append(f"removed the prefix {self.prefix!r} from the names of the weights")
        if self.added:
            said.append(f"added the prefix {self.added!r} to the names of the weights")
        if self.outside:
            said.append(f"left out what lies beside {self.prefix!r}: {few(self.outside)}")
        return said


def renaming(names: Collection[str], wanted: Collection[str]) -> Renaming:
    """How a file's names become the model's: wrappers taken out where they are in the way, and the prefix cut off
    under which most of the wanted names lie.

    >>> renaming(["module.fc.weight", "n_averaged"], ["fc.weight"]).names
    {'module.fc.weight': 'fc.weight'}
    """
    goal = set(wanted)
    plain = {name: name for name in names}
    found = len(goal & set(plain))
    if goal and found == len(goal):
        return Renaming(plain)
    inside = tuple(part for part in _WRAPPERS if _within(part, names) and not _within(part, goal))
    cut, hits = _best_cut(plain, goal)
    cleaned = {name: _without(name, inside) for name in names}
    clean_cut, clean_hits = _best_cut(cleaned, goal)
    if max(hits, clean_hits) <= found:
        return Renaming(plain) if found else _with_prefix(plain, goal)
    if hits >= clean_hits:  # the wrapper is all in front
        return _renamed(plain, cut, ())
    return _renamed(cleaned, clean_cut, inside)


def _best_cut(names: dict[str, str], goal: Collection[str]) -> tuple[str, int]:
    """The prefix under which most wanted names lie, the shortest of several, and how many lie there."""
    found = ((_hits(names.values(), prefix, goal), -len(prefix), prefix) for prefix in _prefixes(names.values()))
    hits, _, prefix = max(found, default=(0, 0, ""))
    return prefix, hits


def _renamed(cleaned: dict[str, str], prefix: str, inside: tuple[str, ...]) -> Renaming:
    kept = {name: clean.removeprefix(prefix) for name, clean in cleaned.items() if clean.startswith(prefix)}
    outside = tuple(name for name in cleaned if name not in kept)
    return Renaming(kept, prefix, inside=tuple(part for part in inside if _within(part, kept)), outside=outside)


def _within(part: str, names: Iterable[str]) -> bool:
    """Whether a component of a name's path is `part`."""
    return any(part in name.split(".")[:-1] for name in names)


def few(names: Iterable[str]) -> str:
    """The first three names, and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _with_prefix(plain: dict[str, str], goal: Collection[str]) -> Renaming:
    """The names of a model that wraps the one that the file was saved from."""
    best = max(_prefixes(goal), key=lambda prefix: (sum(prefix + name in goal for name in plain), -len(prefix)))
    if not best or not any(best + name in goal for name in plain):
        return Renaming(plain)
    return Renaming({name: best + name for name in plain}, added=best)


def _without(name: str, parts: Collection[str]) -> str:
    return ".".join(part for part in name.split(".") if part not in parts)


def _prefixes(names: Iterable[str]) -> set[str]:
    """Every beginning of a name that ends with a dot, and none."""
    found = {""}
    for name in names:
        parts = name.split(".")
        found |= {".".join(parts[:n]) + "." for n in range(1, min(len(parts), 5))}
    return found


def _hits(names: Iterable[str], prefix: str, goal: Collection[str]) -> int:
    return sum(name.startswith(prefix) and name[len(prefix) :] in goal for name in names)
