"""Which modules of a model are quantizable layers, and what is skipped and why: coverage is never silent."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from qdash.errors import ModelError, SpecError
from qdash.instrument.calls import ROOT
from qdash.instrument.folding import Folding
from qdash.instrument.operations import Operation
from qdash.instrument.weights import identity, parameters_of
from qdash.layers.base import REGISTRY, LayerKind
from qdash.records.facts import SkippedModule
from qdash.records.names import whole
from qdash.spec.layers import matches
from qdash.sweep.prepare.fit import unfit_weights
from qdash.sweep.prepare.survey import Survey

FUNCTIONAL = "functional"


@dataclass(frozen=True)
class Found:
    """What can be quantized and what can't.

    layers: in call order. tied: layer → the other modules that share its weights and are quantized with it.
    skipped: what stays FP32, with its reason. covered_macs: layer → multiply-accumulates per sample, of all its sites.
    """

    layers: dict[str, LayerKind]
    tied: dict[str, dict[str, LayerKind]]
    skipped: list[SkippedModule]
    covered_macs: dict[str, float]

    @property
    def kinds(self) -> dict[str, LayerKind]:
        """Of every module of every layer."""
        return self.layers | {name: kind for others in self.tied.values() for name, kind in others.items()}

    def selected(self, patterns: str) -> "Found":
        """The layers that a pattern matches, by their own name or that of a module they share a weight with.

        patterns: comma-separated globs. Raises SpecError where nothing matches.
        """
        sites = {name: (name, *self.tied.get(name, ())) for name in self.layers}
        chosen = {n: kind for n, kind in self.layers.items() if any(matches(site, patterns) for site in sites[n])}
        if not chosen:
            names = ", ".join(list(self.layers)[:8]) + (", …" if len(self.layers) > 8 else "")
            raise SpecError(f"no layer matches --layers {patterns!r}; layers are: {names}")
        reason = f"not selected by --layers {patterns}"
        left = [
            SkippedModule(name, "", 0, self.covered_macs[name], reason) for name in self.layers if name not in chosen
        ]
        tied = {name: others for name, others in self.tied.items() if name in chosen}
        return Found(chosen, tied, self.skipped + left, self.covered_macs)


def kinds_of(modules: Mapping[str, nn.Module]) -> dict[str, LayerKind]:
    """Module path → kind, for every module of a known kind that is no part of another layer."""
    kinds = [entry.create() for entry in REGISTRY]
    found = {}
    for name, module in modules.items():
        near = [(distance, kind) for kind in kinds if (distance := kind.distance(module)) is not None]
        if near and not unfit_weights(module):
            found[name] = min(near, key=lambda pair: pair[0])[1]
    parts = {part for name, kind in found.items() for part in _parts(name, modules[name], kind)}
    return {name: kind for name, kind in found.items() if name not in parts}


def find_layers(modules: Mapping[str, nn.Module], census: Survey, folding: Folding, functional: bool) -> Found:
    """From what one forward called; functional operations only where they are asked for.

    Raises ModelError where there is no layer.
    """
    called = sorted((name for name in census.kinds if name in census.first_call), key=census.first_call.__getitem__)
    chosen = [name for name in called if name not in census.masks]
    chosen = [name for name in chosen if functional or not isinstance(modules[name], Operation)]
    kinds = {n: kind for name in chosen for n, kind in _layers_of(name, modules[name], census.kinds[name]).items()}
    layers: dict[str, LayerKind] = {}
    tied: dict[str, dict[str, LayerKind]] = {}
    for group in _groups(list(kinds), modules, kinds):
        first, *others = group
        layers[first] = kinds[first]
        if others:
            tied[first] = {name: kinds[name] for name in others}
    if not layers:
        raise ModelError(_no_layer(modules))

    def macs(name: str) -> float:
        return census.covered_macs.get(whole(name), 0.0) * kinds[name].share(modules[whole(name)])

    covered = {name: sum(map(macs, (name, *tied.get(name, ())))) for name in layers}
    skipped = _skipped_modules(modules, census, set(chosen), folding)
    skipped += _skipped_operations(modules, census, set(chosen))
    return Found(layers, tied, skipped, covered)


def _layers_of(name: str, module: nn.Module, kind: LayerKind) -> dict[str, LayerKind]:
    """A module, or its parts where they share no weight."""
    parts = kind.parts(module)
    weights = [identity(module, path) for part in parts.values() for path in part.weights(module)]
    if not parts or len(set(weights)) < len(weights):
        return {name: kind}
    return {f"{name}#{part}": each for part, each in parts.items()}


def _no_layer(modules: Mapping[str, nn.Module]) -> str:
    types = sorted({type(module).__name__ for name, module in modules.items() if name != ROOT})
    shown = ", ".join(types) or type(modules[ROOT]).__name__
    return f"the model has no quantizable layer (it has {shown}); see: python -m qdash list layers"


def _groups(names: list[str], modules: Mapping[str, nn.Module], kinds: Mapping[str, LayerKind]) -> list[list[str]]:
    """Layers that share a weight, also by way of a third, stand together; in call order, as they come."""
    leader = {name: name for name in names}
    owner: dict[int, str] = {}
    order = {name: place for place, name in enumerate(names)}

    def first_of(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for name in names:
        module = modules[whole(name)]
        for path in kinds[name].weights(module):
            other = owner.setdefault(identity(module, path), name)
            early, late = sorted((first_of(name), first_of(other)), key=order.__getitem__)
            leader[late] = early
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(first_of(name), []).append(name)
    return list(groups.values())


def _parts(name: str, module: nn.Module, kind: LayerKind) -> set[str]:
    """Modules inside a layer that hold its weights: an output projection, a parametrization."""
    prefix = "" if name == ROOT else f"{name}."
    owners = {path.rpartition(".")[0] for path in kind.weights(module)}
    held = {prefix + owner for owner in owners if owner}
    computed = {prefix + n for n, _ in module.named_modules() if n.startswith("parametrizations")}
    return held | computed


def _skipped_modules(
    modules: Mapping[str, nn.Module], census: Survey, chosen: set[str], folding: Folding
) -> list[SkippedModule]:
    kinds = census.kinds
    norms = {fold.norm: f"folded into {fold.layer}" for fold in folding.folds}
    norms |= {norm: f"a BatchNorm that stays FP32: {reason}" for norm, reason in folding.left.items()}
    parts = {part for name in chosen for part in _parts(name, modules[name], kinds[name])}
    skipped = []
    for name, module in modules.items():
        own = sum(p.numel() for p in module.parameters(recurse=False))
        if own and name not in chosen and name not in parts:
            reason = norms.get(name) or unfit_weights(module) or _reason(name in kinds, module)
            skipped.append(SkippedModule(name, type(module).__name__, own, 0.0, reason))
    return skipped


def _skipped_operations(modules: Mapping[str, nn.Module], census: Survey, chosen: set[str]) -> list[SkippedModule]:
    sizes = {path: p.numel() for path, p in modules[ROOT].named_parameters(remove_duplicate=False)}

    def skipped(name: str) -> SkippedModule:
        reads, layer = census.reads.get(name), census.beside.get(name)
        params = sizes[reads] if reads is not None and layer is not None else 0
        kind, reason = census.kinds[name].type_name(modules[name]), _left(reads, layer, name in census.masks)
        return SkippedModule(name, kind, params, census.macs[name], reason)

    operations = (name for name in census.first_call if isinstance(modules[name], Operation))
    return [skipped(name) for name in operations if name not in chosen]


def _left(weight: str | None, layer: str | None, is_mask: bool) -> str:
    """Why an operation stays FP32. weight: the parameter that it reads. layer: the one that it runs in."""
    if is_mask:
        return "one of its operands holds infinities, as a mask does; it stays FP32"
    if layer is None:
        what = f"a functional operation that reads {weight}" if weight else "a functional operation"
    else:
        what = f"beside the product of {layer}" + (f": {weight} stays FP32" if weight else "")
    return f"{what}; --include functional quantizes its operands"


def _reason(known: bool, module: nn.Module) -> str:
    if known:
        return "not called as a module by the first samples (unused, or its weights are read by its parent)"
    if all(p.dim() < 2 for p in module.parameters(recurse=False)):
        return "has no weight matrix; its parameters stay FP32"
    return "this kind of layer can't be quantized here; its weights stay FP32"


def weight_parameters(modules: Mapping[str, nn.Module], kinds: Mapping[str, LayerKind]) -> list[nn.Parameter]:
    """The parameters that the layers' weights are made of, each once."""
    located = ((modules[whole(name)], kind) for name, kind in kinds.items())
    found = (p for module, kind in located for path in kind.weights(module) for p in parameters_of(module, path))
    return list({id(p): p for p in found}.values())
