"""A host: starts packed plugins as quern does, and calls them."""

from __future__ import annotations

import base64
import contextlib
import itertools
import subprocess
import textwrap

import grpc
import pyarrow as pa
import pytest

from quern_udf import plugin_pb2 as pb
from quern_udf import server
from quern_udf.batches import decode, encode
from quern_udf.pack import pack


class Host:
    """A plugin's process and the connection to it."""

    def __init__(self, executable, folder):
        self.key, self.certificate = server.identity()
        self._numbers = itertools.count(1)
        self._stderr = open(folder / "stderr", "w+")
        self.process = subprocess.Popen(
            [executable], env=environment(folder, self.certificate.decode()), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self._stderr, text=True, cwd="/",
        )  # fmt: skip
        line = self.process.stdout.readline().strip()
        parts = line.split("|")
        assert parts[:3] == ["1", "1", "unix"] and parts[4] == "grpc", line + self.stderr()
        self.address = f"unix:{parts[3]}"
        der = base64.b64decode(parts[5] + "=" * (-len(parts[5]) % 4))
        self.root = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
        self.channel = self.connect(self.key, self.certificate)

    def connect(self, key, certificate):
        credentials = grpc.ssl_channel_credentials(self.root, key, certificate)
        options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.max_receive_message_length", -1)]
        return grpc.secure_channel(self.address, credentials, options)

    def stderr(self):
        self._stderr.seek(0)
        return self._stderr.read()

    def unary(self, call, request, reply):
        method = self.channel.unary_unary(f"/quern.udf.v1.Plugin/{call}", lambda m: m.SerializeToString(), reply.FromString)
        return method(request, timeout=20)

    def describe(self):
        return {f.name: f for f in self.unary("Describe", pb.DescribeRequest(), pb.DescribeReply).functions}

    def bind(self, function, options="", files=()):
        return self.unary("Bind", pb.BindRequest(function=function, options=options, files=files), pb.BindReply)

    def open(self, function, options="", files=()):
        number = next(self._numbers)
        reply = self.unary("Open", pb.OpenRequest(instance=number, function=function, options=options, files=files), pb.OpenReply)
        assert not reply.HasField("refusal"), reply.refusal.message
        return number

    def call(self, function, *columns, every_row=False, instance=None):
        """The column and the reply."""
        args = encode(pa.RecordBatch.from_arrays(list(columns), [f"a{i}" for i in range(len(columns))]))
        request = pb.CallRequest(instance=instance or self.open(function), args=args, every_row=every_row)
        reply = self.unary("Call", request, pb.CallReply)
        return (decode(reply.column).column(0) if reply.HasField("column") else None), reply

    def fold(self, instance, groups, count, *columns, step=pb.STEP_UPDATE, finish=False):
        rows = pa.RecordBatch.from_arrays([pa.array(groups, pa.int32()), *columns], [f"c{i}" for i in range(len(columns) + 1)])
        request = pb.FoldRequest(instance=instance, step=step, groups=count, rows=encode(rows), finish=finish)
        reply = self.unary("Fold", request, pb.FoldReply)
        return (decode(reply.groups) if reply.HasField("groups") else None), reply

    def table(self, function, batches, starts=None):
        """The rows as a list of dicts, and the replies."""
        instance = self.open(function)
        starts = starts or [[] for _ in batches]

        def requests():
            yield pb.TableRequest(instance=instance)
            for batch, begin in zip(batches, starts):
                yield pb.TableRequest(rows=encode(batch), groups=begin)

        method = self.channel.stream_stream(
            "/quern.udf.v1.Plugin/Table", lambda m: m.SerializeToString(), pb.TableReply.FromString
        )
        replies = list(method(requests(), timeout=20))
        return [row for r in replies if r.HasField("rows") for row in decode(r.rows).to_pylist()], replies

    def read(self, instance, payload, columns):
        method = self.channel.unary_stream("/quern.udf.v1.Plugin/Read", lambda m: m.SerializeToString(), pb.ReadReply.FromString)
        replies = list(method(pb.ReadRequest(instance=instance, payload=payload, columns=columns), timeout=20))
        return [decode(r.rows) for r in replies if r.HasField("rows")], replies

    def close(self):
        self.channel.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self._stderr.close()


def environment(folder, certificate=""):
    out = {server.COOKIE_KEY: server.COOKIE, "PLUGIN_PROTOCOL_VERSIONS": "1", "TMPDIR": str(folder), "PATH": "/usr/bin:/bin"}
    return {**out, "PLUGIN_CLIENT_CERT": certificate} if certificate else out


def packed(text, folder):
    """The executable of a plugin with this text."""
    source = folder / "source"
    source.mkdir()
    (source / "plugin.py").write_text(textwrap.dedent(text))
    out = folder / "plugin"
    pack(source, out)
    return out


@pytest.fixture(scope="module")
def host(request, tmp_path_factory):
    """The plugin whose text is the module's PLUGIN, running."""
    folder = tmp_path_factory.mktemp("p")
    with contextlib.closing(Host(packed(request.module.PLUGIN, folder), folder)) as h:
        yield h


@pytest.fixture
def started(tmp_path):
    """Starts plugins from their texts."""
    with contextlib.ExitStack() as stack:
        numbers = itertools.count()

        def start(text):
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            return stack.enter_context(contextlib.closing(Host(packed(text, folder), folder)))

        yield start
