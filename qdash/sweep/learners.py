"""Who learns: in a sweep every layer alone, in a plan all quantized layers together."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from qdash.bench import Bench
from qdash.errors import SpecError
from qdash.learning import Learner
from qdash.modes.qat import Qat
from qdash.registry import family
from qdash.spec import Setting
from qdash.sweep.prepare import Prepared
from qdash.sweep.training import Training
from qdash.trainable import TrainableLayer, TrainableWeight
from qdash.trained import Trained

PLAN = "plan"


def options_of(mode: str) -> Qat | None:
    """The options of a mode that trains, None for another one."""
    member = family("modes").create(mode)
    return member if member.trains else None


def layers_training(prepared: Prepared, settings: Sequence[Setting]) -> Training | None:
    """Every layer under every setting learns alone; None where the mode doesn't train."""
    options = options_of(settings[0].mode)
    if options is None:
        return None

    def make(layer: str, setting: Setting) -> Learner:
        found = trainable(prepared.bench, layer, setting, options)
        return Learner({layer: found}, options.learning_rate, options.steps)

    makers: dict[str, Callable[[], Learner]] = {
        _name(layer, setting): partial(make, layer, setting) for setting in settings for layer in prepared.bench.layers
    }
    return Training(prepared, options, options.steps, makers)


def layers_trained(prepared: Prepared, settings: Sequence[Setting], training: Training) -> Trained:
    """What every layer has learned, by layer and key of the setting."""
    return {
        (layer, setting.key): training.learned(_name(layer, setting))[0][layer]
        for setting in settings
        for layer in prepared.bench.layers
    }


def plan_training(prepared: Prepared, setting: Setting, keep: Collection[str], options: Qat, steps: int) -> Training:
    """All layers but `keep` learn together; tied weights stay tied."""

    def make() -> Learner:
        shared: dict[int, TrainableWeight] = {}
        layers = {
            name: trainable(prepared.bench, name, setting, options, shared)
            for name in prepared.bench.layers
            if name not in keep
        }
        return Learner(layers, options.learning_rate, steps)

    return Training(prepared, options, steps, {PLAN: make}, key=f"{setting.key} {sorted(keep)}")


def trainable(
    bench: Bench,
    name: str,
    setting: Setting,
    options: Qat,
    shared: dict[int, TrainableWeight] | None = None,
) -> TrainableLayer:
    """A layer of the bench, ready to learn. Raises SpecError where scales can't be learned."""
    if options.learned_scale and setting.power_of_two_scales:
        raise SpecError("learned_scale and power-of-two scales exclude each other; leave one of them out")
    module, kind = bench.instrument.modules[name], bench.layers[name]
    return TrainableLayer(name, module, kind, setting, lambda: bench.statistics(name), options.learned_scale, shared)


def _name(layer: str, setting: Setting) -> str:
    return f"{setting.untrained.key} {layer}"
