extension TestBroker {
    /// Starts the shell that holds the nodes. With users it says first where their certificates and doors are; then "ready" and the addresses.
    ///
    /// - Parameter users: who may log in by password or certificate; none for a broker without security.
    static func hold(nodes: Int, users: [String]) throws -> HeldScript {
        try HeldScript("test broker", ["bash", "-c", script, "tanba-test-broker", repository + "/Deploy/sandbox", "\(nodes)"] + users)
    }

    private static let script = #"""
        set -u
        scripts=$1 count=$2
        shift 2
        for part in common node secure; do . "$scripts/$part.sh"; done
        dir=$(mktemp -d "${TMPDIR:-/tmp}/tanba-test-broker.XXXXXX")
        pids=(0 0 0 0)
        slay() { [ "${pids[$1]}" != 0 ] && { kill -9 "${pids[$1]}"; wait "${pids[$1]}"; } 2>/dev/null; pids[$1]=0; }
        end() { for node in $(seq $count); do slay $node; done; rm -rf "$dir"; }
        fail() { echo "failed: $* $(tail -n 5 "$dir/log.txt" 2>/dev/null | tr '\n' ' ')"; end; exit 1; }
        read -ra ports < <(free_ports $((2 * count + 5)))
        client() { echo "127.0.0.1:${ports[$1 - 1]}"; }
        controller() { echo "${ports[count + $1 - 1]}"; }
        addresses=$(for node in $(seq $count); do client $node; done | paste -sd ,)
        voters=$(for node in $(seq $count); do echo "$node@127.0.0.1:$(controller $node)"; done | paste -sd ,)
        more= protocols=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT doors=
        door() { # its word, its number, listener, protocol
            local address=127.0.0.1:${ports[2 * count + $2]}
            more=$more,$3://$address protocols=$protocols,$3:$4 doors="$doors $1=$address"
        }
        if [ $# -gt 0 ]; then
            door password 0 PASSWORD SASL_PLAINTEXT
            door passwordOverTLS 1 PASSWORDTLS SASL_SSL
            door certificate 2 CERTIFICATE SSL
            door expiredServer 3 EXPIRED SSL
            door wrongHost 4 WRONGHOST SSL
        fi
        bad_certificates() {
            umask 077
            cd "$dir/tls" || return
            secure_server expired-broker -1 DNS:localhost,IP:127.0.0.1
            secure_server elsewhere 10 DNS:broker.elsewhere.example
            secure_client worker worker-expired ca -1
            secure_root stranger-ca 'A stranger'
            secure_server stranger-broker 10 DNS:localhost,IP:127.0.0.1 stranger-ca
            secure_client worker worker-stranger stranger-ca
        }
        secured() { # users
            secure_authorizer admin broker ANONYMOUS
            secure_sasl_listener password "$dir/tls" "$@"
            secure_tls_listener passwordtls "$dir/tls" broker none
            secure_sasl_listener passwordtls "$dir/tls" "$@"
            secure_tls_listener certificate "$dir/tls" broker required
            secure_tls_listener expired "$dir/tls" expired-broker required
            secure_tls_listener wronghost "$dir/tls" elsewhere required
        }
        if [ $# -gt 0 ]; then { secure_folder "$dir/tls" "$@" && (bad_certificates); } > "$dir/log.txt" 2>&1 || fail certificates; fi
        for node in $(seq $count); do
            {
                node_properties $node "$dir/data-$node" "$(controller $node)" "$voters" "PLAINTEXT://$(client $node)$more" "$protocols"
                if [ $count = 1 ]; then node_alone; else
                    printf '%s\n' default.replication.factor=3 min.insync.replicas=2 {offsets.topic,transaction.state.log}.num.partitions=6
                fi
                if [ $# -gt 0 ]; then secured "$@"; fi
            } > "$dir/server-$node.properties"
            node_format VGFuYmFUZXN0QnJva2VyQQ "$dir/server-$node.properties" "$dir/log" >> "$dir/log.txt" 2>&1 || fail format
        done
        if [ $# -gt 0 ]; then echo "secured $dir/tls$doors"; fi
        export KAFKA_HEAP_OPTS="-Xmx$((count == 1 ? 512 : 384))m -Xms96m"
        start() {
            LOG_DIR=$dir/log-$1 "$KAFKA_HOME/bin/kafka-server-start.sh" "$dir/server-$1.properties" < /dev/null >> "$dir/log.txt" 2>&1 &
            pids[$1]=$!
        }
        listens() {
            local address n
            address=$(client $1)
            for n in $(seq 1200); do
                (exec 3<>"/dev/tcp/${address/://}") 2>/dev/null && return
                kill -0 ${pids[$1]} 2>/dev/null || fail "node $1 ended"
                sleep 0.1
            done
            fail "node $1 does not listen"
        }
        for node in $(seq $count); do start $node; done
        for node in $(seq $count); do listens $node; done
        echo "ready $addresses"
        while read -r order node; do
            case $order in
                start) start $node; listens $node; echo started ;;
                kill) slay $node; echo killed ;;
                pause) kill -STOP ${pids[$node]}; echo paused ;;
                resume) kill -CONT ${pids[$node]}; echo resumed ;;
            esac
        done
        end
        """#
}
