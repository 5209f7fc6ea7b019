"""Layer names short enough for an axis that still tell layers apart."""

from collections.abc import Sequence

from qdash.results.text import shortened


def short_names(names: Sequence[str], width: int) -> list[str]:
    """Without the leading parts that all names share, then shortened in the middle; not always unique.

    >>> short_names(["model.layers.0.fc1", "model.layers.11.fc1"], 20)
    ['…0.fc1', '…11.fc1']
    >>> short_names(["conv1", "fc"], 20)
    ['conv1', 'fc']
    """
    shared = _shared_parts(names) if len(names) > 1 and max(map(len, names)) > width // 2 else 0
    cut = ["…" + ".".join(name.split(".")[shared:]) if shared else name for name in names]
    return [shortened(name, width) for name in cut]


def short_labels(names: Sequence[str], width: int) -> list[str]:
    """`short_names` as a chart shows them: Plotly would read tags in a name, links among them."""
    return [as_text(name) for name in short_names(names, width)]


def as_text(name: str) -> str:
    """A name that Plotly shows as it is.

    >>> as_text("<a href='x'>conv</a>"), as_text("blocks.0.conv")
    ("&lt;a href='x'>conv&lt;/a>", 'blocks.0.conv')
    """
    return name.replace("&", "&amp;").replace("<", "&lt;")


def _shared_parts(names: Sequence[str]) -> int:
    """How many leading parts all names share; every name keeps its last one."""
    split = [name.split(".")[:-1] for name in names]
    shared = 0
    while split and all(len(parts) > shared and parts[shared] == split[0][shared] for parts in split):
        shared += 1
    return shared
