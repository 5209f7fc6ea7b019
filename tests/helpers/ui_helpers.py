"""What tests read off a page."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from qdash.answers.recommendation import create_measure_run
from qdash.jobs.steps import run_inline
from qdash.spec.checked import checked
from qdash.spec.sweep import SweepSpec
from qdash.store.runs import NewRun
from qdash.store.store import Store

KINDS = ("title", "subheader", "markdown", "caption", "error", "warning", "info", "text", "metric")


def text_of(page: AppTest) -> str:
    """Every word in the main part and the sidebar, for tests that look for a few of them."""
    parts = [element for kind in KINDS for element in page.get(kind)]
    return "\n".join(f"{getattr(part, 'label', '')} {part.value}" for part in parts)


def press(page: AppTest, label: str) -> AppTest:
    """Clicks the button with this label and waits for the page."""
    return next(button for button in page.button if button.label == label).click().run()


def swept_home(folder: Path, model: str, *, curve: bool = False, **values: Any) -> Path:
    """The same folder as a home whose store holds one finished sweep of a demo model; curve: and its measured curve."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QDASH_HOME", str(folder))
        patch.delenv("QDASH_STORE_URL", raising=False)
        spec = checked(SweepSpec, model=f"demo:digits-{model}", data="demo:digits", **values)
        with Store.open() as store:
            sweep = store.runs.create(NewRun("sweep", spec.model_dump_json(), model=spec.model, data=spec.data))
            run_inline(store, sweep)
            if curve:
                run_inline(store, create_measure_run(store, sweep))
    return folder
