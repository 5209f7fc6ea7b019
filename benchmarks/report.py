"""The comparison as text: ratios for the terminal, tables in Markdown for the results file."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from scipy.stats import spearmanr

from benchmarks.contestants import CONTESTANTS

BASE = "naive"
OURS = ("qdash-exact", "qdash-gradient-lean", "qdash-gradient", "qdash-adaptive")
_HEADER = "| contestant | version | CPU s | of naive | layers | passes over the images | rank agreement | answer |"
_FEW = 5  # layers: a rank correlation over fewer says nothing


@dataclass(frozen=True)
class Network:
    """All rows of one network: by contestant, one per round."""

    name: str
    images: int
    rows: Mapping[str, Sequence[Mapping[str, Any]]]

    def done(self, whole_command: bool = False) -> list[str]:
        """The contestants with rows, fastest first."""
        names = [n for n, rows in self.rows.items() if rows and "failed" not in rows[-1]]
        chosen = [name for name in names if CONTESTANTS[name].whole_command == whole_command]
        return sorted(chosen, key=self.cpu_s)

    def failed(self) -> dict[str, str]:
        """The contestants without, and why."""
        return {name: rows[-1]["failed"] for name, rows in self.rows.items() if rows and "failed" in rows[-1]}

    def cpu_s(self, name: str) -> float:
        """The median over the rounds."""
        return median(row["cpu_s"] for row in self.rows[name])

    def spread(self, name: str) -> str:
        """The smallest and the largest of the rounds."""
        values = [row["cpu_s"] for row in self.rows[name]]
        return f"{min(values):.1f}–{max(values):.1f}"

    def weighted(self, name: str) -> dict[str, float]:
        """The scores of layers with weights; without the naive loop's row all scores."""
        scores, base = self.rows[name][-1]["scores"], self.rows.get(BASE)
        known = base[-1].get("scores", scores) if base else scores
        return {layer: score for layer, score in scores.items() if layer in known}

    def agreement(self, name: str) -> float | None:
        """Spearman's ρ with the naive loop's KL, over the layers that both score."""
        if BASE not in self.done() or name == BASE:
            return None
        base, scores = self.rows[BASE][-1]["scores"], self.weighted(name)
        if len(scores) < _FEW:
            return None
        return float(spearmanr([base[layer] for layer in scores], list(scores.values())).statistic)


def summary(network: Network) -> str:
    """For the terminal: CPU seconds and ratios, and who is slower or faster than qdash."""
    lines = [f"{network.name} × {network.images} images, CPU seconds, median:"]
    lines += [f"  {CONTESTANTS[n].label:32} {network.cpu_s(n):8.1f}  {_of_naive(network, n)}" for n in network.done()]
    lines += ["whole commands, imports in:"] if network.done(whole_command=True) else []
    lines += [f"  {CONTESTANTS[n].label:32} {network.cpu_s(n):8.1f}" for n in network.done(whole_command=True)]
    lines += [f"  {CONTESTANTS[n].label}: no row: {reason}" for n, reason in network.failed().items()]
    return "\n".join([*lines, *verdicts(network)])


def verdicts(network: Network) -> list[str]:
    """One sentence per other contestant and kind of qdash's answer: who is slower, and by how much."""
    ours = [name for name in OURS if name in network.done()]
    others = [name for name in network.done() if name not in OURS]
    return [_verdict(network, ours_name, others) for ours_name in ours if others]


def _verdict(network: Network, ours: str, others: Sequence[str]) -> str:
    cost = network.cpu_s(ours)
    slower = [f"{CONTESTANTS[n].label} {network.cpu_s(n) / cost:.1f}×" for n in others if network.cpu_s(n) >= cost]
    faster = [f"{CONTESTANTS[n].label} {cost / network.cpu_s(n):.1f}×" for n in others if network.cpu_s(n) < cost]
    text = f"{CONTESTANTS[ours].label} ({cost:.1f} s). Slower than it: {', '.join(slower) or 'none'}."
    return f"{text} Faster than it: {', '.join(faster) or 'none'}."


def report(networks: Sequence[Network], threads: int) -> str:
    """The whole results file."""
    date = datetime.now(UTC).date().isoformat()
    lines = [
        "# qdash beside its peers",
        "",
        f"Measured {date} by `python -m benchmarks.peers`: {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}; {threads} thread(s) on as many cores for each contestant; CPU seconds of "
        "the process, median of the interleaved rounds (smallest–largest in brackets).",
        "",
        "The clock runs without imports, model building and the FP32 reference outputs, and with export, BatchNorm "
        "folding and calibration. All settings are INT8, static, weights per channel, min-max where there is a choice. "
        "*Rank agreement* is Spearman's ρ with the naive loop's KL over the layers with weights.",
    ]
    for network in networks:
        lines += ["", *_section(network)]
    return "\n".join(lines) + "\n"


def _section(network: Network) -> list[str]:
    rounds = max(len(rows) for rows in network.rows.values())
    title = f"## {network.name}, {network.images} images, {rounds} round{'s' if rounds > 1 else ''}"
    lines = [title, "", _HEADER, "|---|---|---|---|---|---|---|---|"]
    lines += [_line(network, name) for name in network.done()]
    lines += ["", *(f"- {line}" for line in verdicts(network))]
    commands = network.done(whole_command=True)
    if commands:
        lines += ["", *_commands(network, commands)]
    if network.failed():
        lines += ["", "Without a row:", ""]
        lines += [f"- {CONTESTANTS[name].label}: {reason}" for name, reason in network.failed().items()]
    return lines


def _commands(network: Network, commands: Sequence[str]) -> list[str]:
    """What the user's command costs with everything in, beside the whole process of the other scripts."""
    lines = ["Whole processes, with start, imports, model loading, and for qdash the store and the JSON:", ""]
    lines += ["| whole process | CPU s |", "|---|---|"]
    costs = {f"`python -m qdash sweep`: {CONTESTANTS[name].label}": network.cpu_s(name) for name in commands}
    for name in network.done():
        if name not in OURS:
            costs[CONTESTANTS[name].label] = median(row["process_cpu_s"] for row in network.rows[name])
    return lines + [f"| {label} | {cost:.1f} |" for label, cost in sorted(costs.items(), key=lambda pair: pair[1])]


def _line(network: Network, name: str) -> str:
    row, agreement = network.rows[name][-1], network.agreement(name)
    share = row.get("measured_share", 1.0)
    passes = row["evaluations"] + (f", {share:.0%} of samples × layers" if share < 1 else "")
    cells = (
        CONTESTANTS[name].label,
        row["version"],
        f"{network.cpu_s(name):.1f} ({network.spread(name)})",
        _of_naive(network, name),
        str(len(network.weighted(name))),
        passes,
        "–" if agreement is None else f"{agreement:+.2f}",
        row["meaning"],
    )
    return f"| {' | '.join(cells)} |"


def _of_naive(network: Network, name: str) -> str:
    return f"{network.cpu_s(name) / network.cpu_s(BASE):.2f}" if BASE in network.done() else "–"
