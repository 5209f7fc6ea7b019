"""What tests read off a page."""

from streamlit.testing.v1 import AppTest

KINDS = ("title", "subheader", "markdown", "caption", "error", "warning", "info", "text", "metric")


def text_of(page: AppTest) -> str:
    """Every word in the main part and the sidebar, for tests that look for a few of them."""
    parts = [element for kind in KINDS for element in page.get(kind)]
    return "\n".join(f"{getattr(part, 'label', '')} {part.value}" for part in parts)


def press(page: AppTest, label: str) -> AppTest:
    """Clicks the button with this label and waits for the page."""
    return next(button for button in page.button if button.label == label).click().run()
