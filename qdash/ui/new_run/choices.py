"""Form widgets made from the families: their names, options and help."""

import re
from typing import Any

import streamlit as st

from qdash.registry import family
from qdash.ui.describe import words
from qdash.ui.words import help_text

TRUE = ("true", "1", "yes", "on")
OPTION_WIDTH = 190  # pixels; four fit beside each other on a laptop
HINT = 220  # characters about one member


def one_of(field: str, family_name: str, label: str, start: str) -> str:
    """One member, with its options where it has some; returns its text."""
    names = names_of(family_name)
    base = start.partition(":")[0]
    chosen = st.selectbox(
        label,
        names,
        index=names.index(base),
        format_func=words,
        key=f"new_{field}",
        help=family_help(field, family_name),
        persist_state="session",
    )
    return with_options(field, family_name, chosen or base, start)


def many_of(field: str, family_name: str, label: str, start: tuple[str, ...]) -> tuple[str, ...]:
    """Several members, each with its options; empty where none is chosen."""
    by_name = {text.partition(":")[0]: text for text in start}
    chosen = st.multiselect(
        label,
        names_of(family_name),
        default=list(by_name),
        format_func=words,
        key=f"new_{field}",
        help=family_help(field, family_name),
        persist_state="session",
    )
    return tuple(with_options(field, family_name, name, by_name.get(name, name)) for name in chosen)


def with_options(field: str, family_name: str, name: str, start: str) -> str:
    """The member's text with the options that differ from their defaults, such as `percentile:percentile=99.9`."""
    member = next(m for m in family(family_name).describe()["members"] if m["name"] == name)
    given = dict(pair.partition("=")[::2] for pair in start.split(":")[1:]) if start.partition(":")[0] == name else {}
    if not member["options"]:
        return name
    parts = [name]
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"new_{field}_{name}_options"):
        for option in member["options"]:
            value = _option(f"new_{field}_{name}_{option['name']}", name, option, given.get(option["name"]))
            if value != option["default"]:
                parts.append(f"{option['name']}={value}")
    return ":".join(parts)


def optional_number(field: str, label: str, start: int | None, placeholder: str, least: int | None = 1) -> int | None:
    """A whole number from `least` (None: any), or nothing."""
    return st.number_input(
        label,
        min_value=least,
        value=start,
        step=1,
        placeholder=placeholder,
        key=f"new_{field}",
        help=help_text(field),
        persist_state="session",
    )


def number(field: str, label: str, start: int, least: int) -> int:
    """A whole number."""
    return st.number_input(
        label,
        min_value=least,
        value=start,
        step=1,
        key=f"new_{field}",
        help=help_text(field),
        persist_state="session",
    )


def optional_text(field: str, label: str, start: str | None, placeholder: str = "") -> str | None:
    """A text, None where it is empty."""
    text = st.text_input(
        label,
        value=start or "",
        placeholder=placeholder,
        key=f"new_{field}",
        help=help_text(field),
        persist_state="session",
    )
    return text.strip() or None


def any_of(field: str, label: str, start: Any) -> Any:
    """A setting without a family: a switch for yes or no, else a number or a text like its start."""
    shown: dict[str, Any] = {"key": f"new_{field}", "help": help_text(field), "persist_state": "session"}
    if isinstance(start, bool):
        return st.toggle(label, value=start, **shown)
    if isinstance(start, float):
        return st.number_input(label, value=start, step=0.1, format="%g", **shown)
    if isinstance(start, int):
        return st.number_input(label, value=start, step=1, **shown)
    return st.text_input(label, value=start or "", **shown) or start


def family_help(field: str, family_name: str) -> str:
    """What the field means, and what its members are; members that differ in a number only share a line."""
    alike: dict[str, list[dict[str, Any]]] = {}
    for member in family(family_name).describe()["members"]:
        alike.setdefault(re.sub(r"\d+|True|False", "", member["help"]), []).append(member)
    lines = [_line(members) for members in alike.values()]
    return "\n".join([help_text(field), "", *lines])


def names_of(family_name: str) -> list[str]:
    """The members' names; int8 comes before int16.

    >>> names = names_of("formats")
    >>> names.index("int8") < names.index("int16")
    True
    """
    return sorted(family(family_name).names(), key=_natural)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", name)]


def _line(members: list[dict[str, Any]]) -> str:
    names = [words(member["name"]) for member in sorted(members, key=lambda member: _natural(member["name"]))]
    shown = ", ".join(names) if len(names) < 4 else f"{names[0]} … {names[-1]}"
    text = _beginning(members[0]["help"])
    return f"- **{shown}**: {text if len(members) == 1 else re.sub(r' of [0-9]+ bits', '', text)}"


def _beginning(text: str) -> str:
    """Whole sentences, as many as fit in a hint, at least one."""
    first, *others = re.split(r"(?<=\.)\s", text)
    for sentence in others:
        if len(first) + len(sentence) > HINT:
            break
        first += f" {sentence}"
    return first


def _option(key: str, member: str, option: dict[str, Any], given: str | None) -> Any:
    label = f"{words(member)}: {words(option['name'])}"
    default = option["default"]
    if isinstance(default, bool):
        return st.toggle(label, value=default if given is None else given.lower() in TRUE, help=option["help"], key=key)
    value = default if given is None else type(default)(given)
    shown: dict[str, Any] = {"help": option["help"], "key": key, "width": OPTION_WIDTH}
    if isinstance(default, float):
        step = min(0.01, abs(default) / 10) or 0.01
        return st.number_input(label, value=value, step=step, format="%g", **shown)
    if isinstance(default, int):
        return st.number_input(label, value=value, step=1, **shown)
    if option["choices"]:
        choices = option["choices"]
        return st.selectbox(label, choices, index=choices.index(value), format_func=words, **shown)
    return st.text_input(label, value=value or "", **shown)
