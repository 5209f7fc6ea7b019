"""The JSON of a sweep (DESIGN contract): from facts and scores, at any moment of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qdash.records.facts import Coverage, Environment, OutputFacts, RunFacts, SampleFacts
from qdash.results.layer_rows import layer_rows
from qdash.results.models import AllQuantized, Baseline, all_quantized, baseline_of
from qdash.results.ranking import default_ranking, ranked
from qdash.results.rows import LayerRow
from qdash.results.tally import Tallies
from qdash.spec.setting import Setting
from qdash.spec.sweep import SweepSpec

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Cost:
    """What a run cost so far; forward_equivalents: in FP32 passes over the evaluation samples."""

    wall_s: float | None
    cpu_s: float | None
    forward_equivalents: float | None
    peak_rss_mb: float | None


@dataclass(frozen=True)
class SettingResult:
    """What a sweep found under one setting; layers: worst first. The names are those of the sweep JSON."""

    baseline: Baseline
    all_quantized: AllQuantized
    ranked_by: str
    layers: Sequence[LayerRow]


@dataclass(frozen=True)
class SweepResult:
    """The sweep JSON, field by field; `results.plain` writes it. all_quantized: of the first setting."""

    schema_version: int
    run_id: str
    model: str
    data: str
    spec: SweepSpec
    environment: Environment
    coverage: Coverage
    samples: SampleFacts
    notes: tuple[str, ...]
    baseline: Baseline
    all_quantized: AllQuantized
    all_quantized_by_setting: Sequence[AllQuantized]
    ranked_by: str
    layers: Sequence[LayerRow]
    cost: Cost
    outputs: tuple[OutputFacts, ...]


def sweep_result(
    run_id: str, spec: SweepSpec, facts: RunFacts, tallies: Tallies, cost: Mapping[str, float]
) -> SweepResult:
    """All layers under all settings."""
    by_setting = [all_quantized(facts, setting, tallies, spec.seed) for setting in spec.settings()]
    rows = [row for setting in spec.settings() for row in layer_rows(spec, setting, facts, tallies)]
    return SweepResult(
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        model=spec.model,
        data=spec.data,
        spec=spec,
        environment=facts.environment,
        coverage=facts.coverage,
        samples=facts.samples,
        notes=facts.notes,
        baseline=baseline_of(facts, tallies),
        all_quantized=by_setting[0],
        all_quantized_by_setting=by_setting,
        ranked_by=default_ranking(rows),
        layers=ranked(rows),
        cost=_cost(cost, facts),
        outputs=facts.outputs or (),
    )


def setting_result(spec: SweepSpec, setting: Setting, facts: RunFacts, tallies: Tallies) -> SettingResult:
    """A fraction of the work where one setting is looked at."""
    rows = layer_rows(spec, setting, facts, tallies)
    return SettingResult(
        baseline=baseline_of(facts, tallies),
        all_quantized=all_quantized(facts, setting, tallies, spec.seed),
        ranked_by=default_ranking(rows),
        layers=ranked(rows),
    )


def _cost(cost: Mapping[str, float], facts: RunFacts) -> Cost:
    one_pass = facts.macs_per_sample * facts.samples.evaluation
    forwards = cost.get("macs", 0.0) / one_pass if one_pass else None
    return Cost(cost.get("wall_s"), cost.get("cpu_s"), forwards, cost.get("peak_rss_mb"))
