"""Opening a database: address, pragmas, and migrations that concurrent openers can't run twice."""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from qdash import home
from qdash.errors import InputError, MissingLibraryError
from qdash.store.schema import METADATA, VERSION
from qdash.store.trouble import tell_trouble

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = max(path.stem for path in (MIGRATIONS / "versions").glob("m*.py"))
BUSY_TIMEOUT_MS = 10_000
_MIGRATION_LOCK = 0x71646173  # any number that every qdash process on a PostgreSQL server shares


def connect(text: str) -> sa.Engine:
    """An engine on a migrated database. Raises InputError where the URL or what lies there can't be used."""
    url = absolute(text)
    engine = _engine(url)
    try:
        _migrate(engine)
    except DBAPIError as error:
        engine.dispose()
        raise InputError(f"can't use the store {shown(url)}: {_reason(error)}; {_remedy(url)}") from error
    except InputError:
        engine.dispose()
        raise
    if url.get_backend_name() == "sqlite":
        for beside in ("", "-wal", "-shm"):
            home.make_private(Path(f"{url.database}{beside}"))
    tell_trouble(engine)
    return engine


def absolute(text: str) -> URL:
    """The URL with an absolute SQLite path, so that a process with another working folder finds the same file."""
    try:
        url = sa.make_url(text)
    except ArgumentError as error:
        raise InputError(f"the store URL {text!r} can't be read; write sqlite:////folder/qdash.sqlite") from error
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite":
        return url
    if not url.database or url.database == ":memory:":
        raise InputError(
            f"the store {text!r} lies in memory, where no job can reach it; write sqlite:////folder/qdash.sqlite"
        )
    return url.set(database=str(Path(url.database).expanduser().absolute()))


def shown(url: URL) -> str:
    """The URL without its password."""
    return url.render_as_string(hide_password=True)


def _engine(url: URL) -> sa.Engine:
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise InputError(f"the store {shown(url)} is neither SQLite nor PostgreSQL; choose one of these")
    if url.get_backend_name() == "sqlite":
        _make_parent(Path(str(url.database)))
    try:
        engine = sa.create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except NoSuchModuleError as error:
        raise InputError(f"the store {shown(url)}: unknown driver {url.drivername!r}") from error
    except ModuleNotFoundError as error:
        raise MissingLibraryError(f"the store {shown(url)}", str(error.name)) from error
    if url.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _set_pragmas)
    return engine


def _make_parent(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"can't make the store's folder {file.parent}: {error.strerror}; choose another") from error


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    _turn_wal_on(connection)


def _turn_wal_on(connection: sqlite3.Connection) -> None:
    # Two openers that read and want to write would wait for ever, so SQLite tells one at once, whatever the timeout.
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # the low byte is the kind
            if not busy or time.monotonic() > until:
                raise
            time.sleep(random.uniform(0.001, 0.02))


def _migrate(engine: sa.Engine) -> None:
    # Alembic costs 0.2 s and 15 MB to import: only an older store needs it.
    with engine.connect() as connection:
        if _version(connection) == HEAD:
            return
    with _alone(engine) as connection:
        version = _version(connection)
        if version is None:
            _refuse_foreign(connection)
            _create(connection)
        elif version > HEAD:
            raise InputError(f"the store {shown(engine.url)} was written by a newer qdash ({version}); update qdash")
        elif version != HEAD:
            upgrade(connection)


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return version


def _refuse_foreign(connection: sa.Connection) -> None:
    tables = set(sa.inspect(connection).get_table_names())
    if connection.dialect.name == "sqlite" and tables:
        what = f"{shown(connection.engine.url)} holds other tables ({', '.join(sorted(tables)[:3])})"
        raise InputError(f"{what}: it belongs to another program; choose a new file")


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that no second migrating process can be in."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # sqlite3 opens no transaction for DDL by itself.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        yield connection


def _create(connection: sa.Connection) -> None:
    METADATA.create_all(connection)
    VERSION.create(connection)
    connection.execute(sa.insert(VERSION).values(version_num=HEAD))


def upgrade(connection: sa.Connection) -> None:
    """Runs the migrations that an older store lacks."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(MIGRATIONS))
    with EnvironmentContext(Config(), script, fn=lambda at, _: script._upgrade_revs("head", at)) as environment:
        environment.configure(connection=connection, transactional_ddl=True)
        environment.run_migrations()


def _reason(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if error.orig else type(error).__name__


def _remedy(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return "give a writable path, new or of a qdash store, in QDASH_STORE_URL or --store"
    return "check the server, the name and the password in QDASH_STORE_URL or --store"
