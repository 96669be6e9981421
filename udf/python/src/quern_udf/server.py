"""The process: hashicorp/go-plugin's handshake on standard output, and a gRPC server on a Unix socket."""

from __future__ import annotations

import base64
import datetime
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent import futures
from importlib.metadata import version
from typing import TextIO

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .batches import MAX_MESSAGE
from .decorators import registered
from .function import Function
from .service import Service
from .shared import SharedMemory

COOKIE_KEY, COOKIE = "QUERN_PLUGIN", "9a1c3f0e-quern-function-plugin"
PROTOCOL = "1"
_CALLS = 32  # at a time; more wait


def serve(functions: Sequence[Function] | None = None) -> None:
    """Serves what has been decorated, until the host ends the process. Standard output is the host's: what is printed goes
    to standard error, and so to the worker's log."""
    handshake = keep_stdout()
    served = registered if functions is None else functions
    if os.environ.get(COOKIE_KEY) != COOKIE:
        sys.exit("This is a plugin of Quern: name it in a job file under functions, and quern starts it.")
    offered = os.environ.get("PLUGIN_PROTOCOL_VERSIONS", PROTOCOL).split(",")
    if PROTOCOL not in offered:
        sys.exit(
            f"quern-udf {version('quern-udf')} speaks version {PROTOCOL} of the plugin protocol, this quern {', '.join(offered)}: "
            "use versions of both that are of the same time"
        )
    if not served:
        sys.exit("The plugin has no functions: decorate them with scalar, table, aggregate or source of quern_udf.")
    parent = os.getppid()
    address = os.path.join(os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.gettempdir(), f"python-{os.getpid()}.sock")
    server = grpc.server(
        futures.ThreadPoolExecutor(_CALLS),
        options=[("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)],
    )
    done = threading.Event()
    server.add_generic_rpc_handlers((Service(served, version("quern-udf"), SharedMemory.given()).handler(), _go_plugin(done)))
    certificate = _listen(server, f"unix:{address}", os.environ.get("PLUGIN_CLIENT_CERT", ""))
    server.start()
    handshake.write(f"1|{PROTOCOL}|unix|{address}|grpc|{certificate}\n")
    handshake.flush()
    while not done.wait(1) and os.getppid() == parent:
        pass
    # The answer to whoever asked for this goes out first. Threads that are in the author's code are not waited for.
    server.stop(0.5).wait(1)
    sys.stderr.flush()
    os._exit(0)


_handshake: TextIO | None = None


def keep_stdout() -> TextIO:
    """Standard output as it was; from now on the process's own output goes to standard error, that of C code, too."""
    global _handshake
    if _handshake is None:
        sys.stdout.flush()
        _handshake = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return _handshake


def _listen(server: grpc.Server, address: str, client: str) -> str:
    """Opens the socket; the certificate that the host is to expect there, or nothing where it wants no encryption."""
    if not client:
        server.add_insecure_port(address)
        return ""
    key, certificate = identity()
    server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)], client.encode(), require_client_auth=True))
    der = x509.load_pem_x509_certificate(certificate).public_bytes(serialization.Encoding.DER)
    return base64.b64encode(der).decode().rstrip("=")


def identity() -> tuple[bytes, bytes]:
    """A new key, and a certificate that it has signed itself, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret, certificate.public_bytes(pem)


def _go_plugin(done: threading.Event) -> grpc.GenericRpcHandler:
    """go-plugin's own services, as far as the host needs them. Their messages are empty, or known bytes."""

    def health(_: bytes, __: grpc.ServicerContext) -> bytes:
        return b"\x08\x01"  # HealthCheckResponse{status: SERVING}

    def shutdown(_: bytes, __: grpc.ServicerContext) -> bytes:
        done.set()
        return b""

    handlers = {
        "/grpc.health.v1.Health/Check": grpc.unary_unary_rpc_method_handler(health),
        "/plugin.GRPCController/Shutdown": grpc.unary_unary_rpc_method_handler(shutdown),
    }

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            return handlers.get(call.method)

    return Handler()
