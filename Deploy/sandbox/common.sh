# Sourced by Deploy/local and Deploy/demo: messages, and processes that are recorded so that they can be found again.
#
# The sandbox's folder is $sandbox:
#   run/NAME.process   "PID START BOOT" of a process that was started: a process id alone may be another's by now
#   run/NAME.port      the port it listens on, kept over restarts
#   log/NAME.log       what it wrote

say() { echo "$*" >&2; }
die() { echo "${0##*/}: $*" >&2; exit 3; }
usage_error() { echo "${0##*/}: $*" >&2; exit 2; }

# Ends with the last lines of a log, and where the whole of it is.
die_with_log() { # message, name
    local log=$sandbox/log/$2.log
    { echo "${0##*/}: $1"; tail -n 12 "$log" 2>/dev/null | sed 's/^/    /' || true; echo "  the whole log: $log"; } >&2
    exit 3
}

boot_id() { cat /proc/sys/kernel/random/boot_id; }

# State and start time (clock ticks since boot) of a process: fields 3 and 22 of stat, counted from behind the name.
process_state_and_start() { # pid
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # shellcheck disable=SC2086  # fields are words
    set -- ${stat##*)}
    echo "$1 ${20}"
}

# Prints the process id when NAME was started by us and is still that very process.
alive() { # name
    local pid start boot now_state now_start
    read -r pid start boot 2>/dev/null < "$sandbox/run/$1.process" || return 1
    [ "$boot" = "$(boot_id)" ] || return 1
    read -r now_state now_start < <(process_state_and_start "$pid") || return 1
    [ "$now_start" = "$start" ] && [ "$now_state" != Z ] && [ "$now_state" != X ] || return 1
    echo "$pid"
}

# Whoever waits until a file descriptor of ours is closed, such as a lock or our caller's pipe, is not to wait for a process that stays.
close_inherited() {
    local fd
    for fd in /proc/self/fd/*; do
        fd=${fd##*/}
        if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi
    done
}

# Starts a command in a session of its own, records it, and does not wait for anything.
start_process() { # name, command...
    local name=$1 pid state start
    shift
    printf -- '--- started %s\n' "$(date -u +%FT%TZ)" >> "$sandbox/log/$name.log"
    (cd "$sandbox" && close_inherited && exec setsid "$@" < /dev/null >> "$sandbox/log/$name.log" 2>&1) &
    pid=$!
    read -r state start < <(process_state_and_start "$pid") || die_with_log "$name ended at once" "$name"
    echo "$pid $start $(boot_id)" > "$sandbox/run/$name.process"
}

# Ends a recorded process by SIGTERM, after so many seconds by SIGKILL.
stop_process() { # name, seconds
    local pid deadline=$((SECONDS + $2))
    if pid=$(alive "$1"); then
        kill -TERM "$pid" 2>/dev/null || true
        while alive "$1" > /dev/null; do
            if [ $SECONDS -ge $deadline ]; then
                say "$1 (process $pid) did not end in $2 s: killed; log: $sandbox/log/$1.log"
                kill -KILL "$pid" 2>/dev/null || true
                deadline=$((SECONDS + 5))
            fi
            sleep 0.05
        done
    fi
    rm -f "$sandbox/run/$1.process"
}

# Waits until a condition holds; gives up when the process ends or the time is over.
wait_for() { # name, seconds, what is waited for, command...
    local name=$1 seconds=$2 what=$3 deadline=$((SECONDS + $2))
    shift 3
    until "$@"; do
        alive "$name" > /dev/null || die_with_log "$name ended while waiting for it ($what)" "$name"
        [ $SECONDS -lt $deadline ] || die_with_log "$name: no $what after $seconds s" "$name"
        sleep 0.05
    done
}

port_of() { cat "$sandbox/run/$1.port" 2>/dev/null; }

# Ports that nobody listens on now, all different, and below those that the system gives to whoever connects (32768 and up): a client that tries
# to reach what is not there yet could else be given the very port, and keep it.
free_ports() { # count
    python3 - "$1" <<'PYTHON'
import random, socket, sys
held = []
while len(held) < int(sys.argv[1]):
    try:
        held.append(socket.create_server(("127.0.0.1", random.randrange(10000, 32000))))
    except OSError:
        pass
print(*(one.getsockname()[1] for one in held))
PYTHON
}

# True when a GET answers with status 200.
answers() { # port, path
    local line
    { exec 8<> "/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
    printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' "$2" >&8 2>/dev/null || true
    read -r -t 5 line <&8 2>/dev/null || line=
    exec 8<&- 8>&-
    [[ $line == HTTP/*' 200'* ]]
}

# A string as YAML's double-quoted scalar (JSON's strings are a part of them).
quoted() { jq -nr --arg text "$1" '$text | tojson'; }

# Writes standard input to a file that is whole at any moment.
write_file() { # path, mode
    local new
    new=$(mktemp "$1.XXXXXX")
    cat > "$new"
    chmod "${2:-644}" "$new"
    mv "$new" "$1"
}
