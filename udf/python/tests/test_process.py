"""The process: the handshake, what it prints, and how it ends."""

import os
import signal
import subprocess
import sys
import time

import grpc
import pyarrow as pa
import pytest
from conftest import environment, packed

from quern_udf import plugin_pb2 as pb
from quern_udf import server
from quern_udf.batches import encode

PLUGIN = """
    import os
    print("while it is imported")
    os.system("echo from a child")
    from quern_udf import scalar

    @scalar
    def order(x: int) -> str:
        print("while it is called")
        return ",".join({"alpha", "beta", "gamma", "delta"})

    @scalar
    def hang(x: int) -> int:
        import time
        time.sleep(60)
        return x
"""

ONE = "from quern_udf import scalar\n\n@scalar\ndef one(x: int) -> int:\n    return 1\n"


def test_standard_output_is_the_handshake_alone(host):
    host.call("order", pa.array([1]))
    for text in ("while it is imported", "from a child", "while it is called"):
        assert text in host.stderr()


def test_sets_have_the_same_order_in_each_process(host, started):
    other = started(PLUGIN)
    assert host.call("order", pa.array([1]))[0] == other.call("order", pa.array([1]))[0]


def test_only_the_host_may_call(host):
    channel = host.connect(*server.identity())
    describe = channel.unary_unary(
        "/quern.udf.v1.Plugin/Describe", pb.DescribeRequest.SerializeToString, pb.DescribeReply.FromString
    )
    with pytest.raises(grpc.RpcError) as e:
        describe(pb.DescribeRequest(), timeout=5)
    assert e.value.code() == grpc.StatusCode.UNAVAILABLE


def shut_down(h):
    """Asks a process to end, which it may have done before its answer is here."""
    try:
        h.channel.unary_unary("/plugin.GRPCController/Shutdown")(b"", timeout=5)
    except grpc.RpcError as e:
        assert e.code() == grpc.StatusCode.UNAVAILABLE


def test_go_plugin_services(started):
    h = started(ONE)
    assert h.channel.unary_unary("/grpc.health.v1.Health/Check")(b"\x0a\x06plugin", timeout=5) == b"\x08\x01"
    with pytest.raises(grpc.RpcError) as e:
        list(h.channel.unary_stream("/plugin.GRPCStdio/StreamStdio")(b"", timeout=5))
    assert e.value.code() == grpc.StatusCode.UNIMPLEMENTED
    shut_down(h)
    assert h.process.wait(5) == 0


def test_calls_that_hang_keep_neither_others_nor_the_process(started):
    h = started(PLUGIN)
    request = pb.CallRequest(instance=h.open("hang"), args=encode(pa.RecordBatch.from_arrays([pa.array([1])], ["x"])))
    call = h.channel.unary_unary("/quern.udf.v1.Plugin/Call", pb.CallRequest.SerializeToString, pb.CallReply.FromString)
    waiting = call.future(request)
    h.call("order", pa.array([1]))
    shut_down(h)
    assert h.process.wait(5) == 0
    waiting.cancel()


@pytest.mark.parametrize(
    "text, change, message",
    [
        (ONE, {server.COOKIE_KEY: ""}, "This is a plugin of Quern"),
        (ONE, {"PLUGIN_PROTOCOL_VERSIONS": "2,3"}, "speaks version 1 of the plugin protocol, this quern 2, 3"),
        ("x = 1\n", {}, "The plugin has no functions"),
        ("from quern_udf import scalar\n@scalar\ndef f(x: int):\n    return 1\n", {}, "f: annotate all parameters"),
        ("from quern_udf import scalar, Double\n@scalar\ndef f(x: Double) -> int:\n    return 1\n", {}, "do not mix"),
        ("from quern_udf import scalar\n@scalar\ndef f(x: list) -> int:\n    return 1\n", {}, "is no type of a column"),
        (
            "from quern_udf import scalar\n@scalar(args=['bigit'], returns='int')\ndef f(x):\n    return 1\n",
            {},
            "'bigit' is no SQL type",
        ),
        (ONE + ONE, {}, "two functions named one"),
        ("import nowhere\n", {}, "No module named 'nowhere'"),
    ],
)
def test_what_cannot_be_served_says_so(tmp_path, text, change, message):
    env = {**environment(tmp_path), **change}
    done = subprocess.run([packed(text, tmp_path)], env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and message in done.stderr and done.stdout == ""


def test_it_ends_with_its_parent(tmp_path):
    plugin = packed(ONE, tmp_path)
    starter = f"import subprocess as s; p = s.Popen([{str(plugin)!r}], stdout=-1, stderr=-3); p.stdout.readline(); print(p.pid)"
    done = subprocess.run([sys.executable, "-c", starter], env=environment(tmp_path), capture_output=True, text=True, timeout=30)
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the plugin has outlived its parent")
