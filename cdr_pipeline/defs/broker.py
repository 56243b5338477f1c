# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# kombu has no type hints.
"""Looks into the broker of the Celery workers: whether it answers, and which runs it has tasks of.

Only Redis can be looked into. It forgets its tasks when it restarts without ``appendonly``; RabbitMQ keeps them.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final

from cdr_pipeline.defs.executors import evaluated_config
from cdr_pipeline.settings import Settings

# Dagster's queue, unless the file of CDR_EXECUTOR_CONFIG names another one.
_QUEUE: Final = "dagster"
_PATIENCE_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class BrokerState:
    """State of the broker.

    Attributes:
        error: why the broker cannot be used, without its address; "" if it can.
        up_seconds: time since it started.
        tasks: contents of its tasks, of those too that a worker has taken and not ended.
        task_ids: ids of these tasks.
    """

    error: str = ""
    up_seconds: float = 0.0
    tasks: tuple[str, ...] = ()
    task_ids: frozenset[str] = frozenset()

    def has_task_of(self, run_id: str) -> bool:
        """Whether a step of a run waits or is being executed."""
        return any(run_id in task for task in self.tasks)

    def has_task(self, task_id: str) -> bool:
        """Whether a task waits or is being executed."""
        return task_id in self.task_ids


def broker_state(settings: Settings) -> BrokerState | None:
    """State of the broker; None if steps are not distributed by Redis."""
    if settings.executor != "celery":
        return None
    config = evaluated_config(settings)
    url = str(config.get("broker") or "")
    source: dict[str, Any] = config.get("config_source") or {}
    if not url.startswith(("redis://", "rediss://")):
        return None
    from kombu.connection import Connection  # noqa: PLC0415 - an optional extra

    options = dict(source.get("broker_transport_options") or {}) | {
        "max_retries": 1,
        "socket_timeout": _PATIENCE_SECONDS,
        "socket_connect_timeout": _PATIENCE_SECONDS,
    }
    try:
        with Connection(url, transport_options=options) as connection:
            channel: Any = connection.channel()
            client, name = channel.client, str(source.get("task_default_queue") or _QUEUE)
            # In this order a task that a worker takes meanwhile is seen twice rather than not at all.
            queues = [channel._q_for_pri(name, priority) for priority in channel.priority_steps]  # noqa: SLF001
            waiting = [json.loads(message) for queue in queues for message in client.lrange(queue, 0, -1)]
            taken = [json.loads(message)[0] for message in client.hvals(channel.unacked_key)]
            uptime = float(client.info("server")["uptime_in_seconds"])
    except Exception as error:  # noqa: BLE001 - messages of clients can contain the password
        return BrokerState(error=type(error).__name__)
    messages: list[dict[str, Any]] = [*waiting, *taken]
    ids = frozenset(str(message.get("headers", {}).get("id", "")) for message in messages)
    return BrokerState("", uptime, tuple(map(_content, messages)), ids)


def _content(message: dict[str, Any]) -> str:
    body = str(message.get("body", ""))
    try:
        return base64.b64decode(body, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return body
