"""The layers of a model under the settings of a run, each ready to be quantized."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from torch import Tensor, nn

from qdash.calibration.summaries import StoredCalibration
from qdash.engine.item import Item
from qdash.engine.quantizer import LayerQuantizer
from qdash.engine.site import Site
from qdash.engine.trained import Trained
from qdash.errors import ModelError
from qdash.instrument.calls import Override
from qdash.layers.base import LayerKind
from qdash.quant.statistics import Statistics
from qdash.records.names import among, whole
from qdash.spec.setting import Setting
from qdash.tensors.call import Args, Forward, Kwargs


class Quantizers:
    """Made when first asked for and kept, so that ranges and weights are computed once.

    A layer has one site, its own module, and with tied weights more: the modules that share them (`tied`: layer → name
    → kind), which are quantized with it. Parts of a module have one site. `calibration` is set once there is one.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        layers: Mapping[str, LayerKind],
        settings: Sequence[Setting],
        tied: Mapping[str, Mapping[str, LayerKind]],
    ):
        self.layers, self.settings = layers, settings
        self.kinds = dict(layers) | {site: kind for others in tied.values() for site, kind in others.items()}
        self.calibration: StoredCalibration | None = None
        self._modules, self._tied = modules, tied
        self._trained: Trained = {}
        self._known: dict[tuple[str, str], LayerQuantizer] = {}

    @property
    def modules(self) -> list[str]:
        """All sites, each once."""
        return list(dict.fromkeys(whole(name) for name in self.kinds))

    def names(self, layer: str) -> tuple[str, ...]:
        """Of a layer, and of those that share its weights."""
        return (layer, *self._tied.get(layer, ()))

    def sites(self, layer: str) -> tuple[str, ...]:
        """The modules of a layer: its own, and those that share its weights."""
        return tuple(whole(name) for name in self.names(layer))

    def site(self, name: str) -> Site:
        """A layer's module, and what of it is meant."""
        return Site(self._modules[whole(name)], self.kinds[name], partial(_statistics, self.calibration, name))

    def at(self, name: str, setting: Setting) -> LayerQuantizer:
        """A layer's module, or its part, under a setting."""
        key = name, setting.key
        if key not in self._known:
            self._known[key] = LayerQuantizer(self.site(name), setting, self._trained.get(key))
        return self._known[key]

    def of(self, item: Item) -> dict[str, LayerQuantizer]:
        """Of every site of a layer."""
        return {whole(name): self.at(name, item.setting) for name in self.names(item.layer)}

    def only(self, item: Item) -> dict[str, Override]:
        """Overrides that quantize one layer."""
        return {site: quantizer.run for site, quantizer in self.of(item).items()}

    def all_but(self, keep: Collection[str], setting: Setting) -> dict[str, Override]:
        """Overrides that quantize every layer but those kept in FP32; a module's name keeps its parts."""
        names = [name for layer in self.layers if not among(layer, keep) for name in self.names(layer)]
        return together({name: self.at(name, setting) for name in names})

    def use_trained(self, trained: Trained) -> None:
        """From now on these layers are quantized with what fine-tuning made of them."""
        self._trained, self._known = trained, {}

    def weight_sums(self, item: Item) -> dict[str, Tensor]:
        """`weight_signal`, `weight_noise`, float64 scalars: the same in every batch; a shared weight counts once."""
        seen: set[int] = set()
        found = [quantizer.weight_energies(seen) for quantizer in self.of(item).values()]
        signals, lost = zip(*found, strict=True)
        return {"weight_signal": sum(signals), "weight_noise": sum(lost)} if seen else {}


def together(quantizers: Mapping[str, LayerQuantizer]) -> dict[str, Override]:
    """Site → override, from quantizers by name: parts of one module are quantized at once."""
    by_site: dict[str, list[LayerQuantizer]] = {}
    for name, quantizer in quantizers.items():
        by_site.setdefault(whole(name), []).append(quantizer)
    return {site: found[0].run if len(found) == 1 else partial(_run, found) for site, found in by_site.items()}


def _run(parts: Sequence[LayerQuantizer], forward: Forward, args: Args, kwargs: Kwargs) -> object:
    with ExitStack() as stack:
        for part in parts:
            args, kwargs = part.quantized_arguments(args, kwargs)
            stack.enter_context(part.quantized_weights())
        return forward(*args, **kwargs)


def _statistics(calibration: StoredCalibration | None, layer: str, name: str) -> Statistics:
    assert calibration is not None, "a setting with calibrated ranges needs a calibration"
    summary = calibration.layers[layer].inputs[name]
    if not len(summary.batch_minimum):
        raise ModelError(
            f"{layer}: it was not called during calibration, so its {name} has no range; give calibration samples "
            "that reach it, use --mode dynamic, or leave it out with --layers"
        )
    return summary.statistics()
