"""Runs in a few words: what they are, how they stand, when they were."""

import re
from datetime import UTC, datetime

from qdash.errors import QdashError
from qdash.registry import family
from qdash.results.text import duration
from qdash.spec.mixed import MeasureSpec, QatSpec
from qdash.spec.setting import quantizes_inputs
from qdash.spec.sweep import Source, SweepSpec
from qdash.store.runs import Run

STATUS = {
    "queued": (":material/schedule:", "gray", "Queued"),
    "running": (":material/play_circle:", "blue", "Running"),
    "done": (":material/check_circle:", "green", "Done"),
    "failed": (":material/error:", "red", "Failed"),
    "cancelled": (":material/cancel:", "orange", "Cancelled"),
    "interrupted": (":material/pause_circle:", "orange", "Interrupted"),
}
"""By status: icon, colour, word; the colour is never the only sign."""

FP32_BITS = "32"
KINDS = {"sweep": "Sweep", "measure": "Measurement", "qat": "Fine-tune", "probe": "First look"}
SPECS: dict[str, type[Source] | type[MeasureSpec] | type[QatSpec]] = {
    "sweep": SweepSpec,
    "measure": MeasureSpec,
    "qat": QatSpec,
    "probe": Source,
}


def source_name(text: str) -> str:
    """The part of a model or data text that tells it from others.

    >>> source_name("demo:digits-mobilenet"), source_name("python:/a/b/net.py:build"), source_name("/a/b/data.npz")
    ('digits-mobilenet', 'net.py:build', 'data.npz')
    """
    return text.rpartition("/")[2] if "/" in text else text.partition(":")[2] or text


def run_title(run: Run) -> str:
    """The run's own title, else what it is about."""
    own = f"{run.title}, " if run.title else ""
    return f"{own}{source_name(run.model)}" + (f" · {settings_text(run)}" if run.kind == "sweep" else "")


def short_title(run: Run) -> str:
    """For narrow places: its own title or the model, and the bits of weights and activations, as W4A8."""
    return f"{run.title or source_name(run.model)} {bits_text(run)}".strip()


def bits_text(run: Run) -> str:
    """The usual shorthand, such as W4A8 or W4,8A32; empty for a run that has no such settings."""
    spec = _spec(run)
    if not isinstance(spec, SweepSpec):
        return ""
    inputs = spec.activation_formats if quantizes_inputs(spec.mode) else ("identity",)
    return f"W{_bits(spec.weight_formats)}A{_bits(inputs)}"


def settings_text(run: Run) -> str:
    """The settings in a few words, such as `static · int4 weights · int8 inputs`; empty for a first look."""
    spec = _spec(run)
    if spec is None:
        return "settings of another version"
    if isinstance(spec, MeasureSpec | QatSpec):
        return setting_text(spec.sweep)
    return setting_text(spec) if isinstance(spec, SweepSpec) else ""


def setting_text(spec: SweepSpec) -> str:
    """See `settings_text`."""
    mode = words(spec.mode.partition(":")[0])
    parts = [mode, f"{'/'.join(spec.weight_formats)} weights {words(spec.weight_granularity)}"]
    if quantizes_inputs(spec.mode):
        parts.append(f"{'/'.join(spec.activation_formats)} inputs")
    return " · ".join([*parts, "/".join(spec.observers)])


def words(name: str) -> str:
    """A member's name as words: `per_tensor` → `per tensor`."""
    return name.replace("_", " ")


def when(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, in one unit.

    >>> when(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 5, tzinfo=UTC))
    '5 min ago'
    """
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def seconds_taken(run: Run) -> str:
    """Wall time of all its steps."""
    return duration(run.cost.get("wall_s"))


def share_done(run: Run) -> float:
    """Of its work, from 0 to 1."""
    if run.status == "done":
        return 1.0
    return min(1.0, run.done / run.total) if run.total else 0.0


def _spec(run: Run) -> Source | MeasureSpec | QatSpec | None:
    try:
        return SPECS[run.kind].model_validate_json(run.spec)
    except (ValueError, KeyError, QdashError):  # of another version, or a family's member that is not installed here
        return None


def _quantizes_inputs(spec: SweepSpec) -> bool:
    return bool(family("modes").create(spec.mode).quantizes_inputs)


def _bits(formats: tuple[str, ...]) -> str:
    return ",".join(map(_bits_of, formats))


def _bits_of(format: str) -> str:
    """Of integers and of what leaves values as they are; else the format's name."""
    integer = re.fullmatch(r"u?int(\d+)", format)
    if integer:
        return integer[1]
    return FP32_BITS if family("formats").create(format).lossless else format
