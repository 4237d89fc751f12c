"""XML-RPC as bytes, for what no decent client sends."""

import http.client
import xmlrpc.client
from xml.sax.saxutils import escape

from tests.daemon.process import ADMIN, Daemon


def post(daemon: Daemon, body: bytes, content_type: str = "text/xml") -> tuple[int, bytes]:
    """Status and body of the answer to a POST."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    try:
        connection.request("POST", "/RPC2", body, {"Content-Type": content_type})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def call(method: str, *values: str) -> bytes:
    """A call with parameters that are XML already; the session first."""
    params = "".join(f"<param><value>{value}</value></param>" for value in (f"<string>{ADMIN}</string>", *values))
    return (
        f'<?xml version="1.0"?><methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>'
    ).encode()


def string(text: str) -> str:
    """A string as a client writes it."""
    return f"<string>{escape(text)}</string>"


def fault(body: bytes) -> tuple[int, str]:
    """Code and text of a fault; AssertionError if it is none."""
    try:
        answer = xmlrpc.client.loads(body)
    except xmlrpc.client.Fault as found:
        return found.faultCode, found.faultString
    raise AssertionError(f"no fault, but {answer}")


def answer(body: bytes) -> list[object]:
    """[ok, payload, code] of an answer, as the standard library reads it."""
    values, _ = xmlrpc.client.loads(body)
    return list(values[0])  # type: ignore[call-overload]
