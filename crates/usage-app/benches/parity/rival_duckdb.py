"""rival_duckdb.py FIRST SECOND: full outer join of two exports with DuckDB, null-safe keys, 14 metrics."""
import json, resource, sys
import duckdb

KEY = "start_time end_time project_id user_id api_key_id model batch service_tier".split()
METRICS = (
    "num_model_requests input_tokens output_tokens input_cached_tokens input_uncached_tokens input_text_tokens "
    "output_text_tokens input_cached_text_tokens input_audio_tokens input_cached_audio_tokens output_audio_tokens "
    "input_image_tokens input_cached_image_tokens output_image_tokens"
).split()


def side(path):
    key = ", ".join(f"lower({name}) AS {name}" if name == "batch" else f"nullif(trim({name}), '') AS {name}" for name in KEY)
    sums = ", ".join(f"SUM(CAST({name} AS DOUBLE))::BIGINT AS {name}" for name in METRICS)
    table = f"read_csv('{path}', header=true, nullstr='', all_varchar=true)"
    return f"(SELECT {key}, {sums} FROM {table} WHERE num_model_requests IS NOT NULL GROUP BY ALL)"


on = " AND ".join(f"a.{name} IS NOT DISTINCT FROM b.{name}" for name in KEY)
differs = " OR ".join(f"a.{name} <> b.{name}" for name in METRICS)
query = (
    f"SELECT count(*) FILTER ({differs}), count(*) FILTER (b.start_time IS NULL), count(*) FILTER (a.start_time IS NULL), "
    f"count(*) FROM {side(sys.argv[1])} a FULL OUTER JOIN {side(sys.argv[2])} b ON {on}"
)
mismatched, missing_in_second, missing_in_first, joined = duckdb.connect().execute(query).fetchone()
print(json.dumps({
    "mismatched": mismatched,
    "missingInSecond": missing_in_second,
    "missingInFirst": missing_in_first,
    "matched": joined - mismatched - missing_in_second - missing_in_first,
    "peakKilobytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
}))
