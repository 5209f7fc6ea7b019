"""Scores: written as upserts, read in bulk."""

import struct
import zlib
from collections.abc import Iterable

import sqlalchemy as sa

from qdash.errors import InputError
from qdash.records.scores import Score
from qdash.store.blobs import pack_samples, pack_sums, unpack_samples, unpack_sums
from qdash.store.schema import SCORE
from qdash.store.upsert import upsert

_KEY = SCORE.c.kind, SCORE.c.subject, SCORE.c.setting, SCORE.c.batch


class Scores:
    """The scores of a store's runs."""

    def __init__(self, engine: sa.Engine):
        self._engine = engine

    def read(self, run_id: str) -> list[Score]:
        """Ordered by kind, subject, setting and batch. Raises InputError where some are damaged."""
        query = sa.select(*_KEY, SCORE.c.sums, SCORE.c.samples).where(SCORE.c.run == run_id).order_by(*_KEY)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        try:
            sums = unpack_sums(row.sums for row in rows)
            return [Score(*row[:4], each, unpack_samples(row.samples)) for row, each in zip(rows, sums, strict=True)]
        except (ValueError, TypeError, LookupError, AttributeError, struct.error, zlib.error) as error:
            said = f"the scores of run {run_id} in the store are damaged ({' '.join(str(error).split())[:80]})"
            raise InputError(f"{said}; delete it and run it again") from error


def write(connection: sa.Connection, run_id: str, sequence: int, scores: Iterable[Score]) -> None:
    """The scores of one transaction, marked with the revision that it gives the run."""
    upsert(connection, SCORE, [_row(run_id, sequence, score) for score in scores])


def _row(run_id: str, sequence: int, score: Score) -> dict[str, object]:
    return {
        "run": run_id,
        "kind": score.kind,
        "subject": score.subject,
        "setting": score.setting,
        "batch": score.batch,
        "sequence": sequence,
        "sums": pack_sums(score.sums),
        "samples": pack_samples(score.samples),
    }
