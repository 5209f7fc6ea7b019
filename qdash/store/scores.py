"""Scores: written as upserts, read in bulk."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from qdash.records.scores import Score
from qdash.store.blobs import pack_samples, pack_sums, unpack_samples, unpack_sums
from qdash.store.schema import SCORE

KEY = ("run", "kind", "subject", "setting", "batch")
VALUES = ("sequence", "sums", "samples")


def upsert(connection: sa.Connection, table: sa.Table, key: Iterable[str], rows: list[dict[str, Any]]) -> None:
    """Inserts rows; one whose key exists replaces its values. The same on SQLite and PostgreSQL."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in (key := tuple(key))}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed), rows)


def write(connection: sa.Connection, run_id: str, sequence: int, scores: Iterable[Score]) -> None:
    """The rows of one transaction, marked with its sequence."""
    upsert(connection, SCORE, KEY, [_row(run_id, sequence, score) for score in scores])


def read(
    connection: sa.Connection,
    run_id: str,
    *,
    kind: str | None = None,
    subject: str | None = None,
    after: int = 0,
    samples: bool = True,
) -> tuple[list[Score], int]:
    """The scores written after a sequence, by kind, subject, setting and batch; and the last sequence among them.

    `samples=False` leaves the per-sample arrays in the database.
    """
    blob = SCORE.c.samples if samples else sa.null().label("samples")
    query = sa.select(*(SCORE.c[name] for name in KEY[1:]), SCORE.c.sequence, SCORE.c.sums, blob)
    query = query.where(SCORE.c.run == run_id)
    if kind is not None:
        query = query.where(SCORE.c.kind == kind)
    if subject is not None:
        query = query.where(SCORE.c.subject == subject)
    if after:
        query = query.where(SCORE.c.sequence > after)
    rows = connection.execute(query.order_by(*(SCORE.c[name] for name in KEY[1:]))).all()
    sums = unpack_sums(row[5] for row in rows)
    scores = [Score(*row[:4], each, unpack_samples(row[6])) for row, each in zip(rows, sums, strict=True)]
    return scores, max((row[4] for row in rows), default=after)


def _row(run_id: str, sequence: int, score: Score) -> dict[str, Any]:
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
