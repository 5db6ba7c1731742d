"""Ports to listen on."""

from __future__ import annotations

import ipaddress
import socket

from ape.core.errors import InputError


def is_loopback(host: str) -> bool:
    """Whether a host is this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def require_free_port(host: str, port: int) -> None:
    """Raise `InputError` if a port cannot be listened on."""
    try:
        family, _kind, _protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"the port cannot be used: {why}", f"{host}:{port}", "choose another --port") from error
