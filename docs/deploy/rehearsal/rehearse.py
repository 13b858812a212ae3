#!/usr/bin/env python3
"""Rehearses the scheduled run on a faster clock, against a provider that lives and fails, and lets things go wrong on the way.

Every program is the real one in a process of its own. The simulator's organisation goes on using, restates its last three
days, adds a project and deletes a key; it throttles and fails at times. In the first pass the cron is killed with SIGKILL
and started again; in the second the database's connections are broken (PostgreSQL), or another process holds the ledger's
write lock for a while (SQLite). With --fault-that-stays the provider withholds a day for good, and the verdict has to be fail.

Everything the organisation uses has a price: that which no list names has one in prices.toml beside this script, so that the
bill can be reconciled to the last cent.

What the rehearsal writes lies under audit/ in --folder afterwards, with a report of this script on what it let go wrong and what
the provider was asked (drill-<day>.md); several rehearsals may share one. Needs Python only; for PostgreSQL --database names an
empty database and psql is used to break its connections.
"""

import argparse
import contextlib
import datetime
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

KEY = "sk-admin-test-not-a-real-key"
ORGANIZATION = "org-simulated"
# What the provider does at times, and what it does for good.
FAULTS = ("retry-after-seconds@every=9", "server-error-500@every=13")
FAULT_THAT_STAYS = "bucket-missing@from=1:costs"
# How long a process may take to get as far as it is waited for, in seconds.
PATIENCE = 300.0
# How long setting up may take, in seconds.
PREPARATION = 20.0
# How long the write lock of a ledger in a file is held, in seconds.
HELD = 2.0
# Waits for a transaction that has written something, and breaks its connection.
BREAK_A_WRITER = """
DO $$
DECLARE
    statement text;
BEGIN
    FOR attempt IN 1..60000 LOOP
        PERFORM pg_stat_clear_snapshot();
        SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 60) INTO statement
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL
            AND pg_terminate_backend(pid)
        LIMIT 1;
        IF FOUND THEN
            RAISE NOTICE '`%…`', statement;
            RETURN;
        END IF;
        PERFORM pg_sleep(0.001);
    END LOOP;
    RAISE EXCEPTION 'nothing was written for a minute';
END $$
"""


class Failure(Exception):
    """Something is not as it must be; the message says what."""


def main():
    options = arguments()
    options.folder.mkdir(parents=True, exist_ok=True)
    options.folder = options.folder.resolve()
    options.binaries = options.binaries.resolve()
    # By then the simulator serves and the key is added.
    begin = time.time() + PREPARATION
    origin = clock_origin(options, begin)
    with simulator(options, origin, faults_of(options)) as (url, requests):
        environment = environment_of(options, url)
        run(options, environment, "usage", "keys", "add", "--provider", "openai", "--organization", ORGANIZATION, stdin=KEY)
        time.sleep(max(0.0, begin - time.time()))
        drill = Drill(options, origin)
        status = rehearse(options, environment, origin, requests, drill)
        expected = 1 if options.fault_that_stays else 0
        if status != expected:
            raise Failure(f"the rehearsal ended with {status}, not {expected}")
    drill.report(newest_record(options.folder), requests)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=Path, default="target/release", help="the folder with the programs")
    parser.add_argument("--folder", type=Path, required=True, help="where to work; audit/ is written there")
    parser.add_argument("--database", default="sqlite:usage.db", help="the ledger's URL; an empty database")
    parser.add_argument("--hours", type=int, default=48, help="for how many hours of the faster clock")
    parser.add_argument("--every", default="24h", help="how far passes are apart, on the faster clock")
    parser.add_argument("--clock-scale", type=int, default=3600, help="how many times as fast")
    parser.add_argument(
        "--day", type=datetime.date.fromisoformat, help="the UTC day of the first pass, in the future [default: the day after tomorrow]"
    )
    parser.add_argument("--groups-per-day", type=int, default=8, help="how much the organisation uses")
    parser.add_argument("--fault-that-stays", action="store_true", help="let the provider withhold costs for good")
    return parser.parse_args()


def clock_origin(options, begin):
    """When the faster clock shows the real time, so that it shows two in the morning when the rehearsal begins.

    It shows origin + scale * (now - origin). Restatements and exports come at one; a pass at two has the day for itself.
    """
    if options.day is None:
        options.day = datetime.datetime.fromtimestamp(begin, datetime.UTC).date() + datetime.timedelta(days=2)
    shown = datetime.datetime.combine(options.day, datetime.time(2), datetime.UTC).timestamp()
    origin = int(begin - (shown - begin) / (options.clock_scale - 1))
    if shown < begin + PREPARATION * options.clock_scale:
        raise Failure(f"--day {options.day} is too near; take a later one")
    return datetime.datetime.fromtimestamp(origin, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.contextmanager
def simulator(options, origin, faults):
    exports = options.folder / "exports"
    shutil.rmtree(exports, ignore_errors=True)
    requests = options.folder / "requests.jsonl"
    requests.unlink(missing_ok=True)
    command = [
        str(options.binaries / "usage-simulator"),
        *("serve", "--living", "--every-endpoint", "--models", "2", "--organization", ORGANIZATION, "--key", KEY),
        *("--groups-per-day", str(options.groups_per_day)),
        *("--clock-scale", str(options.clock_scale), "--clock-origin", origin),
        # Its new project comes before the second pass, and its key is deleted before the third.
        *("--living-from", f"{options.day}T00:00:00Z"),
        *("--exports", str(exports), "--request-log", str(requests)),
        *(part for fault in faults for part in ("--fault", fault)),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise Failure("the simulator does not serve")
        yield url, requests
    finally:
        process.terminate()
        process.wait()


def environment_of(options, url):
    """The settings of the programs, and nothing else of this machine."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    return kept | {
        "HOME": str(options.folder),
        "USAGE_DATABASE_URL": options.database,
        "USAGE_OPENAI_BASE_URL": url,
        "USAGE_PRICES_FILE": str(Path(__file__).resolve().with_name("prices.toml")),
    }


class Drill:
    """What is let go wrong, and when, for people to read beside the verdict."""

    def __init__(self, options, origin):
        self.options = options
        self.origin = datetime.datetime.fromisoformat(origin)
        self.happened = []

    def note(self, what):
        real = datetime.datetime.now(datetime.UTC)
        shown = self.origin + (real - self.origin) * self.options.clock_scale
        self.happened.append(f"| {shown:%Y-%m-%dT%H:%M:%SZ} | {real:%Y-%m-%dT%H:%M:%SZ} | {what} |")
        say(what)

    def report(self, record, requests):
        verdict = record["verdict"]
        if times_begun(record) != len(record["passes"]) + 1:
            raise Failure("the pass that was killed was not gone on with")
        answers = statuses(requests)
        name = f"drill-{record['begunAt'][:10]}.md"
        judged = "pass" if verdict["passed"] else "fail"
        failed = [check["name"] for check in verdict["checks"] if not check["passed"]]
        lines = [
            f"# What went wrong in the rehearsal of {record['begunAt']}, on purpose",
            "",
            "Written by docs/deploy/rehearsal/rehearse.py, which let it happen from outside, process by process.",
            "",
            f"- **Verdict:** {judged}" + (f" ({'; '.join(failed)})" if failed else ""),
            f"- **Clock:** scaled, {self.options.clock_scale:,} times as fast as real time from {self.origin:%Y-%m-%dT%H:%M:%SZ} on",
            f"- **Ledger:** `{record['place']['database']}`",
            f"- **Passes:** {len(record['passes'])}, begun {times_begun(record)} times",
            f"- **Faults of the provider:** {', '.join(f'`{fault}`' for fault in faults_of(self.options))}",
            f"- **Requests that the provider answered, by status:** {', '.join(f'{count} × {status}' for status, count in answers)}",
            "",
            "| by the rehearsal's clock | real time | what happened |",
            "|---|---|---|",
            *self.happened,
            "",
        ]
        (self.options.folder / "audit/cron-dry-run" / name).write_text("\n".join(lines))
        say(f"verdict: {judged}, after {self.options.hours} hours at {self.options.clock_scale} times; {name}")


def faults_of(options):
    return [*FAULTS, *([FAULT_THAT_STAYS] if options.fault_that_stays else [])]


def statuses(requests):
    counts = {}
    for request in logged(requests):
        counts[request["status"]] = counts.get(request["status"], 0) + 1
    return sorted(counts.items())


def run(options, environment, program, *command, stdin=None):
    subprocess.run(
        [str(options.binaries / program), *command],
        cwd=options.folder,
        env=environment,
        input=stdin,
        text=True,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def start(options, environment, origin):
    command = [
        str(options.binaries / "usage-cron"),
        *("rehearse", "--hours", str(options.hours), "--every", options.every, "--exports", "exports"),
        *("--clock-scale", str(options.clock_scale), "--clock-origin", origin),
    ]
    with (options.folder / "cron.log").open("a") as log:
        return subprocess.Popen(command, cwd=options.folder, env=environment, stderr=log)


def rehearse(options, environment, origin, requests, drill):
    """Runs it to its end, with what goes wrong on the way, and returns its exit status."""
    cron = start(options, environment, origin)
    wait_until(cron, "the first pass has begun", lambda: begun(newest_record(options.folder)) >= 1)
    before = throttled(requests)
    # In the middle of it: it has been throttled, waits, and has stored some windows and others not.
    wait_until(cron, "the first pass is throttled a second time", lambda: throttled(requests) >= before + 2)
    cron.send_signal(signal.SIGKILL)
    cron.wait()
    drill.note("the cron was killed with SIGKILL in the middle of its first pass, and started again")
    cron = start(options, environment, origin)
    wait_until(cron, "the first pass is done", lambda: passes_done(options.folder) >= 1)
    before = throttled(requests)
    wait_until(cron, "the second pass is throttled", lambda: throttled(requests) > before)
    break_database(options, drill)
    try:
        return cron.wait(PATIENCE + options.hours * 3600 / options.clock_scale)
    except subprocess.TimeoutExpired as never:
        cron.kill()
        raise Failure("the rehearsal does not end") from never


def break_database(options, drill):
    if options.database.startswith("sqlite:"):
        ledger = sqlite3.connect(options.folder / options.database.removeprefix("sqlite:"), isolation_level=None)
        ledger.execute("BEGIN IMMEDIATE")
        time.sleep(HELD)
        ledger.execute("ROLLBACK")
        ledger.close()
        drill.note(f"another process held the ledger's write lock for {HELD:.0f} s in the middle of the second pass")
        return
    broken = subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", options.database, "--command", BREAK_A_WRITER],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if broken.returncode != 0:
        raise Failure(f"the cron's connection was not broken: {broken.stderr.strip()}")
    statement = broken.stderr.strip().removeprefix("NOTICE:").strip()
    drill.note(f"the database's connection was broken in the middle of a transaction of the second pass that had written: {statement}")


def wait_until(process, what, reached):
    deadline = time.monotonic() + PATIENCE
    while not reached():
        if process.poll() is not None:
            raise Failure(f"the cron ended with {process.returncode} before this: {what}; cron.log says why")
        if time.monotonic() > deadline:
            raise Failure(f"this did not happen within {PATIENCE:.0f} s: {what}")
        time.sleep(0.02)


def logged(requests):
    if not requests.exists():
        return []
    # The last line may be on its way.
    return [json.loads(line) for line in requests.read_text().split("\n")[:-1]]


def throttled(requests):
    return sum(request["status"] == 429 for request in logged(requests))


def newest_record(folder):
    records = sorted((folder / "audit/cron-dry-run").glob("rehearsal-*.json"), key=lambda path: path.stat().st_mtime)
    return json.loads(records[-1].read_text()) if records else None


def passes_done(folder):
    record = newest_record(folder)
    # Another rehearsal may lie there from before, which has a verdict.
    if record is None or record.get("verdict"):
        return 0
    return sum(bool(due.get("outcome")) for due in record["passes"])


def begun(record):
    """How often passes were begun, unless the record is that of a rehearsal from before, which has a verdict."""
    return 0 if record is None or record.get("verdict") else times_begun(record)


def times_begun(record):
    return sum(len(due["begunAt"]) for due in record["passes"])


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
