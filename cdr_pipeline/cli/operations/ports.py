"""Ports that a command is about to listen on."""

import socket

from cdr_pipeline.errors import ConfigurationError


def require_free(host: str, port: int, option: str) -> None:
    """Asks before anything is started: a server that finds its port taken reports it among the lines of all the others.

    Raises:
        ConfigurationError: the port is in use or may not be used.
    """
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # As servers do: a port whose last connections are still dying is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on: {error.strerror}",
            hint=f"stop what listens there, perhaps another 'cdr-pipeline up', or choose another with {option}",
        ) from None
