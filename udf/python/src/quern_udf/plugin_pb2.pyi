from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FunctionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FUNCTION_KIND_UNSPECIFIED: _ClassVar[FunctionKind]
    FUNCTION_KIND_SCALAR: _ClassVar[FunctionKind]
    FUNCTION_KIND_TABLE: _ClassVar[FunctionKind]
    FUNCTION_KIND_AGGREGATE: _ClassVar[FunctionKind]
    FUNCTION_KIND_SOURCE: _ClassVar[FunctionKind]

class Per(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PER_UNSPECIFIED: _ClassVar[Per]
    PER_BATCH: _ClassVar[Per]
    PER_PARTITION: _ClassVar[Per]
    PER_GROUP: _ClassVar[Per]

class Step(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STEP_UNSPECIFIED: _ClassVar[Step]
    STEP_UPDATE: _ClassVar[Step]
    STEP_MERGE: _ClassVar[Step]
FUNCTION_KIND_UNSPECIFIED: FunctionKind
FUNCTION_KIND_SCALAR: FunctionKind
FUNCTION_KIND_TABLE: FunctionKind
FUNCTION_KIND_AGGREGATE: FunctionKind
FUNCTION_KIND_SOURCE: FunctionKind
PER_UNSPECIFIED: Per
PER_BATCH: Per
PER_PARTITION: Per
PER_GROUP: Per
STEP_UNSPECIFIED: Step
STEP_UPDATE: Step
STEP_MERGE: Step

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeReply(_message.Message):
    __slots__ = ("functions", "library", "library_version", "shared_memory", "shared_folds")
    FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    LIBRARY_VERSION_FIELD_NUMBER: _ClassVar[int]
    SHARED_MEMORY_FIELD_NUMBER: _ClassVar[int]
    SHARED_FOLDS_FIELD_NUMBER: _ClassVar[int]
    functions: _containers.RepeatedCompositeFieldContainer[Function]
    library: str
    library_version: str
    shared_memory: bool
    shared_folds: bool
    def __init__(self, functions: _Optional[_Iterable[_Union[Function, _Mapping]]] = ..., library: _Optional[str] = ..., library_version: _Optional[str] = ..., shared_memory: bool = ..., shared_folds: bool = ...) -> None: ...

class Function(_message.Message):
    __slots__ = ("name", "kind", "args", "returns", "nullable", "doc", "nondeterministic", "input", "output", "per", "state", "files", "options_schema")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    RETURNS_FIELD_NUMBER: _ClassVar[int]
    NULLABLE_FIELD_NUMBER: _ClassVar[int]
    DOC_FIELD_NUMBER: _ClassVar[int]
    NONDETERMINISTIC_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    PER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: FunctionKind
    args: _containers.RepeatedScalarFieldContainer[str]
    returns: str
    nullable: bool
    doc: str
    nondeterministic: bool
    input: _containers.RepeatedCompositeFieldContainer[Column]
    output: _containers.RepeatedCompositeFieldContainer[Column]
    per: Per
    state: _containers.RepeatedCompositeFieldContainer[Column]
    files: _containers.RepeatedCompositeFieldContainer[FileSpec]
    options_schema: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[FunctionKind, str]] = ..., args: _Optional[_Iterable[str]] = ..., returns: _Optional[str] = ..., nullable: bool = ..., doc: _Optional[str] = ..., nondeterministic: bool = ..., input: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., output: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., per: _Optional[_Union[Per, str]] = ..., state: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., files: _Optional[_Iterable[_Union[FileSpec, _Mapping]]] = ..., options_schema: _Optional[str] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "type", "nullable")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NULLABLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    nullable: bool
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., nullable: bool = ...) -> None: ...

class FileSpec(_message.Message):
    __slots__ = ("name", "doc", "optional")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOC_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    doc: str
    optional: bool
    def __init__(self, name: _Optional[str] = ..., doc: _Optional[str] = ..., optional: bool = ...) -> None: ...

class SideFile(_message.Message):
    __slots__ = ("name", "path", "sha256", "size")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    name: str
    path: str
    sha256: str
    size: int
    def __init__(self, name: _Optional[str] = ..., path: _Optional[str] = ..., sha256: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class BindRequest(_message.Message):
    __slots__ = ("function", "options", "files")
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    function: str
    options: str
    files: _containers.RepeatedCompositeFieldContainer[SideFile]
    def __init__(self, function: _Optional[str] = ..., options: _Optional[str] = ..., files: _Optional[_Iterable[_Union[SideFile, _Mapping]]] = ...) -> None: ...

class BindReply(_message.Message):
    __slots__ = ("function", "refusal")
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    function: Function
    refusal: Refusal
    def __init__(self, function: _Optional[_Union[Function, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("message", "option", "file")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    OPTION_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    message: str
    option: str
    file: str
    def __init__(self, message: _Optional[str] = ..., option: _Optional[str] = ..., file: _Optional[str] = ...) -> None: ...

class OpenRequest(_message.Message):
    __slots__ = ("instance", "function", "options", "files")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    instance: int
    function: str
    options: str
    files: _containers.RepeatedCompositeFieldContainer[SideFile]
    def __init__(self, instance: _Optional[int] = ..., function: _Optional[str] = ..., options: _Optional[str] = ..., files: _Optional[_Iterable[_Union[SideFile, _Mapping]]] = ...) -> None: ...

class OpenReply(_message.Message):
    __slots__ = ("function", "refusal", "report")
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    function: Function
    refusal: Refusal
    report: Report
    def __init__(self, function: _Optional[_Union[Function, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ..., report: _Optional[_Union[Report, _Mapping]] = ...) -> None: ...

class CloseRequest(_message.Message):
    __slots__ = ("instance",)
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    instance: int
    def __init__(self, instance: _Optional[int] = ...) -> None: ...

class CloseReply(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: Report
    def __init__(self, report: _Optional[_Union[Report, _Mapping]] = ...) -> None: ...

class Payload(_message.Message):
    __slots__ = ("arrow", "crc32c")
    ARROW_FIELD_NUMBER: _ClassVar[int]
    CRC32C_FIELD_NUMBER: _ClassVar[int]
    arrow: bytes
    crc32c: int
    def __init__(self, arrow: _Optional[bytes] = ..., crc32c: _Optional[int] = ...) -> None: ...

class CallRequest(_message.Message):
    __slots__ = ("instance", "args", "every_row", "shared_args", "room")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    EVERY_ROW_FIELD_NUMBER: _ClassVar[int]
    SHARED_ARGS_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    instance: int
    args: Payload
    every_row: bool
    shared_args: SharedBatch
    room: Extent
    def __init__(self, instance: _Optional[int] = ..., args: _Optional[_Union[Payload, _Mapping]] = ..., every_row: bool = ..., shared_args: _Optional[_Union[SharedBatch, _Mapping]] = ..., room: _Optional[_Union[Extent, _Mapping]] = ...) -> None: ...

class CallReply(_message.Message):
    __slots__ = ("column", "failures", "report", "shared_column")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    SHARED_COLUMN_FIELD_NUMBER: _ClassVar[int]
    column: Payload
    failures: _containers.RepeatedCompositeFieldContainer[Failure]
    report: Report
    shared_column: SharedBatch
    def __init__(self, column: _Optional[_Union[Payload, _Mapping]] = ..., failures: _Optional[_Iterable[_Union[Failure, _Mapping]]] = ..., report: _Optional[_Union[Report, _Mapping]] = ..., shared_column: _Optional[_Union[SharedBatch, _Mapping]] = ...) -> None: ...

class SharedBatch(_message.Message):
    __slots__ = ("rows", "columns")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    rows: int
    columns: _containers.RepeatedCompositeFieldContainer[SharedColumn]
    def __init__(self, rows: _Optional[int] = ..., columns: _Optional[_Iterable[_Union[SharedColumn, _Mapping]]] = ...) -> None: ...

class SharedColumn(_message.Message):
    __slots__ = ("nulls", "buffers")
    NULLS_FIELD_NUMBER: _ClassVar[int]
    BUFFERS_FIELD_NUMBER: _ClassVar[int]
    nulls: int
    buffers: _containers.RepeatedCompositeFieldContainer[Extent]
    def __init__(self, nulls: _Optional[int] = ..., buffers: _Optional[_Iterable[_Union[Extent, _Mapping]]] = ...) -> None: ...

class Extent(_message.Message):
    __slots__ = ("offset", "length")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    offset: int
    length: int
    def __init__(self, offset: _Optional[int] = ..., length: _Optional[int] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("message", "row", "panicked", "stack", "batch")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    PANICKED_FIELD_NUMBER: _ClassVar[int]
    STACK_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    message: str
    row: int
    panicked: bool
    stack: str
    batch: int
    def __init__(self, message: _Optional[str] = ..., row: _Optional[int] = ..., panicked: bool = ..., stack: _Optional[str] = ..., batch: _Optional[int] = ...) -> None: ...

class FoldRequest(_message.Message):
    __slots__ = ("instance", "step", "groups", "rows", "finish", "shared_rows", "room")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    SHARED_ROWS_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    instance: int
    step: Step
    groups: int
    rows: Payload
    finish: bool
    shared_rows: SharedBatch
    room: Extent
    def __init__(self, instance: _Optional[int] = ..., step: _Optional[_Union[Step, str]] = ..., groups: _Optional[int] = ..., rows: _Optional[_Union[Payload, _Mapping]] = ..., finish: bool = ..., shared_rows: _Optional[_Union[SharedBatch, _Mapping]] = ..., room: _Optional[_Union[Extent, _Mapping]] = ...) -> None: ...

class FoldReply(_message.Message):
    __slots__ = ("groups", "failures", "report", "shared_groups")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    SHARED_GROUPS_FIELD_NUMBER: _ClassVar[int]
    groups: Payload
    failures: _containers.RepeatedCompositeFieldContainer[Failure]
    report: Report
    shared_groups: SharedBatch
    def __init__(self, groups: _Optional[_Union[Payload, _Mapping]] = ..., failures: _Optional[_Iterable[_Union[Failure, _Mapping]]] = ..., report: _Optional[_Union[Report, _Mapping]] = ..., shared_groups: _Optional[_Union[SharedBatch, _Mapping]] = ...) -> None: ...

class TableRequest(_message.Message):
    __slots__ = ("instance", "rows", "groups")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    instance: int
    rows: Payload
    groups: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, instance: _Optional[int] = ..., rows: _Optional[_Union[Payload, _Mapping]] = ..., groups: _Optional[_Iterable[int]] = ...) -> None: ...

class TableReply(_message.Message):
    __slots__ = ("rows", "done", "failures", "report")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    rows: Payload
    done: int
    failures: _containers.RepeatedCompositeFieldContainer[Failure]
    report: Report
    def __init__(self, rows: _Optional[_Union[Payload, _Mapping]] = ..., done: _Optional[int] = ..., failures: _Optional[_Iterable[_Union[Failure, _Mapping]]] = ..., report: _Optional[_Union[Report, _Mapping]] = ...) -> None: ...

class SplitRequest(_message.Message):
    __slots__ = ("instance",)
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    instance: int
    def __init__(self, instance: _Optional[int] = ...) -> None: ...

class SplitReply(_message.Message):
    __slots__ = ("tasks", "failures", "report")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[SourceTask]
    failures: _containers.RepeatedCompositeFieldContainer[Failure]
    report: Report
    def __init__(self, tasks: _Optional[_Iterable[_Union[SourceTask, _Mapping]]] = ..., failures: _Optional[_Iterable[_Union[Failure, _Mapping]]] = ..., report: _Optional[_Union[Report, _Mapping]] = ...) -> None: ...

class SourceTask(_message.Message):
    __slots__ = ("payload", "rows", "bytes")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    rows: int
    bytes: int
    def __init__(self, payload: _Optional[bytes] = ..., rows: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class ReadRequest(_message.Message):
    __slots__ = ("instance", "payload", "columns")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    instance: int
    payload: bytes
    columns: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, instance: _Optional[int] = ..., payload: _Optional[bytes] = ..., columns: _Optional[_Iterable[int]] = ...) -> None: ...

class ReadReply(_message.Message):
    __slots__ = ("rows", "failures", "report")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    rows: Payload
    failures: _containers.RepeatedCompositeFieldContainer[Failure]
    report: Report
    def __init__(self, rows: _Optional[_Union[Payload, _Mapping]] = ..., failures: _Optional[_Iterable[_Union[Failure, _Mapping]]] = ..., report: _Optional[_Union[Report, _Mapping]] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("logs", "counters", "busy_nanos")
    class CountersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    LOGS_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    BUSY_NANOS_FIELD_NUMBER: _ClassVar[int]
    logs: _containers.RepeatedCompositeFieldContainer[LogRecord]
    counters: _containers.ScalarMap[str, int]
    busy_nanos: int
    def __init__(self, logs: _Optional[_Iterable[_Union[LogRecord, _Mapping]]] = ..., counters: _Optional[_Mapping[str, int]] = ..., busy_nanos: _Optional[int] = ...) -> None: ...

class LogRecord(_message.Message):
    __slots__ = ("level", "message", "attributes")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    level: int
    message: str
    attributes: str
    def __init__(self, level: _Optional[int] = ..., message: _Optional[str] = ..., attributes: _Optional[str] = ...) -> None: ...
