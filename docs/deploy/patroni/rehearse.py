#!/usr/bin/env python3
"""Kills the leader of a PostgreSQL cluster under Patroni in the middle of a backfill, and holds what came of it against the truth.

Three PostgreSQL servers, each with its Patroni, and one etcd, all on loopback; the simulator is the provider. In every round a
`usage backfill` runs against a URL that names all three servers; in the middle of it the leader's Patroni and every process of
its PostgreSQL are ended with SIGKILL. The run has to go on by itself on the new leader. README.md, beside this file, says what
must be installed and how to call it.
"""

import argparse
import base64
import datetime
import json
import os
import platform
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg

KEY = "sk-admin-test-not-a-real-key"
ORGANIZATION = "org-simulated"
FIRST_DAY = datetime.date(2025, 9, 1)
NODES = ("node1", "node2", "node3")
# For as long as a loaded machine may need to bring a cluster into order.
LONGEST_WAIT = 300.0
# How often the prober writes a row of its own, in seconds.
PROBE_EVERY = 0.05


class Failure(Exception):
    """Something is not as it must be; the message says what."""


def main():
    options = arguments()
    if not options.rounds:
        raise Failure("no rounds, nothing to show")
    with Cluster(options) as cluster:
        cluster.start()
        rounds = []
        for number in range(1, options.rounds + 1):
            result = one_round(cluster, options, number)
            rounds.append(result)
            say(
                f"round {number}: killed {result['killed']} with {result['acknowledged']} of {options.days} windows stored, "
                f"{result['leader']} leads now; write gap {result['write_gap']:.2f} of the ttl, run still for "
                f"{result['run_pause']:.2f} of it; nothing lost, nothing twice"
            )
        text = report(cluster, options, rounds)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text)
    else:
        sys.stdout.write(text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--usage", type=Path, default="target/release/usage", help="the program that is rehearsed")
    parser.add_argument("--simulator", type=Path, default="target/release/usage-simulator", help="its provider")
    parser.add_argument("--patroni", default=str(Path(sys.executable).with_name("patroni")), help="Patroni's program")
    parser.add_argument("--etcd", default="etcd", help="etcd's program")
    parser.add_argument("--postgres", type=Path, help="the folder with PostgreSQL's programs; the newest Debian has")
    parser.add_argument("--rounds", type=int, default=5, help="how many leaders are killed")
    parser.add_argument("--days", type=int, default=60, help="how many windows each backfill stores")
    parser.add_argument("--groups", type=int, default=300, help="how many events each window has")
    parser.add_argument("--pace", type=int, default=600, help="requests a minute of the backfill")
    parser.add_argument("--ttl", type=int, default=30, help="seconds after which Patroni gives a dead leader up; its default")
    parser.add_argument("--seed", type=int, default=1, help="decides when the leaders are killed")
    parser.add_argument("--output", type=Path, help="where to write the report; standard output unless given")
    options = parser.parse_args()
    for name in ("usage", "simulator"):
        path = getattr(options, name).resolve()
        if not path.is_file():
            parser.error(f"{path} is missing; build it (cargo build --release) or name another with --{name}")
        setattr(options, name, path)
    for name in ("patroni", "etcd"):
        if shutil.which(getattr(options, name)) is None:
            parser.error(f"{getattr(options, name)} is not installed; README.md says what to install")
    if options.postgres is None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not found:
            parser.error("no PostgreSQL server is installed; README.md says what to install")
        options.postgres = found[-1]
    return options


def one_round(cluster, options, number):
    """Kills one leader in the middle of one backfill; returns what was seen, or fails."""
    leader = cluster.wait_for_order()
    database = f"usage_{number}"
    with cluster.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {database}")
    seed = options.seed * 1000 + number
    generated = [
        "--seed", str(seed), "--days", str(options.days), "--groups-per-day", str(options.groups),
        "--first-day", FIRST_DAY.isoformat(), "--organization", ORGANIZATION,
    ]
    log = cluster.folder / f"requests-{number}.jsonl"
    with Simulator(options.simulator, generated, log) as base_url:
        usage = Usage(options.usage, cluster.folder, cluster.url(database), base_url, options.pace)
        usage.succeeds(["keys", "add", "--provider", "openai", "--organization", ORGANIZATION], KEY)
        last_day = FIRST_DAY + datetime.timedelta(days=options.days - 1)
        asked_before = len(asked(log))
        backfill = usage.start([
            "backfill", "--endpoint", "completions", "--chunk-days", "1",
            "--start", FIRST_DAY.isoformat(), "--end", last_day.isoformat(), "--format", "json",
        ])
        with Prober(cluster, database) as prober:
            kill_after = random.Random(seed).randint(options.days // 5, options.days * 4 // 5)
            backfill.wait_for_windows(kill_after)
            killed_at = time.monotonic()
            cluster.kill(leader)
            # What the run had told at that moment must stand, whatever became of the rest.
            acknowledged = backfill.stored_before(killed_at)
            ended = backfill.ends()
            prober.wait_for_a_write_after(killed_at, LONGEST_WAIT)
        successor = cluster.wait_for_leader()
        if successor == leader:
            raise Failure(f"{leader} leads again, so nothing was failed over")
        report = check_run(ended, options)
        requests = asked(log)[asked_before:]
        if len(requests) != 2 * options.days or len(set(requests)) != len(requests):
            raise Failure(f"the provider was asked {len(requests)} times, {len(set(requests))} of them for something new")
        check_ledger(cluster, database, usage, options, generated, acknowledged, report)
        prober.check()
    cluster.restart(leader)
    return {
        "killed": leader,
        "leader": successor,
        "acknowledged": len(acknowledged),
        "write_gap": prober.longest_gap_after(killed_at) / options.ttl,
        "run_pause": backfill.longest_pause() / options.ttl,
        "requests": len(requests),
        "told": backfill.times_told("the database went away"),
        "probes": prober.acknowledged_writes(),
    }


def asked(log):
    """What the provider was asked for usage, by its own log."""
    requests = [json.loads(line) for line in log.read_text().splitlines()]
    return [json.dumps([request["path"], request["query"]]) for request in requests if "/usage/" in request["path"]]


def check_run(ended, options):
    code, report, errors = ended
    if code != 0:
        raise Failure(f"the backfill ended with {code}:\n{errors}")
    telemetry = report["run"]["telemetry"]
    expected = {"windowsProcessed": options.days, "windowsFailed": 0, "requests": 2 * options.days, "retries": 0,
                "updatedEvents": 0, "unchangedEvents": 0, "retractedEvents": 0}
    for name, value in expected.items():
        if telemetry[name] != value:
            raise Failure(f"the run says {name} {telemetry[name]}, not {value}: something was done twice or not at all")
    return report


def check_ledger(cluster, database, usage, options, generated, acknowledged, report):
    """The ledger is the provider's own export, byte by byte, and every window of it is the run's."""
    with cluster.connect(database) as connection:
        covered = connection.execute("SELECT window_start, run_id FROM usage_coverage").fetchall()
        runs = connection.execute("SELECT id, status FROM runs").fetchall()
        events = connection.execute("SELECT count(*) FROM usage_events").fetchone()[0]
        revisions = connection.execute("SELECT count(*) FROM usage_revisions").fetchone()[0]
    days = {datetime.datetime.fromtimestamp(start, datetime.timezone.utc).date() for start, _ in covered}
    lost = sorted(acknowledged - days)
    if lost:
        raise Failure(f"windows that the run had told as stored are gone: {lost}")
    if len(runs) != 1 or runs[0][1] != "succeeded" or {run for _, run in covered} != {runs[0][0]}:
        raise Failure(f"not one run that succeeded and stored everything: {runs}")
    if revisions:
        raise Failure(f"{revisions} revisions: something was stored twice")
    stored = report["run"]["telemetry"]["storedEvents"]
    if stored != events:
        raise Failure(f"the run counted {stored} new events, the ledger has {events}")
    last_day = FIRST_DAY + datetime.timedelta(days=options.days - 1)
    export = ["export", *generated, "--start", FIRST_DAY.isoformat(), "--end", last_day.isoformat()]
    truth = subprocess.run([options.simulator, *export], check=True, capture_output=True).stdout
    ledger = usage.succeeds(["export", "--format", "provider-csv"]).encode()
    if ledger != truth:
        raise Failure("the ledger is not the provider's export")


class Usage:
    """The program that is rehearsed, in a folder and an environment of its own."""

    def __init__(self, program, folder, database_url, base_url, pace):
        self.program = program
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self.environment = {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "USAGE_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
            "USAGE_DATABASE_URL": database_url,
            "USAGE_OPENAI_BASE_URL": base_url,
            "USAGE_REQUESTS_PER_MINUTE": str(pace),
        }

    def succeeds(self, arguments, text=""):
        done = subprocess.run([self.program, *arguments], input=text, text=True, capture_output=True,
                              cwd=self.folder, env=self.environment)
        if done.returncode != 0:
            raise Failure(f"usage {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def start(self, arguments):
        return Backfill(subprocess.Popen([self.program, *arguments], text=True, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         cwd=self.folder, env=self.environment))


class Backfill:
    """A running backfill, and when it told what."""

    STORED = re.compile(r"^read completions (\d{4}-\d\d-\d\d)")

    def __init__(self, process):
        self.process = process
        self.lines = []
        self.output = []
        self.readers = [
            threading.Thread(target=self._read_errors, daemon=True),
            threading.Thread(target=lambda: self.output.append(process.stdout.read()), daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    def _read_errors(self):
        for line in self.process.stderr:
            self.lines.append((time.monotonic(), line.rstrip("\n")))

    def _stored(self):
        matches = ((at, self.STORED.match(line)) for at, line in list(self.lines))
        return [(at, datetime.date.fromisoformat(match[1])) for at, match in matches if match]

    def wait_for_windows(self, number):
        wait_until(f"{number} windows are stored", lambda: self._alive() and len(self._stored()) >= number)

    def _alive(self):
        if self.process.poll() is not None:
            raise Failure("the backfill ended before the leader was killed; give it more --days or a slower --pace")
        return True

    def stored_before(self, moment):
        return {day for at, day in self._stored() if at <= moment}

    def ends(self):
        try:
            code = self.process.wait(LONGEST_WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure("the backfill does not end") from None
        for reader in self.readers:
            reader.join()
        report = json.loads(self.output[0]) if code in (0, 1) else None
        return code, report, "\n".join(line for _, line in self.lines)

    def longest_pause(self):
        times = [at for at, _ in self._stored()]
        return max(later - earlier for earlier, later in zip(times, times[1:]))

    def times_told(self, words):
        return sum(words in line for _, line in self.lines)


class Prober:
    """Writes a numbered row many times a second, and knows which of them were acknowledged."""

    def __init__(self, cluster, database):
        self.cluster, self.database = cluster, database
        self.acknowledged = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self):
        with self.cluster.connect(self.database) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS probes (number BIGINT PRIMARY KEY)")
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def _write(self):
        number = 0
        while not self.stop.is_set():
            try:
                with self.cluster.connect(self.database) as connection:
                    while not self.stop.is_set():
                        number += 1
                        connection.execute("INSERT INTO probes VALUES (%s)", (number,))
                        self.acknowledged.append((time.monotonic(), number))
                        time.sleep(PROBE_EVERY)
            except psycopg.Error:
                time.sleep(PROBE_EVERY)

    def wait_for_a_write_after(self, moment, seconds):
        # One that was on its way when the leader died is none of the new leader's.
        wait_until("the new leader takes writes", lambda: any(at > moment + 1 for at, _ in list(self.acknowledged)), seconds)

    def longest_gap_after(self, moment):
        times = [at for at, _ in self.acknowledged]
        return max(later - earlier for earlier, later in zip(times, times[1:]) if later > moment)

    def acknowledged_writes(self):
        return len(self.acknowledged)

    def check(self):
        with self.cluster.connect(self.database) as connection:
            there = {number for (number,) in connection.execute("SELECT number FROM probes")}
            # It is no table of the ledger.
            connection.execute("DROP TABLE probes")
        lost = [number for _, number in self.acknowledged if number not in there]
        if lost:
            raise Failure(f"{len(lost)} acknowledged writes are gone")


class Simulator:
    """The provider; its base URL."""

    def __init__(self, program, generated, log):
        self.command = [program, "serve", "--key", KEY, "--request-log", str(log), *generated]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        url = self.process.stdout.readline().strip()
        if not url.startswith("http://"):
            raise Failure("the simulator does not start")
        return url

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Cluster:
    """Three PostgreSQL servers under Patroni, and their etcd; gone with the value, data and all."""

    def __init__(self, options):
        self.options = options
        self.folder = Path(tempfile.mkdtemp(prefix="usage-patroni-"))
        self.user = "postgres" if os.getuid() == 0 else None
        self.processes = {}
        ports = free_ports(2 + 2 * len(NODES))
        self.etcd_ports = ports[:2]
        self.postgres_ports = dict(zip(NODES, ports[2:]))
        self.rest_ports = dict(zip(NODES, ports[2 + len(NODES):]))
        self.versions = {}

    def __enter__(self):
        self.folder.chmod(0o755)
        if self.user:
            shutil.chown(self.folder, self.user)
        return self

    def __exit__(self, kind, *_):
        for node in NODES:
            self.kill(node)
        self._end("etcd")
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            say(f"the logs stay in {self.folder}")

    def start(self):
        client, peer = (f"http://127.0.0.1:{port}" for port in self.etcd_ports)
        self._spawn("etcd", [
            self.options.etcd, "--data-dir", str(self.folder / "etcd"),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        ])
        wait_until("etcd answers", lambda: get(f"{client}/health") is not None)
        for node in NODES:
            self.restart(node)
            # The first makes the cluster, the others join it.
            self.wait_for_leader()
        self.wait_for_order()
        self.versions = {
            "PostgreSQL": self._version([self.options.postgres / "postgres", "--version"]),
            "Patroni": self._version([self.options.patroni, "--version"]),
            "etcd": self._version([self.options.etcd, "--version"]),
            "usage": self._version([self.options.usage, "--version"]),
        }

    @staticmethod
    def _version(command):
        said = subprocess.run(command, check=True, text=True, capture_output=True, cwd="/").stdout
        return re.search(r"\d+(\.\d+)+", said)[0]

    def restart(self, node):
        settings = self.folder / f"{node}.json"
        # JSON is YAML.
        settings.write_text(json.dumps(self._settings(node), indent=1))
        self._spawn(node, [self.options.patroni, str(settings)])

    def _settings(self, node):
        address = f"127.0.0.1:{self.postgres_ports[node]}"
        rest = f"127.0.0.1:{self.rest_ports[node]}"
        local = "127.0.0.1/32 trust"
        return {
            "scope": "usage",
            "name": node,
            "restapi": {"listen": rest, "connect_address": rest},
            "etcd3": {"host": f"127.0.0.1:{self.etcd_ports[0]}"},
            "bootstrap": {
                "dcs": {
                    # Patroni's defaults: ttl 30, and a third of it for each of the others.
                    "ttl": self.options.ttl,
                    "loop_wait": self.options.ttl // 3,
                    "retry_timeout": self.options.ttl // 3,
                    # A commit is acknowledged when a second server has it, and only such a server becomes the leader.
                    "synchronous_mode": True,
                    "postgresql": {"use_pg_rewind": True},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
            },
            "postgresql": {
                "listen": address,
                "connect_address": address,
                "data_dir": str(self.folder / node),
                "bin_dir": str(self.options.postgres),
                "pgpass": str(self.folder / f"{node}.pgpass"),
                # Loopback only, for an hour: nobody else's data is here. A real cluster has passwords.
                "pg_hba": [f"host all all {local}", f"host replication all {local}"],
                "authentication": {"superuser": {"username": "postgres"}, "replication": {"username": "replicator"}},
                "parameters": {"unix_socket_directories": str(self.folder), "max_connections": 50},
            },
        }

    def _spawn(self, name, command):
        log = open(self.folder / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
            env={"PATH": f"{os.defpath}:/usr/local/bin", "HOME": str(self.folder), "LC_ALL": "C"},
            user=self.user, group=pwd.getpwnam(self.user).pw_gid if self.user else None, extra_groups=[] if self.user else None,
            start_new_session=True,
        )
        log.close()

    def _end(self, name):
        process = self.processes.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()

    def kill(self, node):
        """Patroni first, so that it restarts nothing; then every process of its PostgreSQL. None of them sees it coming."""
        self._end(node)
        try:
            server = int((self.folder / node / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        try:
            children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        except FileNotFoundError:
            return
        for process in [server, *map(int, children)]:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def url(self, database):
        servers = ",".join(f"127.0.0.1:{port}" for port in self.postgres_ports.values())
        return f"postgres://postgres@{servers}/{database}?target_session_attrs=read-write"

    def connect(self, database):
        return psycopg.connect(f"{self.url(database)}&connect_timeout=3", autocommit=True)

    def _members(self):
        for port in self.rest_ports.values():
            answer = get(f"http://127.0.0.1:{port}/cluster")
            if answer is not None:
                return {member["name"]: member for member in answer["members"]}
        return {}

    def wait_for_leader(self):
        """The node that leads and takes writes."""
        def leader():
            leaders = [name for name, member in self._members().items()
                       if member["role"] == "leader" and member["state"] == "running" and name in self.processes]
            return leaders[0] if leaders else None
        return wait_until("somebody leads", leader)

    def wait_for_order(self):
        """Returns the leader once one other is its synchronous standby and the third follows too."""
        def in_order():
            members = self._members()
            roles = sorted(member["role"] for member in members.values())
            states = {member["state"] for member in members.values() if member["role"] != "leader"}
            return len(members) == len(NODES) and roles == ["leader", "replica", "sync_standby"] and states == {"streaming"}
        wait_until("a leader, a synchronous standby and a third are in order", in_order)
        return self.wait_for_leader()


def report(cluster, options, rounds):
    """The page of evidence."""
    template = (Path(__file__).with_name("report.md")).read_text()
    table = "\n".join(
        f"| {number} | {found['acknowledged']} of {options.days} | {found['write_gap'] * options.ttl:.1f} s, {found['write_gap']:.2f} "
        f"| {found['run_pause'] * options.ttl:.1f} s, {found['run_pause']:.2f} | {found['requests']} | 0 | 0 | {found['probes']} | 0 |"
        for number, found in enumerate(rounds, 1)
    )
    gaps = [found["write_gap"] for found in rounds]
    pauses = [found["run_pause"] for found in rounds]
    versions = ", ".join(f"{name} {version}" for name, version in cluster.versions.items())
    return template.format(
        date=datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        versions=versions,
        system=f"{platform.system()} on {os.cpu_count()} processors, everything on one machine",
        rounds=len(rounds), days=options.days, groups=options.groups, ttl=options.ttl, pace=options.pace, table=table,
        least_gap=f"{min(gaps):.2f}", most_gap=f"{max(gaps):.2f}", most_pause=f"{max(pauses):.2f}",
        least_seconds=f"{min(gaps) * options.ttl:.0f}", most_seconds=f"{max(gaps) * options.ttl:.0f}",
    )


def free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def get(url):
    """The JSON behind the URL; None while there is none."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return None


def wait_until(what, is_so, seconds=LONGEST_WAIT):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        found = is_so()
        if found:
            return found
        time.sleep(0.1)
    raise Failure(f"it never comes to this: {what}")


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        say(f"error: {failure}")
        sys.exit(1)
