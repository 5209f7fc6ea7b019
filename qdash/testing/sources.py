"""Laws of models and data sets, which a text names: it means the same from every folder, and errors fit on a line."""

from pathlib import Path
from typing import Any

import pytest

from qdash.errors import InputError
from qdash.registry import Entry, Member, family
from qdash.sources import SourceRegistry
from qdash.testing.laws import Laws


class SourceLaws(Laws):
    """`names` are texts as a user types them, of models or samples that exist."""

    def entry(self, member: Member, name: str) -> Entry[Any]:
        """By the class: a text doesn't name its member."""
        return next(entry for entry in registry(self.family) if isinstance(member, entry.member))

    def test_its_options_have_help_and_defaults_that_a_form_can_show(self, member: Member, name: str) -> None:
        options = self.entry(member, name).describe()["options"]
        assert [option["name"] for option in options] == ["text"], "what a source takes is all in its text"

    def test_defaults_written_out_mean_the_same(self, member: Member, name: str) -> None:
        assert family(self.family).create(name) == member

    def test_its_form_is_its_own(self, member: Any, name: str) -> None:
        assert bool(member.prefix) != bool(member.suffixes)
        for other in registry(self.family):
            if not isinstance(member, other.member):
                assert not member.prefix or member.prefix != getattr(other.member, "prefix", "")
                assert not set(member.suffixes) & set(getattr(other.member, "suffixes", ()))

    def test_its_text_means_the_same_from_every_folder(
        self, member: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        absolute = registry(self.family).absolute(name)
        monkeypatch.chdir(tmp_path)
        assert registry(self.family).absolute(absolute) == absolute
        assert registry(self.family).create(absolute) == member

    def test_its_files_exist_and_their_paths_are_absolute(self, member: Any, name: str) -> None:
        for file in member.files():
            assert file.is_absolute()
            assert file.is_file()

    def test_what_isn_t_there_is_an_error_of_one_line_that_names_it(
        self, member: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for text in [f"{member.prefix}:nowhere"] if member.prefix else [f"nowhere{s}" for s in member.suffixes]:
            with pytest.raises(InputError, match="nowhere") as caught:
                registry(self.family).create(text).load()
            assert "\n" not in str(caught.value)

    def test_a_text_of_no_form_is_told_how_texts_are_written(self, member: Any, name: str) -> None:
        with pytest.raises(InputError) as caught:
            registry(self.family).create("no form at all")
        assert self.entry(member, name).describe()["examples"][0] in str(caught.value)

    def test_its_examples_can_be_used(self, member: Member, name: str) -> None:
        entry = self.entry(member, name)
        for example in entry.describe()["examples"]:
            assert isinstance(registry(self.family).create(example), entry.member)


def shipped(name: str) -> list[str]:
    """The examples that can be used as they stand, of all members of a family.

    >>> "demo:digits" in shipped("datasets")
    True
    """
    return [text for entry in registry(name) if entry.member.ships for text in entry.member.examples]


def registry(name: str) -> SourceRegistry[Any]:
    """The registry of a family of sources."""
    found = family(name)
    assert isinstance(found, SourceRegistry)
    return found
