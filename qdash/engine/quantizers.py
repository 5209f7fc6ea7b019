"""The layers of a model under the settings of a run, each ready to be quantized."""

from collections.abc import Mapping, Sequence
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
from qdash.spec.setting import Setting


class Quantizers:
    """Made when first asked for and kept, so that ranges and weights are computed once.

    A layer has one site, its own module, and with tied weights more: the modules that share them (`tied`: layer → site
    → kind), which are quantized with it. `calibration` is set once there is one.
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

    def sites(self, layer: str) -> tuple[str, ...]:
        """The modules of a layer: itself, and those that share its weights."""
        return (layer, *self._tied.get(layer, ()))

    def site(self, name: str) -> Site:
        """A layer's module."""
        return Site(self._modules[name], self.kinds[name], partial(_statistics, self.calibration, name))

    def at(self, site: str, setting: Setting) -> LayerQuantizer:
        """A layer's module under a setting."""
        key = site, setting.key
        if key not in self._known:
            self._known[key] = LayerQuantizer(self.site(site), setting, self._trained.get(key))
        return self._known[key]

    def of(self, item: Item) -> dict[str, LayerQuantizer]:
        """Of every site of a layer."""
        return {site: self.at(site, item.setting) for site in self.sites(item.layer)}

    def only(self, item: Item) -> dict[str, Override]:
        """Overrides that quantize one layer."""
        return {site: quantizer.run for site, quantizer in self.of(item).items()}

    def all_but(self, keep: frozenset[str], setting: Setting) -> dict[str, Override]:
        """Overrides that quantize every layer but those kept in FP32."""
        chosen = (Item(layer, setting) for layer in self.layers if layer not in keep)
        return {site: run for item in chosen for site, run in self.only(item).items()}

    def use_trained(self, trained: Trained) -> None:
        """From now on these layers are quantized with what fine-tuning made of them."""
        self._trained, self._known = trained, {}

    def weight_sums(self, item: Item) -> dict[str, Tensor]:
        """`weight_signal`, `weight_noise`, float64 scalars: the same in every batch; a shared weight counts once."""
        seen: set[int] = set()
        found = [quantizer.weight_energies(seen) for quantizer in self.of(item).values()]
        signals, lost = zip(*found, strict=True)
        return {"weight_signal": sum(signals), "weight_noise": sum(lost)} if seen else {}


def _statistics(calibration: StoredCalibration | None, site: str, name: str) -> Statistics:
    assert calibration is not None, "a setting with calibrated ranges needs a calibration"
    summary = calibration.layers[site].inputs[name]
    if not len(summary.batch_minimum):
        raise ModelError(
            f"{site}: it was not called during calibration, so its {name} has no range; give calibration samples "
            "that reach it, use --mode dynamic, or leave it out with --layers"
        )
    return summary.statistics()
