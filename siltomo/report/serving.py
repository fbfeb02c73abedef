"""Serving pages and bytes to programs on this machine, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from siltomo.errors import BadInputError

__all__ = ["HOST", "Answer", "LocalServer", "Request", "Site", "start_server"]

HOST = "127.0.0.1"
"""Only this machine: volumes may be embargoed."""


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    method: str
    """``GET``, ``HEAD`` or ``OPTIONS``."""
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    """By lower-case name."""


@dataclass(frozen=True)
class Answer:
    """What is answered."""

    status: HTTPStatus
    body: bytes = b""
    kind: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


class Site(Protocol):
    """What is served."""

    def answer(self, request: Request) -> Answer:
        """Answer a request; never raises what a request can cause."""
        ...


class LocalServer(ThreadingHTTPServer):
    """A server of one site, for this machine only."""

    def __init__(self, site: Site, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.site = site


def start_server(site: Site, *, port: int = 0, fix: str) -> LocalServer:
    """Return a server of a site, bound to 127.0.0.1; port 0 takes a free one.

    Raises
    ------
    BadInputError
        When the port is taken.
    """
    try:
        return LocalServer(site, port)
    except OSError as error:
        raise BadInputError(f"port {port} cannot be used: {error.strerror or error}", fix=fix) from error


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LocalServer

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_OPTIONS(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if not _is_ours(self.headers.get("Host", "")):
            # a page of someone else that resolves its name to this machine
            self._send(Answer(HTTPStatus.FORBIDDEN))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self.server.site.answer(Request(self.command, self.path, headers)))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        usual = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        whole = {
            "Content-Type": answer.kind,
            "Content-Length": str(len(answer.body)),
            **usual,
            **answer.headers,
        }
        for name, value in whole.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- as http.server spells it
        """Say nothing: a line for each tile would bury the address."""


def _is_ours(host: str) -> bool:
    return host.rsplit(":", 1)[0] in (HOST, "localhost")
