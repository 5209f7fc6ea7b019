"""A run by what a person writes: an id, the beginning of one, or `latest`."""

from collections.abc import Iterable

import sqlalchemy as sa

from qdash.errors import InputError
from qdash.store.schema import RUN

LATEST = "latest"
NEWEST_FIRST = RUN.c.created.desc(), RUN.c.id.desc()


def find(connection: sa.Connection, text: str) -> sa.RowMapping:
    """The row of an id, a unique prefix of one, or `latest`. Raises InputError otherwise."""
    row = connection.execute(sa.select(RUN).where(RUN.c.id == text)).mappings().first()
    if row is not None:
        return row
    return _latest(connection) if text == LATEST else _by_prefix(connection, text)


def _latest(connection: sa.Connection) -> sa.RowMapping:
    row = connection.execute(sa.select(RUN).order_by(*NEWEST_FIRST).limit(1)).mappings().first()
    if row is None:
        raise InputError("there is no run in the store yet; start one with: python -m qdash sweep --model … --data …")
    return row


def _by_prefix(connection: sa.Connection, text: str) -> sa.RowMapping:
    begins = sa.func.substr(RUN.c.id, 1, len(text)) == text
    query = sa.select(RUN).where(begins).order_by(*NEWEST_FIRST).limit(4)
    rows = connection.execute(query).mappings().all() if text else []
    if len(rows) == 1:
        return rows[0]
    if rows:
        raise InputError(f"several runs begin with {text!r} ({_ids(rows)}); write more of the id")
    newest = connection.execute(sa.select(RUN.c.id).order_by(*NEWEST_FIRST).limit(3)).mappings().all()
    known = f"the newest are {_ids(newest)}; list all with: python -m qdash runs" if newest else "the store is empty"
    raise InputError(f"unknown run {text!r}; {known}")


def _ids(rows: Iterable[sa.RowMapping]) -> str:
    return ", ".join(row["id"] for row in rows)
