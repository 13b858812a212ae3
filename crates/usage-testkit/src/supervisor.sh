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
        "$programs/pg_ctl" --pgdata="$data" --mode=immediate --wait stop
        ;;
    esac </dev/null >>"$directory/commands.log" 2>&1
    echo $?
done

if [ -f "$data/postmaster.pid" ]; then
    "$programs/pg_ctl" --pgdata="$data" --mode=immediate --wait stop </dev/null >/dev/null 2>&1
fi
rm -rf "$directory"
