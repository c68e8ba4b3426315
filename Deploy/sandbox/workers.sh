# Sourced by Deploy/local: configuration files, workers, and local.json.

profiles=(p256-b p256-t rsa2048-b rsa2048-t)

# The part of a configuration that signing needs: token, authority, profiles.
signing_configuration() {
    local key level
    cat <<YAML
tokens:
  - name: main
    module: $(quoted "$(softhsm_module)")
    label: $token_label
    pin: $(quoted "file:$sandbox/token/pin")
    sessions: 2
    environment:
      SOFTHSM2_CONF: $(quoted "$sandbox/token/softhsm2.conf")
timestamp-authorities:
  - name: demo
    url: "http://127.0.0.1:$(port_of tsa)/"
    trust: $(quoted "$sandbox/pki/tsa-ca.pem")
    policy: $tsa_policy
    timeout: 10s
    in-flight: 16
profiles:
YAML
    for key in p256:02 rsa2048:01; do
        for level in b t; do
            cat <<YAML
  - name: ${key%:*}-$level
    token: main
    key: "${key#*:}"
    certificate: $(quoted "$sandbox/pki/${key%:*}.pem")
    digest: sha256
    level: B-${level^^}
YAML
            if [ $level = t ]; then echo '    timestamp-authority: demo'; fi
        done
    done
}

# Where the jobs come from. A member that was killed is replaced after the session timeout: 6 s here, 45 s by default.
stream_configuration() { # further lines of kafka.properties...
    cat <<YAML
kafka:
  bootstrap: $(quoted "$(bootstrap)")
  properties:
    session.timeout.ms: 6000
YAML
    if [ $# != 0 ]; then printf '    %s\n' "$@"; fi
    cat <<YAML
streams:
  - name: $(stream)
    profiles: [$(IFS=,; echo "${profiles[*]}" | sed 's/,/, /g')]
YAML
}

# For the programs that a person runs: tanba sign, enqueue, results.
write_client_configuration() {
    {
        echo "# Written by Deploy/local: for tanba --config"
        if [ "$log_kind" = kafka ]; then stream_configuration; fi
        signing_configuration
    } | write_file "$sandbox/configuration/tanba.yaml"
}

write_worker_configuration() { # worker
    {
        cat <<YAML
# Written by Deploy/local: for tanba-worker --config
worker:
  id: $1
  state-directory: $(quoted "$sandbox/state/$1")
operations:
  address: 127.0.0.1
  port: $(port_of "$1" || echo 0)
  port-file: $(quoted "$sandbox/run/$1.listening")
YAML
        # noida-db never evicts a dead member: the worker that comes again has to be the same member
        if [ "$(broker_kind)" = noida ]; then stream_configuration "group.instance.id: $1"; else stream_configuration; fi
        signing_configuration
    } | write_file "$sandbox/configuration/$1.yaml"
}

# Starts the workers that are down, one after the other, then waits until each says that it is ready. A worker has its token open when it
# listens: SoftHSM now and then shows no token to processes that open one folder at the same moment.
start_workers() { # names...
    local worker
    for worker in "$@"; do
        alive "$worker" > /dev/null && continue
        mkdir -p "$sandbox/state/$worker"
        rm -f "$sandbox/run/$worker.listening"
        write_worker_configuration "$worker"
        start_process "$worker" "$programs/tanba-worker" --config "$sandbox/configuration/$worker.yaml"
        wait_for "$worker" 60 "port of its operations" test -s "$sandbox/run/$worker.listening"
        tr -d ' \n' < "$sandbox/run/$worker.listening" > "$sandbox/run/$worker.port"
    done
    for worker in "$@"; do
        wait_for "$worker" 120 "readiness at http://127.0.0.1:$(port_of "$worker")/ready" answers "$(port_of "$worker")" /ready
    done
}

worker_names() { # count
    local i
    for i in $(seq "$1"); do echo "w$i"; done
}

# Workers beyond the wanted number, from an earlier run that asked for more.
surplus_workers() { # count
    local path name
    for path in "$sandbox"/run/w*.process; do
        name=$(basename "$path" .process)
        if [ -e "$path" ] && [ "${name#w}" -gt "$1" ]; then echo "$name"; fi
    done
}

write_description() { # workers...
    local worker list=[]
    for worker in "$@"; do
        list=$(jq -c --arg id "$worker" --argjson pid "$(alive "$worker" || echo null)" --arg port "$(port_of "$worker")" --arg folder "$sandbox" \
            '. + [{id: $id, pid: $pid, metrics: "http://127.0.0.1:\($port)/metrics", configuration: "\($folder)/configuration/\($id).yaml",
                   log: "\($folder)/log/\($id).log"}]' <<< "$list")
    done
    jq -n --arg folder "$sandbox" --arg library "$(softhsm_module)" --arg token $token_label --arg tsa "http://127.0.0.1:$(port_of tsa)/" \
        --arg bootstrap "$([ "$log_kind" = kafka ] && bootstrap)" --arg stream "$([ "$log_kind" = kafka ] && stream)" \
        --arg broker "$([ "$log_kind" = kafka ] && broker_kind)" --argjson workers "$list" '
        (if $bootstrap == "" then {} else {bootstrap: $bootstrap, broker: $broker, stream: $stream} end)
        + {profiles: $ARGS.positional, trust: ["\($folder)/pki/ca.pem"], tsaTrust: ["\($folder)/pki/tsa-ca.pem"], tsa: $tsa}
        + (if $bootstrap == "" then {} else {workers: $workers} end)
        + {configuration: "\($folder)/configuration/tanba.yaml",
           token: {module: $library, label: $token, pinFile: "\($folder)/token/pin", softhsmConf: "\($folder)/token/softhsm2.conf",
                   keys: {rsa2048: "01", p256: "02"},
                   certificates: {rsa2048: "\($folder)/pki/rsa2048.pem", p256: "\($folder)/pki/p256.pem"}}}' \
        --args "${profiles[@]}" | write_file "$sandbox/local.json"
}
