"""Writes the parquet files of this folder, and rows.json with what is in them.

    pip install pyarrow==26.0.1 && python3 record.py

One table of the shapes that data sets have, in every compression and both page versions, in row
groups of two rows; and one with the rest of the types.
"""

import datetime
import json

import pyarrow as pa
import pyarrow.parquet as pq

message = pa.struct([("content", pa.string()), ("role", pa.string())])
schema = pa.schema([
    ("prompt", pa.string()), ("target", pa.int64()), ("nums", pa.list_(pa.int64())), ("chosen", pa.list_(message)),
    ("score", pa.float64()), ("meta", pa.struct([("easy", pa.bool_()), ("tags", pa.list_(pa.list_(pa.string())))])),
    ("level", pa.string()),
])
rows = [
    {"prompt": "Ünï\n", "target": 98, "nums": [44, 19, 35],
     "chosen": [{"content": "a", "role": "user"}, {"content": None, "role": "assistant"}],
     "score": 0.5, "meta": {"easy": True, "tags": [["x"], [], ["y", "z"]]}, "level": "hard"},
    {"prompt": "", "target": -(2**63), "nums": [], "chosen": [], "score": None, "meta": {"easy": None, "tags": []}, "level": "hard"},
    {"prompt": None, "target": None, "nums": None, "chosen": None, "score": -1e300, "meta": None, "level": "easy"},
    {"prompt": "x" * 300, "target": 2**63 - 1, "nums": list(range(200)), "chosen": [{"content": "b", "role": "user"}, None],
     "score": 3.0, "meta": {"easy": False, "tags": [None, [None]]}, "level": "hard"},
    {"prompt": "last", "target": 0, "nums": [None, 1], "chosen": [{"content": "c", "role": "r"}] * 3, "score": 0.1,
     "meta": {"easy": True, "tags": None}, "level": "hard"},
]
table = pa.Table.from_pylist(rows, schema=schema)
for name in ["none", "snappy", "gzip", "zstd"]:
    for version in ["1.0", "2.0"]:
        pq.write_table(table, f"{name}.v{version[0]}.parquet", compression=name, data_page_version=version, row_group_size=2,
                       use_dictionary=version == "1.0")

types = {
    "i8": (pa.int8(), [-128, None]), "u8": (pa.uint8(), [255, None]), "i16": (pa.int16(), [-32768, None]),
    "u16": (pa.uint16(), [65535, None]), "i32": (pa.int32(), [-(2**31), None]), "u32": (pa.uint32(), [2**32 - 1, None]),
    "u64": (pa.uint64(), [2**64 - 1, None]), "f16": (pa.float16(), [1.5, None]), "f32": (pa.float32(), [0.25, None]),
    "nan": (pa.float64(), [float("nan"), float("inf")]), "binary": (pa.binary(), [b"\xff\x00", b"text"]),
    "fixed": (pa.binary(2), [b"ab", b"cd"]), "large": (pa.large_string(), ["large", None]),
    "map": (pa.map_(pa.string(), pa.int64()), [[("a", 1), ("b", None)], []]),
    "date": (pa.date32(), [datetime.date(2024, 8, 1), None]),
    "ms": (pa.timestamp("ms"), [datetime.datetime(2024, 8, 1, 12, 30, 15, 250000), None]),
    "us": (pa.timestamp("us", tz="UTC"), [datetime.datetime(2024, 8, 1, 12, 30, 15, 250000), None]),
    "decimal": (pa.decimal128(10, 2), [12345, None]), "empty": (pa.null(), [None, None]),
    "word": (pa.dictionary(pa.int8(), pa.string()), ["one", "two"]),
}
odd = pa.table({name: pa.array(values, type=kind) for name, (kind, values) in types.items()})
pq.write_table(odd, "types.parquet")
pq.write_table(pa.table({"at": pa.array([1], type=pa.timestamp("ns"))}), "nanoseconds.parquet")
nested = pa.array([[1]], type=pa.list_(pa.timestamp("ns")))
pq.write_table(pa.table({"all": nested}), "nested_nanoseconds.parquet")
with open("rows.json", "w") as out:
    json.dump(rows, out, ensure_ascii=False)
