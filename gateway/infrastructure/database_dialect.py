"""What is specific to one kind of database: the interface that ``database_sqlite`` and ``database_postgres`` implement, and their failures."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError


class DatabaseError(Exception):
    """The database cannot be used. The message says what happened and where, never a value and never a password."""


class DatabaseInUseError(DatabaseError):
    """Another process already serves this database."""


class Dialect(ABC):
    """One database. What its driver raises may leave these methods: whoever calls them does so within ``wrapped``."""

    shared: ClassVar[bool]
    """Whether several processes serve one database."""
    begin_appending: ClassVar[str]
    """Begins the transaction of a ledger's writer."""
    begin_moving: ClassVar[str]
    """Run in such a transaction before the first effect: says how long each may wait for others, while calls wait for it."""
    hurry_moving: ClassVar[str]
    """Run after an effect that has failed: those that follow may wait hardly at all, so that all of them together do not take long."""
    mark: ClassVar[str]
    """How the driver marks a parameter."""
    failures: ClassVar[tuple[type[Exception], ...]]
    """What the driver raises."""
    place: str
    """Where the database is, to be shown."""
    engine: Engine

    @abstractmethod
    def words(self, error: BaseException) -> str:
        """What a failure of the driver says, without values."""

    @abstractmethod
    def driver(self) -> Any:
        """A bare connection of the driver, in autocommit mode."""

    @abstractmethod
    def begin_reading(self, connection: Connection, *, patient: bool) -> None:
        """Begin a transaction that sees one snapshot. ``patient``: for a command, which may take longer than a call can wait."""

    @abstractmethod
    def begin_writing(self, connection: Connection) -> None:
        """Begin a transaction that no other one of this method runs beside."""

    @abstractmethod
    def identity(self) -> object:
        """What differs when somebody has put another database in this one's place, as far as that can be told without asking it."""

    @abstractmethod
    def revision(self) -> str | None:
        """The revision of the schema; ``None`` where there is none yet."""

    @abstractmethod
    def migrating(self) -> contextlib.AbstractContextManager[Connection]:
        """A transaction to create or change the schema in, which one process at a time can have; to be committed within."""

    @abstractmethod
    def claim(self) -> None:
        """Become a process that serves this database.

        Raises:
            DatabaseInUseError: One does already, and there can be only one.
        """

    @abstractmethod
    def release(self) -> None:
        """Give the claim back, and connections that wait to be used again."""

    @abstractmethod
    def hold(self, connection: Connection, writer: str) -> None:
        """Make the open connection the proof that a writer lives.

        Raises:
            DatabaseError: Another connection is that proof now.
        """

    @abstractmethod
    def is_dead(self, connection: Connection, writer: str) -> bool:
        """Whether no connection proves that a writer lives. Where it is dead, it stays so until the end of the transaction."""

    @abstractmethod
    def lock(self, connection: Connection, name: str) -> None:
        """Keep out of a transaction, until it ends, whoever wants the same name."""

    @abstractmethod
    def wipe_freed(self, wait_s: float) -> bool:
        """Make what was deleted unreadable as far as the database can; ``False`` if others kept it busy for ``wait_s`` seconds."""

    @contextlib.contextmanager
    def wrapped(self) -> Iterator[None]:
        """Turn what the driver and SQLAlchemy raise into ``DatabaseError``."""
        try:
            yield
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None)
            raise DatabaseError(f"{self.place}: {self.words(cause) if isinstance(cause, self.failures) else type(error).__name__}") from error
        except self.failures as error:
            raise DatabaseError(f"{self.place}: {self.words(error)}") from error
        except OSError as error:
            raise DatabaseError(f"{self.place}: {error}") from error
        except UnicodeError as error:
            raise DatabaseError(f"{self.place}: a text holds what is no Unicode, which no database can store or find") from error
