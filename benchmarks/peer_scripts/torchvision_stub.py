"""A torchvision of names only, for tools that import it and use nothing of it on these networks.

torchvision's builds load with the one torch they were built for (`operator torchvision::nms does not exist`).
"""

import importlib.machinery
import sys
import types

_SUBMODULES = (
    "datasets",
    "models",
    "ops",
    "ops.misc",
    "transforms",
    "transforms.functional",
    "transforms.transforms",
)


class _Names(types.ModuleType):
    """Any attribute exists: a class where its name looks like one, else a further module of names."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        value = type(name, (), {}) if name[0].isupper() or name[0] == "_" else _Names(f"{self.__name__}.{name}")
        setattr(self, name, value)
        return value


def install() -> None:
    """Call before the tool is imported."""
    for name in ("torchvision", *(f"torchvision.{part}" for part in _SUBMODULES)):
        module = _Names(name)
        module.__path__ = []
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        module.__version__ = "0.28.0"  # one that the tools ask for
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
