"""Facts are read from and written to the JSON that is stored: exactly, and with room for other versions."""

import json
import sqlite3
from pathlib import Path

import pytest

from qdash.records.facts import FirstValue, LayerFacts, Preview, PreviewSample, RunFacts, as_stored, read_facts

MADE = Path(__file__).parents[1] / "store" / "made_by_0.1.0" / "home" / "qdash.sqlite"


@pytest.fixture(scope="module")
def stored():
    """The text of all facts in the store of 0.1.0, of every kind of run."""
    connection = sqlite3.connect(f"file:{MADE}?immutable=1", uri=True)
    try:
        return [text for (text,) in connection.execute("select facts from run where facts is not null")]
    finally:
        connection.close()


def test_what_is_read_is_written_again_to_the_letter(stored):
    assert len(stored) >= 5
    for text in stored:
        assert json.dumps(as_stored(read_facts(json.loads(text)))) == text


def test_what_a_version_does_not_write_has_a_default_and_what_it_adds_is_passed_over():
    facts = read_facts({"layers": [{"layer": "fc", "colour": "blue"}], "phase": 3})
    assert facts.layers == (LayerFacts("fc"),)
    assert facts.by_layer["fc"].groups == 1
    assert (facts.training, facts.preview, facts.samples.evaluation) == (None, None, 0)


def test_only_pictures_have_pixels_and_what_is_not_known_is_left_out():
    samples = (PreviewSample(None, 1, "values"), PreviewSample(2, 1, "picture", [[0, 255]]))
    facts = RunFacts(baseline=FirstValue("accuracy", 98.0, 256), preview=Preview("values", samples))
    written = as_stored(facts)
    assert written["preview"]["samples"] == [
        {"label": None, "predicted": 1, "text": "values"},
        {"label": 2, "predicted": 1, "text": "picture", "pixels": [[0, 255]]},
    ]
    assert not {"training", "weights_file", "seconds_per_sample"} & written.keys()
    assert read_facts(written) == facts


def test_anything_else_is_refused():
    with pytest.raises(ValueError, match="layers"):
        read_facts({"layers": "none"})
