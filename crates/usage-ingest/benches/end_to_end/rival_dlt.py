"""Completions usage into PostgreSQL with dlt: what a user would build instead.

  rival_dlt.py BASE_URL KEY DATABASE START END HOME

dlt merges by primary key and refuses nulls in it, and the last of two rows with one key would win, so nulls become
empty texts and equal groups are summed here: without that glue the result is wrong.
"""

import json
import resource
import sys

import dlt
from dlt.sources.helpers import requests

BASE_URL, KEY, DATABASE, START, END, HOME = sys.argv[1:7]
# dlt insists on a password, which a server that trusts this machine ignores.
DATABASE = DATABASE.replace("@", ":none@", 1) if ":" not in DATABASE.split("@")[0].split("//")[1] else DATABASE
DIMENSIONS = ["project_id", "user_id", "api_key_id", "model", "batch", "service_tier"]
PRIMARY_KEY = ["start_time", "end_time", *DIMENSIONS]
asked = 0


def pages():
    global asked
    cursor = None
    while True:
        query = [("start_time", START), ("end_time", END), ("bucket_width", "1d"), ("limit", 31)]
        query += [("group_by", dimension) for dimension in DIMENSIONS]
        query += [("page", cursor)] if cursor else []
        answer = requests.get(
            f"{BASE_URL}/organization/usage/completions",
            params=query,
            headers={"Authorization": f"Bearer {KEY}"},
        )
        page = answer.json()
        asked += 1
        for bucket in page["data"]:
            yield summed(bucket)
        cursor = page["next_page"]
        if not page["has_more"]:
            return


def summed(bucket):
    groups = {}
    for row in bucket["results"]:
        row["start_time"], row["end_time"] = bucket["start_time"], bucket["end_time"]
        for dimension in DIMENSIONS:
            row[dimension] = "" if row[dimension] is None else str(row[dimension])
        standing = groups.setdefault(tuple(row[name] for name in PRIMARY_KEY), row)
        if standing is not row:
            for name, value in row.items():
                if isinstance(value, int) and not name.endswith("_time"):
                    standing[name] = (standing[name] or 0) + value
    return list(groups.values())


pipeline = dlt.pipeline(
    "rival",
    destination=dlt.destinations.postgres(DATABASE),
    dataset_name="rival",
    pipelines_dir=f"{HOME}/state",
)
resource_of_pages = dlt.resource(
    pages, name="completions", write_disposition="merge", primary_key=PRIMARY_KEY
)
pipeline.run(resource_of_pages).raise_on_failed_jobs()
with pipeline.sql_client() as client:
    table = client.make_qualified_table_name("completions")
    rows = client.execute_sql(f"SELECT count(*) FROM {table}")[0][0]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"rows": rows, "requests": asked, "peakKilobytes": peak}))
