"""Every error nextclick raises on purpose, and the exit code each ends the program with.

    NextclickError                70  something in here is wrong
    ├── UsageError                64  the command line does not make sense
    ├── DataError                 65  bytes from outside are not what they claim to be
    │   └── BundleError           65  a bundle is refused; the one in service stays
    ├── ServiceError              69  a service we stand on does not answer
    │   ├── KafkaError            69
    │   └── RedisError            69
    ├── InvariantError            70  a promise of our own was about to be broken: stop at once
    ├── PlaceError                73  nothing can be made where the result is to lie
    ├── DiskError                 74  a disk is full, or fails
    ├── BusyError                 75  somebody else is at it: later it can be done
    └── SettingsError             78  a setting has a value it cannot have

Third-party exceptions become one of these where they enter, in the adapter that knows them. Bad data
goes to the dead letter, bad infrastructure is retried within a budget or ends the process: the two
never share a branch. Every message says what to do next.
"""

from __future__ import annotations

from typing import ClassVar


class NextclickError(Exception):
    """The root: `except NextclickError` at the outermost edge catches what was meant to be told."""

    exit_code: ClassVar[int] = 70


class UsageError(NextclickError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = 64


class DataError(NextclickError):
    """Bytes from outside that cannot be taken; `reason` is from a small fixed set, fit for a metric label."""

    exit_code = 65

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class BundleError(DataError):
    """A bundle that is incomplete, altered, of another format, or does not answer as its golden output says."""


class ServiceError(NextclickError):
    """Kafka or Redis did not answer in time, or answered that it cannot."""

    exit_code = 69


class KafkaError(ServiceError):
    """The broker is away, refuses, or lacks a topic."""


class RedisError(ServiceError):
    """Redis is away, full, loading, or failing over."""


class InvariantError(NextclickError):
    """Carrying on could lose or double an event, so the process ends and another takes its partitions."""


class PlaceError(NextclickError):
    """The directory that was named cannot be made, or not be written to."""

    exit_code = 73


class DiskError(NextclickError):
    """What was begun cannot be written to its end."""

    exit_code = 74


class BusyError(NextclickError):
    """Another process holds what only one may hold."""

    exit_code = 75


class SettingsError(NextclickError):
    """A setting that cannot be used, named with its value and with what is allowed."""

    exit_code = 78
