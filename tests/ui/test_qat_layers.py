"""A sweep that fine-tunes every layer: its before and after in the panel, the table and a tab of their own."""

import shutil

import pytest
from ui_helpers import swept_home, text_of

from qdash.answers.stored import load_sweep
from qdash.store.store import Store

BEFORE = ["ptq_model_output_kl", "ptq_model_output_sqnr_db", "ptq_metric_delta"]


@pytest.fixture(scope="module")
def trained_home(tmp_path_factory):
    """A home folder with a finished sweep of the demo's LSTM whose layers are fine-tuned for two steps."""
    values = {"mode": "qat:steps=2", "weight_formats": ["int3"], "samples": 64}
    values |= {"batch_size": 64, "calibration_samples": 32}
    return swept_home(tmp_path_factory.mktemp("trained"), "lstm", **values)


@pytest.fixture
def trained(home, trained_home):
    """The rows of a finished sweep of that kind, worst first."""
    shutil.copytree(trained_home, home)
    with Store.open() as store:
        return load_sweep(store, store.runs.list(kind="sweep")[0].id).result().layers


def test_the_panel_says_what_it_was_before(open_page, trained):
    page = open_page("layers", layer=trained[0].layer)
    assert not page.exception
    said = text_of(page).replace("\\", "")
    before, after = trained[0].ptq_model_output_sqnr_db, trained[0].model_output_sqnr_db
    assert f"SQNR **{before:.1f} → {after:.1f} dB**" in said
    assert "quantized only → fine-tuned" in said


def test_the_table_has_columns_of_before(open_page, trained):
    table = open_page("layers").dataframe[-1].value.set_index("layer")
    assert set(BEFORE) <= set(table.columns)
    for row in trained:
        assert table.loc[row.layer, "ptq_model_output_kl"] == pytest.approx(row.ptq_model_output_kl)


@pytest.mark.parametrize("by", ["Model-output KL", "Model-output SQNR", "Layer-output SQNR"])
def test_the_tab_shows_every_layer(open_page, trained, by):
    page = open_page("layers", view="Before and after", by=by)
    assert not page.exception
    titles = [chart.proto.alt for chart in page.get("plotly_chart")]
    assert titles[0].startswith("The fine-tune helped")
    assert f"of {len(trained)} layers" in titles[0]
    assert ("dB" if by == "Model-output SQNR" else "nats") in titles[0]


def test_other_runs_have_neither(open_page, mobilenet):
    page = open_page("layers", view="Before and after")
    assert not page.exception
    assert "Before and after" not in [tab.label for tab in page.tabs]
    assert not set(BEFORE) & set(page.dataframe[-1].value.columns)
    assert "→" not in text_of(page)
