"""Writes the Arrow files of this folder with pyarrow: python make.py FOLDER."""

import datetime
import decimal
import sys

import pyarrow as pa
from pyarrow import ipc

D = decimal.Decimal


def instants(unit):
    return {"s": [2, -2], "ms": [1_500, -1], "us": [1_500_001, -1], "ns": [1_500_001_999, -1]}[unit]


def row3(typ, a, b):
    return pa.array([a, None, b], typ)


def dictionary(index, values, codes=(1, None, 0)):
    return pa.DictionaryArray.from_arrays(pa.array(codes, index), values)


def numbers():
    yield "u8", row3(pa.uint8(), 0, 2**8 - 1)
    yield "u16", row3(pa.uint16(), 0, 2**16 - 1)
    yield "u32", row3(pa.uint32(), 0, 2**32 - 1)
    yield "u64", row3(pa.uint64(), 0, 2**64 - 1)
    yield "half", row3(pa.float16(), 1.5, -(2.0**-24))
    yield "half_inf", row3(pa.float16(), float("inf"), float("nan"))
    yield "d256", row3(pa.decimal256(38, 2), D("1.25"), D(1 - 10**36))
    yield "d128", row3(pa.decimal128(5, 2), D("1.25"), D("-999.99"))
    yield "date64", row3(pa.date64(), datetime.date(2020, 1, 2), datetime.date(1969, 12, 31))
    for unit in ["s", "ms", "us", "ns"]:
        yield "ts_" + unit, row3(pa.timestamp(unit), *instants(unit))
        yield "tz_" + unit, row3(pa.timestamp(unit, "Europe/Berlin"), *instants(unit))
        yield "dur_" + unit, row3(pa.duration(unit), *instants(unit))
    yield "mdn", row3(pa.month_day_nano_interval(), (14, 3, 1_999), (-1, 0, -1))
    yield "void", pa.nulls(3)


def texts():
    long = "longer than twelve bytes, so not inline"
    for name, typ in [("large", pa.large_string()), ("view", pa.string_view())]:
        yield name, row3(typ, "", long)
    for name, typ in [("large_bin", pa.large_binary()), ("view_bin", pa.binary_view())]:
        yield name, row3(typ, b"\x00\xff", long.encode())
    yield "fixed_bin", row3(pa.binary(4), b"\x00\x01\x02\xff", b"abcd")
    yield "no_bytes", row3(pa.binary(0), b"", b"")
    for index in [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()]:
        yield f"dict_{index}", dictionary(index, pa.array(["a", "b"]))
    yield "dict_large", dictionary(pa.int8(), pa.array(["a", "b"], pa.large_string()))
    yield "dict_view", dictionary(pa.int8(), pa.array(["a", "b"], pa.string_view()))
    yield "dict_fixed", dictionary(pa.int8(), pa.array([b"aa", b"bb"], pa.binary(2)))
    yield "dict_null", dictionary(pa.int8(), pa.array(["a", None]))
    yield "dict_int", dictionary(pa.int16(), pa.array([10, 20], pa.uint32()))
    yield "dict_time", dictionary(pa.int16(), pa.array([10, 20], pa.timestamp("s")))
    yield "runs", pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["x", None]))
    yield "runs16", pa.RunEndEncodedArray.from_arrays(pa.array([1, 3], pa.int16()), pa.array([1, 2], pa.uint8()))


def nested():
    yield "large_list", row3(pa.large_list(pa.large_string()), ["x", None], [])
    yield "fixed_list", row3(pa.list_(pa.uint8(), 2), [1, None], [254, 255])
    yield "list_view", row3(pa.list_view(pa.string_view()), ["x", None], ["y"])
    yield "list_view_order", pa.ListViewArray.from_arrays(
        pa.array([2, 0, 0], pa.int32()), pa.array([1, 0, 3], pa.int32()), pa.array([1, 2, 3], pa.int64()))
    yield "large_list_view", row3(pa.large_list_view(pa.uint16()), [1], [2, 65535])
    yield "list_dict", pa.ListArray.from_arrays(
        pa.array([0, 2, 2, 3], pa.int32()), dictionary(pa.int8(), pa.array(["a", "b"])))
    yield "list_ts", row3(pa.list_(pa.timestamp("ns")), [1_999], [None, -1])
    yield "struct", row3(
        pa.struct([("u", pa.uint16()), ("l", pa.large_list(pa.duration("s"))), ("h", pa.float16())]),
        {"u": 65535, "l": [1, None], "h": 0.5}, {"u": None, "l": None, "h": None})
    yield "map", row3(pa.map_(pa.large_string(), pa.uint64()), [("k", 2**64 - 1)], [])
    yield "deep", row3(pa.large_list(pa.list_(pa.struct([("d", pa.date64())]), 1)),
                       [[{"d": datetime.date(2020, 1, 2)}]], [None])


def unread():
    yield "id", row3(pa.int64(), 1, 3)
    yield "time32", row3(pa.time32("s"), 1, 2)
    yield "time64", row3(pa.time64("ns"), 1, 2)
    yield "wide", row3(pa.decimal256(39, 0), 1, 2)
    yield "negative", row3(pa.decimal128(5, -2), D(100), D(200))
    yield "union", pa.UnionArray.from_sparse(pa.array([0, 1, 0], pa.int8()), [pa.array([1, 2, 3]), pa.array(["a", "b", "c"])])
    yield "times", row3(pa.list_(pa.time32("ms")), [1], [2])
    yield "late", row3(pa.timestamp("s"), 2**62, 0)
    yield "name", row3(pa.large_string(), "a", "c")


def table(*columns):
    names, arrays = zip(*[c for group in columns for c in group()])
    return pa.table(list(arrays), names=list(names))


def write(path, data, stream=False, **options):
    make = ipc.new_stream if stream else ipc.new_file
    with make(path, data.schema, options=ipc.IpcWriteOptions(**options)) as w:
        w.write_table(data)


def changing(path, **options):
    """A stream whose dictionary grows and is then another one."""
    schema = pa.schema([("d", pa.dictionary(pa.int8(), pa.large_string()))])
    with ipc.new_stream(path, schema, options=ipc.IpcWriteOptions(**options)) as w:
        for values in [["a"], ["a", "b"], ["x", "y"]]:
            d = dictionary(pa.int8(), pa.array(values, pa.large_string()), [len(values) - 1, None, 0])
            w.write_batch(pa.record_batch([d], schema=schema))


def main(folder):
    for name, group in [("numbers", numbers), ("texts", texts), ("nested", nested)]:
        write(f"{folder}/{name}.arrow", table(group))
    everything = table(numbers, texts, nested)
    write(f"{folder}/lz4.arrow", everything, compression="lz4")
    write(f"{folder}/zstd.arrows", everything, stream=True, compression="zstd")
    write(f"{folder}/unread.arrow", table(unread))
    write(f"{folder}/empty.arrow", everything.slice(0, 0))
    changing(f"{folder}/deltas.arrows", emit_dictionary_deltas=True)
    changing(f"{folder}/replaced.arrows")


if __name__ == "__main__":
    main(sys.argv[1])
