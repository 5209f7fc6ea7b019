"""What commands print: JSON where asked for, tables for people, progress and notes on stderr."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from qdash.errors import InputError


def _writable(file: str | None) -> str | None:
    """The file as it was given; refused before the work where it can't be written after it."""
    if file is None or file == "-":
        return file
    path = Path(file).absolute()
    if path.is_dir():
        reason = "it is a folder"
    elif not path.parent.is_dir():
        reason = f"there is no folder {path.parent}"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        reason = "it may not be written"
    else:
        return file
    raise InputError(f"can't write {file!r}: {reason}; give another file to --json, or - for standard output")


JsonFile = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="write JSON to FILE; - is standard output, and only that",
        callback=_writable,
    ),
]
StoreUrl = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="default: QDASH_STORE_URL, else a file under QDASH_HOME"),
]


def write_json(value: object, file: str) -> None:
    """Finite numbers only; raises InputError where the file can't be written."""
    from qdash.results.plain import plain

    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    if file == "-":
        sys.stdout.write(text + "\n")
        return
    try:
        Path(file).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"can't write {file!r}: {error.strerror}; give another file to --json, or - for standard output"
        ) from error


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on standard output, as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        shown.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        shown.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(shown)


def note(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(text + "\n")


def say(text: str) -> None:
    """One line on standard output."""
    sys.stdout.write(text + "\n")


def shown(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A number for a person; – where there is none.

    >>> shown(1.234, 2, "dB"), shown(None), shown(float("inf"))
    ('1.23 dB', '–', '∞')
    """
    if value is None or value != value:
        return "–"
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}f}{' ' + unit if unit else ''}"


def amount(value: float | None, unit: str = "", *, with_unit: bool = True) -> str:
    """A metric, or a change of it: percentages and points with two decimals, others with three significant digits.

    >>> amount(98.123, "%"), amount(-0.335, "points", with_unit=False), amount(0.00391), amount(None)
    ('98.12 %', '-0.34', '0.00391', '–')
    """
    if unit in ("%", "points") or value is None or value != value or abs(value) == float("inf"):
        return shown(value, 2, unit if with_unit else "")
    return f"{value:.3g}{' ' + unit if unit and with_unit else ''}"


def unit_of_change(unit: str) -> str:
    """Of a metric in this unit: percentages change by points.

    >>> unit_of_change("%"), unit_of_change("")
    ('points', '')
    """
    return "points" if unit == "%" else unit
