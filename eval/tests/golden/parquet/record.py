"""Writes bundled problems as parquet in the columns that the hub's data sets have, as pyarrow and pandas write it.

    pip install pyarrow==26.0.1 pandas==3.1.1 && python record.py

livecodebench.text.parquet has its dates as texts, livecodebench.moments.parquet as microseconds, and
livecodebench.pandas.parquet as the nanoseconds that pandas has.
"""

import datetime
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
SUITES = HERE / "../../../../eval-suites"


def rows(suite):
    return [json.loads(line) for line in (SUITES / suite / "problems.jsonl").open()][:2]


countdown = [{"target": row["target"], "nums": row["numbers"]} for row in rows("countdown")]
schema = pa.schema([("target", pa.int64()), ("nums", pa.list_(pa.int64()))])
pq.write_table(pa.Table.from_pylist(countdown, schema=schema), HERE / "countdown.parquet")

turns = pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))
schema = pa.schema([("prompt", pa.string()), ("prompt_id", pa.string()), ("chosen", turns), ("rejected", turns),
                    ("messages", turns), ("score_chosen", pa.float64()), ("score_rejected", pa.float64())])
pairs = [{**row, "prompt_id": str(n), "messages": row["chosen"], "score_chosen": 8.5, "score_rejected": 3.0}
         for n, row in enumerate(rows("ultrafeedback"))]
pq.write_table(pa.Table.from_pylist(pairs, schema=schema), HERE / "ultrafeedback.parquet")

problems = pa.Table.from_pylist(rows("livecodebench"))
pq.write_table(problems, HERE / "livecodebench.text.parquet")
dates = [datetime.datetime.fromisoformat(text) for text in problems["contest_date"].to_pylist()]
at = problems.schema.get_field_index("contest_date")
moments = problems.set_column(at, "contest_date", pa.array(dates, pa.timestamp("us")))
pq.write_table(moments, HERE / "livecodebench.moments.parquet")
frame = problems.to_pandas()
frame["contest_date"] = pd.to_datetime(frame["contest_date"]).astype("datetime64[ns]")
frame.to_parquet(HERE / "livecodebench.pandas.parquet")
