"""The tables. A change here needs a new file in `migrations/versions` (a test compares the two)."""

import sqlalchemy as sa

METADATA = sa.MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s"})


def _run_reference() -> sa.Column[str]:
    return sa.Column("run", sa.Text, sa.ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)


RUN = sa.Table(
    "run",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("parent", sa.Text, sa.ForeignKey("run.id", ondelete="SET NULL"), index=True),
    sa.Column("identity", sa.Text, nullable=False, index=True),
    sa.Column("follow_up", sa.Text),
    sa.Column("facts", sa.Text),
    sa.Column("position", sa.Text),
    sa.Column("done", sa.Float, nullable=False),
    sa.Column("total", sa.Float, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    # How often it was queued as a durable job; 0: computed by the process that made it.
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("created", sa.Float, nullable=False, index=True),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    sa.Column("cost", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
)

SCORE = sa.Table(
    "score",
    METADATA,
    _run_reference(),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("setting", sa.Text, primary_key=True),
    sa.Column("batch", sa.Integer, primary_key=True, autoincrement=False),
    # The revision of the run whose transaction wrote the row: what a live page has not seen yet.
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("sums", sa.Text, nullable=False),
    sa.Column("samples", sa.LargeBinary),
    sa.Index(None, "run", "sequence"),
)

DECISION = sa.Table(
    "decision",
    METADATA,
    _run_reference(),
    sa.Column("layer", sa.Text, primary_key=True),
    sa.Column("pinned", sa.Boolean, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("updated", sa.Float, nullable=False),
)

WORKER = sa.Table(
    "worker",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("heartbeat", sa.Float, nullable=False),
)

# As Alembic makes it, to which it belongs.
VERSION = sa.Table(
    "alembic_version",
    sa.MetaData(naming_convention={"pk": "%(table_name)s_pkc"}),
    sa.Column("version_num", sa.String(32), primary_key=True),
)
