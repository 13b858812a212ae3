#!/usr/bin/env python3
"""Keeps the real schedule for months on a clock 86,400 times as fast, a day a second, and looks at what grows.

`usage-cron serve --schedule "0 2 * * *"` beside a simulator whose organisation goes on using and restates its last three
days. After each pass the metrics are scraped, the ledger's rows are counted and the process's memory is read. The ledger must have
grown by new events, restatements, a coverage row a window and a run record a pass, each as the runs themselves tell, and by nothing
else; the provider must have been asked as often as the runs tell; and once it is warm, the process's memory must not grow. The
record is written as Markdown. Needs Python only; the ledger is a file.
"""

import argparse
import datetime
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import rehearse

DAY = 86_400
# How much of itself memory may grow by in the last quarter of the passes, as its straight line has it. SQLite's caches take
# long to fill, since the ledger is small at first.
MOST_GROWTH = 0.01
# The tables that grow with time, and what tells by how much.
GROWING = ("usage_events", "cost_events", "usage_revisions", "cost_revisions", "usage_coverage", "runs")


def main():
    options = arguments()
    options.folder.mkdir(parents=True, exist_ok=True)
    options.folder = options.folder.resolve()
    options.binaries = options.binaries.resolve()
    begin = time.time() + rehearse.PREPARATION
    origin = rehearse.clock_origin(options, begin)
    # Waits that a provider asks for are real, and days of this clock are too short for them.
    with rehearse.simulator(options, origin, faults=[]) as (url, requests):
        environment = rehearse.environment_of(options, url)
        add = ("keys", "add", "--provider", "openai", "--organization", rehearse.ORGANIZATION)
        rehearse.run(options, environment, "usage", *add, stdin=rehearse.KEY)
        time.sleep(max(0.0, begin - time.time()))
        passes = keep_schedule(options, environment, origin, requests)
    text = report(options, passes)
    if options.output:
        options.output.write_text(text)
    else:
        sys.stdout.write(text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=Path, default="target/release", help="the folder with the programs")
    parser.add_argument("--folder", type=Path, required=True, help="where to work")
    parser.add_argument("--days", type=int, default=600, help="for how many days of the faster clock")
    parser.add_argument("--clock-scale", type=int, default=DAY, help="how many times as fast")
    parser.add_argument("--day", type=datetime.date.fromisoformat, help="the UTC day of the first pass, far in the future")
    parser.add_argument("--groups-per-day", type=int, default=8, help="how much the organisation uses")
    parser.add_argument("--output", type=Path, help="where to write the record [default: standard output]")
    options = parser.parse_args()
    options.database = "sqlite:usage.db"
    # Setting up alone takes a few weeks of this clock.
    options.day = options.day or datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=60)
    return options


def keep_schedule(options, environment, origin, requests):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        str(options.binaries / "usage-cron"),
        *("serve", "--bind", address, "--schedule", "0 2 * * *", "--clock-scale", str(options.clock_scale), "--clock-origin", origin),
    ]
    cron = subprocess.Popen(command, cwd=options.folder, env=environment, stderr=subprocess.PIPE, text=True)
    ends = time.monotonic() + options.days * DAY / options.clock_scale
    passes = []
    with (options.folder / "cron.log").open("w") as log:
        for line in cron.stderr:
            log.write(line)
            event = json.loads(line)
            if event["message"] != "pass ended":
                continue
            if not event["success"]:
                raise rehearse.Failure("a pass failed; cron.log says why")
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as metrics:
                metrics.read()
            # Where the machine is too slow for a day a second, the next pass may have begun: this one is not looked at then.
            passes.extend(look(options, cron.pid, requests))
            if time.monotonic() > ends:
                cron.send_signal(signal.SIGTERM)
                break
        # Whatever it still says while it stops.
        log.write(cron.stderr.read())
    if cron.wait() != 0:
        raise rehearse.Failure(f"the cron ended with {cron.returncode}; cron.log says why")
    return passes


def look(options, process, requests):
    """What stands in the ledger after a pass, and what the process takes; nothing while another pass works."""
    ledger = sqlite3.connect(f"file:{options.folder / 'usage.db'}?mode=ro", uri=True)
    asked_so_far = lines(requests)
    ledger.execute("BEGIN")
    tables = [name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    rows = {name: ledger.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}
    # What there are between the first and the last day that coverage knows.
    (days_and_endpoints,) = ledger.execute(
        "SELECT count(DISTINCT endpoint) * (1 + (max(window_start) - min(window_start)) / 86400) FROM usage_coverage"
    ).fetchone()
    (at_work,) = ledger.execute("SELECT count(*) FROM runs WHERE status = 'running'").fetchone()
    runs = [json.loads(telemetry) for (telemetry,) in ledger.execute("SELECT telemetry FROM runs ORDER BY id")]
    ledger.close()
    # A pass asks before it records that it runs.
    if at_work or asked_so_far != lines(requests):
        return []
    status = Path(f"/proc/{process}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))
    state = {
        "due": runs[-1]["pass"]["due"],
        "rows": rows,
        "days_and_endpoints": days_and_endpoints,
        "told": told(runs),
        "requests": asked_so_far,
        "asked": sum(run["requests"] for run in runs),
        "windows": runs[-1]["windowsProcessed"],
        "resident_kib": resident,
    }
    return [state]


def lines(file):
    with file.open("rb") as text:
        return sum(1 for _ in text)


def told(runs):
    """How many rows there have to be by what the runs tell."""

    def total(name):
        return sum(run[name] for run in runs)

    return {
        "usage_events": total("storedEvents") - total("retractedEvents"),
        "cost_events": total("storedCosts") - total("retractedCosts"),
        "revisions": total("revisions"),
        "runs": len(runs),
    }


def report(options, passes):
    first, last = passes[0], passes[-1]
    for state in passes:
        rows = state["rows"]
        counted = {
            "usage_events": rows["usage_events"],
            "cost_events": rows["cost_events"],
            "revisions": rows["usage_revisions"] + rows["cost_revisions"],
            "runs": rows["runs"],
        }
        if counted != state["told"]:
            raise rehearse.Failure(f"after the pass due {state['due']} the ledger has {counted}, the runs tell {state['told']}")
        if rows["usage_coverage"] != state["days_and_endpoints"]:
            raise rehearse.Failure(f"after the pass due {state['due']} coverage has {rows['usage_coverage']} rows")
        # Before the first pass the key was checked, which no run tells.
        if state["requests"] - first["requests"] != state["asked"] - first["asked"]:
            raise rehearse.Failure(f"after the pass due {state['due']} the provider was asked otherwise than the runs tell")
    others = {name: (first["rows"][name], last["rows"][name]) for name in last["rows"] if name not in GROWING}
    grown = {name: pair for name, pair in others.items() if pair[0] != pair[1]}
    requests = [later["requests"] - earlier["requests"] for earlier, later in zip(passes, passes[1:])]
    memory = [state["resident_kib"] for state in passes]
    quarters = [memory[len(memory) * quarter // 4 : len(memory) * (quarter + 1) // 4] for quarter in range(4)]
    rises = [slope(quarter) * len(quarter) for quarter in quarters]
    share = rises[-1] / (sum(quarters[-1]) / len(quarters[-1]))
    if share > MOST_GROWTH:
        raise rehearse.Failure(
            f"memory grew by {rises[-1]:.0f} KiB in the last quarter of the passes, {share:.1%} of itself; KiB after each: {memory}"
        )
    version = subprocess.run(
        [str(options.binaries / "usage-cron"), "--version"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    ran = last["rows"]["runs"]
    unseen = f" ({ran - len(passes)} of them went by before they were looked at)" if ran > len(passes) else ""
    lines = [
        f"# {len(passes)} days of the real schedule",
        "",
        "Written by [docs/deploy/rehearsal/months.py](../../docs/deploy/rehearsal/months.py), which really did what it says here, on",
        f"{datetime.datetime.now(datetime.UTC).date()} with {version}. **The clock was scaled**: {options.clock_scale:,} times as fast.",
        "",
        f'`usage-cron serve --schedule "0 2 * * *"` ran {ran} passes{unseen}, due {first["due"]} to {last["due"]}, over every endpoint of an',
        "organisation that goes on using and restates its last three days. Where a pass took longer than a day of that clock, the",
        "next one due was taken; the provider neither throttled nor failed, since waits are real on any clock.",
        "",
        "* After each pass the ledger had as many rows of usage, costs, revisions and runs as the runs tell: nothing else was kept.",
        f"* Other tables: {growth(grown)}.",
        f"* Requests a pass after the first: {min(requests)} to {max(requests)}.",
        "* Between two passes the provider was asked as often as the runs tell, and coverage grew by a row a day and endpoint.",
        f"* Memory of its own (`RssAnon`): at most {max(memory):,} KiB. By its straight line it grew by {rises[0]:,.0f} KiB in the first quarter of the",
        f"  passes, by {rises[1]:,.0f}, {rises[2]:,.0f} and {rises[3]:,.0f} KiB in the others, as caches fill: by {share:.1%} of itself in the last ({MOST_GROWTH:.0%} is the limit).",
        "",
        "| pass due | requests | windows read | usage | costs | revisions | coverage | runs | memory, KiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    before = 0
    for state in passes:
        rows = state["rows"]
        cells = [
            state["due"],
            state["requests"] - before,
            state["windows"],
            rows["usage_events"],
            rows["cost_events"],
            rows["usage_revisions"] + rows["cost_revisions"],
            rows["usage_coverage"],
            rows["runs"],
            state["resident_kib"],
        ]
        lines.append("| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in cells) + " |")
        before = state["requests"]
    return "\n".join(lines) + "\n"


def slope(values):
    """By how much the straight line through the values rises from one to the next, by least squares."""
    middle = (len(values) - 1) / 2
    mean = sum(values) / len(values)
    apart = sum((place - middle) * (value - mean) for place, value in enumerate(values))
    return apart / sum((place - middle) ** 2 for place in range(len(values)))


def growth(grown):
    if not grown:
        return "each has as many rows after the last pass as after the first"
    words = [f"`{name}` has {after:,} rows after the last pass, {before:,} after the first" for name, (before, after) in grown.items()]
    return "; ".join(words) + "; each of the rest has as many as before"


if __name__ == "__main__":
    try:
        main()
    except rehearse.Failure as failure:
        sys.exit(f"error: {failure}")
