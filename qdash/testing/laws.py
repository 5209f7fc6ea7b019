"""What holds for every member of every family; each family's own laws stand in a file beside this one.

The files of this package are imported by tests alone: they need pytest, which the app does not.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from qdash.registry import Entry, Member, Registry, family

SHORTEST_HELP = 40  # characters: less says nothing that the name doesn't


class Laws:
    """Laws over `names`: members of `family`, with options where wanted (`percentile:percentile=99.9`).

    A subclass whose name begins with Test is all that pytest needs.
    """

    family: ClassVar[str]
    names: ClassVar[Sequence[str]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Every law runs once for each name."""
        if "name" in metafunc.fixturenames:
            metafunc.parametrize("name", self.names)

    @pytest.fixture
    def member(self, name: str) -> Any:
        """The member under test."""
        return family(self.family).create(name)

    def entry(self, member: Member, name: str) -> Entry[Any]:
        """What the registry holds of it."""
        return family(self.family).entry(name.partition(":")[0])

    def test_its_docstring_is_its_help(self, member: Member, name: str) -> None:
        shown = self.entry(member, name).describe()["help"]
        assert len(shown) >= SHORTEST_HELP
        assert "{" not in shown, "a field that the name doesn't fix"

    def test_its_options_have_help_and_defaults_that_a_form_can_show(self, member: Member, name: str) -> None:
        for option in self.entry(member, name).describe()["options"]:
            assert option["help"]
            assert isinstance(option["default"], bool | int | float | str)

    def test_defaults_written_out_mean_the_same(self, member: Member, name: str) -> None:
        entry = self.entry(member, name)
        pairs = [f"{option['name']}={option['default']}" for option in entry.describe()["options"]]
        assert family(self.family).create(":".join([entry.name, *pairs])) == entry.create()

    def test_its_examples_can_be_used(self, member: Member, name: str) -> None:
        entry = self.entry(member, name)
        for example in entry.describe()["examples"]:
            assert isinstance(family(self.family).create(example), entry.member)

    def test_it_can_t_be_changed(self, member: Member, name: str) -> None:
        fields: dict[str, Any] = {"anything": 0} | dict(member)
        for field in fields:
            with pytest.raises((ValueError, AttributeError)):
                setattr(member, field, None)


def every_name(family_name: str) -> list[str]:
    """All members of a family, and every example of theirs, such as `percentile:percentile=99.9`.

    >>> {"per_group", "per_group:size=32"} <= set(every_name("granularities"))
    True
    """
    registry: Registry[Any] = family(family_name)
    return list(dict.fromkeys(text for entry in registry for text in (entry.name, *entry.describe()["examples"])))
