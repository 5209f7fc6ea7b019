"""Numbers as a person reads them, each with its unit; names short enough to be read."""

import math
from collections.abc import Callable

from qdash.records.facts import MetricFacts

NOTHING = "–"
MINUS = "−"
_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def decibels(value: float | None) -> str:
    """
    >>> decibels(12.345), decibels(float("inf")), decibels(-float("inf")), decibels(None)
    ('12.3 dB', '∞ dB', '−∞ dB', '–')
    """
    return _with_unit(value, "{:.1f}", " dB")


def nats(value: float | None) -> str:
    """
    >>> nats(0.01234), nats(0.0), nats(1.484e-5)
    ('0.0123 nats', '0 nats', '1.48e−5 nats')
    """
    return _with_unit(value, "{:.3g}", " nats")


def percent(value: float | None) -> str:
    """Of a value that is in % already.

    >>> percent(97.82), percent(100.0)
    ('97.8 %', '100.0 %')
    """
    return _with_unit(value, "{:.1f}", " %")


def share(value: float | None) -> str:
    """Of a fraction of one.

    >>> share(0.293), share(0.0042), share(0.9996), share(0.0)
    ('29 %', '0.4 %', '99.9 %', '0 %')
    """
    if value is None or math.isnan(value):
        return NOTHING
    near_an_end = 0 < value < 0.1 or 0.99 < value < 1
    return f"{math.floor(value * 1000) / 10:.1f} %" if near_an_end else f"{value * 100:.0f} %"


def points(value: float | None, unit: str = "points") -> str:
    """A difference of metrics, signed.

    >>> points(-0.335), points(0.0), points(1.5), points(-0.002, "")
    ('−0.34 points', '0.00 points', '+1.50 points', '−0.002')
    """
    if value is None or math.isnan(value):
        return NOTHING
    digits = f"{value:+.2f}" if unit else f"{value:+.3g}"
    if float(digits) == 0:
        digits = digits.lstrip("+-")
    return f"{digits.replace('-', MINUS)} {unit}".rstrip()


def metric_value(value: float | None, metric: MetricFacts) -> str:
    """The value of a run's metric in its unit."""
    return percent(value) if metric.unit == "%" else _with_unit(value, "{:.4g}", f" {metric.unit}".rstrip())


def interval(low: float | None, high: float | None, written: Callable[[float | None], str]) -> str:
    """A 95 % interval, the unit once.

    >>> interval(-1.2, 0.3, points)
    '−1.20 to +0.30 points'
    """
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return "no interval"
    return f"{written(low).split(' ')[0]} to {written(high)}"


def megabytes(value: float | None) -> str:
    """Of 10⁶ bytes.

    >>> megabytes(0.0123), megabytes(1.5), megabytes(102.4)
    ('0.012 MB', '1.50 MB', '102 MB')
    """
    if value is None:
        return NOTHING
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{decimals}f} MB"


def duration(seconds: float | None) -> str:
    """
    >>> duration(0.42), duration(59.6), duration(200), duration(3900), duration(90000)
    ('0.4 s', '1 min', '3 min 20 s', '1 h 5 min', '25 h')
    """
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole // 60, "min", whole % 60, "s")
    return _two(whole // 3600, "h", whole % 3600 // 60 if whole < 36000 else 0, "min")


def count(value: float | None) -> str:
    """
    >>> count(1797), count(None)
    ('1,797', '–')
    """
    return NOTHING if value is None else f"{value:,.0f}"


def large(value: float | None, unit: str = "") -> str:
    """Three digits and a prefix, for parameters and multiply-accumulates.

    >>> large(512), large(38_400, "MACs"), large(1_234_000, "MACs"), large(4.1e9)
    ('512', '38.4 k MACs', '1.23 M MACs', '4.10 G')
    """
    if value is None:
        return NOTHING
    for step, prefix in _STEPS:
        if value >= step:
            scaled = value / step
            return f"{scaled:.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f} {prefix} {unit}".rstrip()
    return f"{value:.0f} {unit}".rstrip()


def plural(number: int, one: str, many: str | None = None) -> str:
    """
    >>> plural(1, "layer"), plural(22, "layer"), plural(2, "batch", "batches")
    ('1 layer', '22 layers', '2 batches')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def shortened(name: str, width: int = 28) -> str:
    """At most `width` characters; what is between goes first, numbers and the end stay, as they tell layers apart.

    >>> shortened("encoder.layer.11.attention.output.dense", 26)
    'e.l.11.a.output.dense'
    >>> shortened("a_function_with_quite_a_long_name", 20)
    'a_functio…_long_name'
    """
    *path, last = name.split(".")
    for position, part in enumerate(path):
        if len(".".join([*path, last])) <= width:
            break
        path[position] = part if part.isdigit() else part[:1]
    short = ".".join([*path, last])
    if len(short) <= width:
        return short
    end = width // 2
    return f"{short[: width - 1 - end]}…{short[-end:]}"


def _with_unit(value: float | None, digits: str, unit: str) -> str:
    if value is None or math.isnan(value):
        return NOTHING
    text = ("-∞" if value < 0 else "∞") if math.isinf(value) else digits.format(value)
    return text.replace("e-0", "e-").replace("-", MINUS) + unit


def _two(whole: int, unit: str, rest: int, small: str) -> str:
    return f"{whole} {unit}" + (f" {rest} {small}" if rest else "")
