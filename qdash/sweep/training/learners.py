"""Who learns: in a sweep every layer alone, in a plan all quantized layers together."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from qdash.engine.bench import Bench
from qdash.engine.learning.learner import Learner
from qdash.engine.learning.trainable import TrainableLayer, TrainableWeight
from qdash.engine.trained import Trained, TrainedLayer
from qdash.errors import ModelError, SpecError
from qdash.instrument.computed import computed_weight
from qdash.modes.qat import Qat
from qdash.records.names import among
from qdash.registry import family
from qdash.spec.setting import Setting
from qdash.sweep.prepare.prepare import Prepared
from qdash.sweep.training.training import Training

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
        modules = trainable(prepared.bench, [layer], setting, options)
        return Learner([layer], modules, options.learning_rate, options.steps)

    makers: dict[str, Callable[[], Learner]] = {
        _name(layer, setting): partial(make, layer, setting) for setting in settings for layer in prepared.bench.layers
    }
    return Training(prepared, options, options.steps, makers)


def layers_trained(prepared: Prepared, settings: Sequence[Setting], training: Training) -> Trained:
    """What every layer has learned, by module and key of the setting."""
    found: dict[tuple[str, str], TrainedLayer] = {}
    for setting in settings:
        for layer in prepared.bench.layers:
            modules, _ = training.learned(_name(layer, setting))
            found |= {(name, setting.key): trained for name, trained in modules.items()}
    return found


def plan_training(prepared: Prepared, setting: Setting, keep: Collection[str], options: Qat, steps: int) -> Training:
    """All layers but `keep` learn together; tied weights stay tied.

    Raises ModelError where a trained weight couldn't be stored in the model.
    """
    layers = [name for name in prepared.bench.layers if not among(name, keep)]
    _check_storable(prepared, layers)

    def make() -> Learner:
        modules = trainable(prepared.bench, layers, setting, options)
        return Learner(layers, modules, options.learning_rate, steps)

    return Training(prepared, options, steps, {PLAN: make}, key=f"{setting.key} {layers}")


def trainable(bench: Bench, layers: Sequence[str], setting: Setting, options: Qat) -> dict[str, TrainableLayer]:
    """The modules of these layers, ready to learn together. Raises SpecError where scales can't be learned."""
    if options.learned_scale and setting.power_of_two_scales:
        raise SpecError("learned_scale and power-of-two scales exclude each other; leave one of them out")
    assert bench.quantizers.calibration is not None, "ranges are calibrated before they are trained"
    shared: dict[int, TrainableWeight] = {}
    found = {}
    for part in (name for layer in layers for name in bench.quantizers.names(layer)):
        inputs = bench.quantizers.calibration.layers[part].inputs
        found[part] = TrainableLayer(
            bench.quantizers.site(part),
            setting,
            [name for name, summary in inputs.items() if len(summary.batch_minimum)],
            bench.device,
            options.learned_scale,
            shared,
        )
    return found


def _check_storable(prepared: Prepared, layers: Sequence[str]) -> None:
    for site in (site for layer in layers for site in prepared.bench.sites(layer)):
        computed = computed_weight(prepared.instrument.modules[site])
        if computed is not None and computed.weight is not None:
            raise ModelError(
                f"the forward of {site} computes its weight, so a fine-tuned one can't be stored in its parameters; "
                f"keep it in FP32: --keep {site}"
            )


def _name(layer: str, setting: Setting) -> str:
    return f"{setting.untrained.key} {layer}"
