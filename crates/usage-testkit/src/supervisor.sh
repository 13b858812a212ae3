# Owns one PostgreSQL server and its directory for a test process: arguments are the directory with the server's
# programs, the directory for temporary files and the server's settings. Obeys one command a line of standard input,
# answers with its exit code, and at the end of input, however that came about, stops the server and removes the
# directory.

# Only the end of input ends this script: not Ctrl-C, and not an answer that nobody reads any more.
trap '' HUP INT PIPE QUIT TERM

programs=$1 temporary=$2 settings=$3

directory=$(mktemp -d "$temporary/usage-postgres-XXXXXX" 2>/dev/null) ||
    directory=$(mktemp -d /tmp/usage-postgres-XXXXXX) || exit 1
data=$directory/data
echo "$directory"

# Whether a process still runs; a dead one that nobody has waited for does not.
runs() {
    kill -0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

# Ends the server and every process of it with the signal that none can catch, and returns when they are gone.
kill_server() {
    server=$(head -n 1 "$data/postmaster.pid") || return 1
    # A stopped server starts no process any more.
    kill -STOP "$server" || return 1
    processes=$(cat "/proc/$server/task/$server/children" 2>/dev/null)
    kill -KILL "$server" || return 1
    for process in $processes; do
        # It may have ended by itself meanwhile.
        kill -KILL "$process" 2>/dev/null
    done
    for process in $server $processes; do
        while runs "$process"; do sleep 0.02; done
    done
    # A dead server whose number is still taken would keep the next one from starting.
    rm -f "$data/postmaster.pid"
}

while read -r command port; do
    case $command in
    initialize)
        "$programs/initdb" --pgdata="$data" --username=postgres --auth=trust --encoding=UTF8 --locale=C \
            --no-sync --no-instructions
        ;;
    start)
        "$programs/pg_ctl" --pgdata="$data" --log="$directory/server.log" --wait \
            --options="-p $port $settings" start
        ;;
    kill)
        kill_server
        ;;
    esac </dev/null >>"$directory/commands.log" 2>&1
    echo $?
done

if [ -f "$data/postmaster.pid" ]; then
    "$programs/pg_ctl" --pgdata="$data" --mode=immediate --wait stop </dev/null >/dev/null 2>&1
fi
rm -rf "$directory"
