"""The family `views`: what is looked at under one tab of the layers page."""

from abc import ABC, abstractmethod
from typing import ClassVar

from qdash.registry import Member, Registry
from qdash.ui.layers.view import LayerView


class View(Member, ABC):
    """One tab. It is drawn only while it is open, and again at every choice and click."""

    label: ClassVar[str]  # of the tab, and the value of `view` in the URL
    order: ClassVar[int] = 100  # tabs stand from low to high; those that come with qdash are tens below

    def fits(self, view: LayerView) -> bool:
        """Whether the run has what this shows; else there is no tab. Asked at every redraw: it has to be quick."""
        return True

    @abstractmethod
    def draw(self, view: LayerView) -> None:
        """Draws with Streamlit. Marks select their layer where `show_chart` is told so; `view` is shared, read-only."""


REGISTRY: Registry[View] = Registry("views")
