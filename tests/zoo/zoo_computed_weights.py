"""Layers whose weights are computed: by a parametrization, or by a hook."""

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize
from zoo import CLASSES, FEATURES, animal, images, sequences
from zoo_layers import LastStep


def plain(model: nn.Module) -> nn.Module:
    """The model with every computed weight made a parameter, by torch's own means."""
    model.eval()
    for module in list(model.modules()):
        for name in list(getattr(module, "parametrizations", ())):
            parametrize.remove_parametrizations(module, name)
        for hook in list(module._forward_pre_hooks.values()):
            if type(hook).__name__ == "WeightNorm":
                nn.utils.remove_weight_norm(module, hook.name)
    return model


@animal(prepare=plain)
def WeightNorm():
    """Parametrized: weight norm, spectral norm, and both."""
    first = parametrizations.weight_norm(nn.Linear(FEATURES, 8))
    middle = parametrizations.spectral_norm(nn.Linear(8, 8))
    last = parametrizations.spectral_norm(parametrizations.weight_norm(nn.Linear(8, CLASSES)))
    return nn.Sequential(first, nn.ReLU(), middle, nn.ReLU(), last)


@animal(prepare=plain)
def Orthogonal():
    """A parametrization that multiplies matrices, on a layer that is called twice."""
    layer = parametrizations.orthogonal(nn.Linear(FEATURES, FEATURES))
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(FEATURES, CLASSES))


@animal(images, prepare=plain)
def OldWeightNorm():
    """A weight that a hook sets before each forward."""
    with torch.no_grad():
        model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, CLASSES))
    return nn.Sequential(old_norm(model[0]), model[1], model[2], old_norm(model[3]))


@animal(sequences, prepare=plain)
def OldWeightNormLstm():
    """The recurrent weight of an LSTM, set by a hook."""
    lstm = nn.LSTM(FEATURES, 5, batch_first=True)
    return LastStep(old_norm(lstm, "weight_hh_l0"), 5)


@animal(sequences, prepare=plain)
def ParametrizedGru():
    """The recurrent weight of a GRU, parametrized."""
    gru = nn.GRU(FEATURES, 5, batch_first=True)
    return LastStep(parametrizations.orthogonal(gru, "weight_hh_l0"), 5)


def old_norm(module: nn.Module, name: str = "weight") -> nn.Module:
    """torch.nn.utils.weight_norm without its warning."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.utils.weight_norm(module, name)
