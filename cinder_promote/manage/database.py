# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Cinder's database, found the way cinder-manage finds it."""

from collections.abc import Iterator, Sequence
import contextlib
import logging
import sys
from typing import Any

from cinder import context
from cinder.common import config  # noqa: F401  registers Cinder's options
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_log import log as oslo_logging
import sqlalchemy

CONF = cfg.CONF


class DatabaseError(Exception):
    """The database can't be used; the text is one sentence."""


@contextlib.contextmanager
def opened(
    config_files: Sequence[str], config_dirs: Sequence[str]
) -> Iterator[Any]:
    """Read Cinder's configuration and give an admin's request context.

    :param config_files: what to read instead of the usual files
    :param config_dirs: what to read instead of the usual directories
    :raises DatabaseError: Cinder's configuration can't be read, or what is
        done in this context fails because the database can't be used
    """
    _configure(config_files, config_dirs)
    try:
        yield context.get_admin_context()
    except db_exc.DBNonExistentTable as error:
        raise DatabaseError(
            f"{_database()} does not have Cinder's tables ({_reason(error)}); "
            "cinder-manage db sync makes them."
        ) from error
    except (
        db_exc.DBError,
        sqlalchemy.exc.SQLAlchemyError,
        ImportError,  # of the database's own module
    ) as error:
        raise DatabaseError(
            f"{_database()} can't be used: {_reason(error)}."
        ) from error


def _configure(
    config_files: Sequence[str], config_dirs: Sequence[str]
) -> None:
    arguments = [f"--config-file={name}" for name in config_files]
    arguments += [f"--config-dir={name}" for name in config_dirs]
    try:
        # By this name it reads the same files as cinder-manage.
        CONF(arguments, project="cinder", prog="cinder-manage")
        connection = CONF.get_location("connection", "database")
        _set_up_logs()
    except (cfg.Error, OSError, oslo_logging.LogConfigError) as error:
        raise DatabaseError(
            f"Cinder's configuration can't be used: {_reason(error)}."
        ) from error
    if connection is None or not connection.location.is_user_controlled:
        files = ", ".join([*CONF.config_file, *CONF.config_dir]) or "no file"
        raise DatabaseError(
            "Cinder's configuration does not set connection in [database] "
            f"({files} was read); name the right file with --config-file."
        )
    # Somebody waits for the answer, who can try again.
    CONF.set_override("max_retries", 1, "database")
    CONF.set_override("retry_interval", 0, "database")


def _set_up_logs() -> None:
    """Write to Cinder's log, but never between the lines of the output."""
    oslo_logging.setup(CONF, "cinder")
    root = logging.getLogger()
    for handler in list(root.handlers):
        if getattr(handler, "stream", None) in (sys.stdout, sys.stderr):
            root.removeHandler(handler)
    root.addHandler(logging.NullHandler())


def _database() -> str:
    try:
        url = sqlalchemy.make_url(CONF.database.connection)
    except sqlalchemy.exc.ArgumentError:
        return "The database of [database] connection"
    return f"The database {url.render_as_string(hide_password=True)}"


def _reason(error: BaseException) -> str:
    """Return what an error says, less the SQL and what else is wrapped around.

    A database's own error is the cause and ends in its text.
    """
    text = str(error)
    if isinstance(error, db_exc.DBError) and error.__cause__ is not None:
        text = str(error.__cause__.args[-1])
    return " ".join(text.split()).rstrip(".")
