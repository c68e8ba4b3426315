# Sourced by Deploy/local: the demo time-stamping authority, compiled from Deploy/demo-tsa.

tsa_policy=1.2.3.4.1

build_authority() {
    local program=$sandbox/bin/demo-tsa
    [ -x "$program" ] && [ -z "$(find "$deploy/demo-tsa" -newer "$program" -name '*.[ch]')" ] && return
    mkdir -p "$sandbox/bin"
    # a machine with Swift has clang even where it has no cc
    CC=${CC:-$(command -v cc || command -v clang)} "$deploy/demo-tsa/build" "$program" > "$sandbox/log/tsa-build.log" 2>&1 \
        || die_with_log "Deploy/demo-tsa could not be compiled" tsa-build
}

start_authority() {
    alive tsa > /dev/null && return
    build_authority
    # Who rehearses an outage writes it into authority.script: docs/timestamp-faults.md
    # The first start takes any free port, a later one the same: it stands in the configuration of workers that may be running
    start_process tsa "$sandbox/bin/demo-tsa" --certificate "$sandbox/pki/tsa.pem" --key "$sandbox/pki/tsa.key" --policy $tsa_policy \
        --port "$(port_of tsa || echo 0)" --port-file "$sandbox/run/tsa.listening" --script "$sandbox/authority.script"
    wait_for tsa 60 "port" test -s "$sandbox/run/tsa.listening"
    mv "$sandbox/run/tsa.listening" "$sandbox/run/tsa.port"
}
