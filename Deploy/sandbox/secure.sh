# Sourced by Deploy/secure-broker and by the tests' broker: certificates for a broker and its clients, and its listeners with TLS and SASL.
#
# All in one folder, readable by its owner alone:
#   ca.pem                        whom broker and clients trust
#   NAME.pem, NAME.key            certificate (CN=NAME) and key of each user, and of the broker itself
#   NAME.password                 the password of each user
#   broker.keystore               key and certificate of the broker, as Kafka reads them

secure_root() { # name, common name
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
    openssl req -new -x509 -key "$1.key" -sha256 -days 3650 -subj "/CN=$2" -out "$1.pem" \
        -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign'
}

# The extension lines make it a server's or a client's. Less than one day: it has expired.
secure_certificate() { # name, common name, root, days, extension lines...
    # Kafka reads keys as PKCS #8 only
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$1.key"
    openssl pkey -in "$1.key" -pubout -out "$1.public"
    printf '%s\n' 'basicConstraints = critical,CA:FALSE' 'keyUsage = critical,digitalSignature' "${@:5}" > "$1.extensions"
    openssl x509 -new -force_pubkey "$1.public" -subj "/CN=$2" -CA "$3.pem" -CAkey "$3.key" -sha256 -days "$4" \
        -set_serial "0x5$(openssl rand -hex 15)" -extfile "$1.extensions" -out "$1.pem"
    rm "$1.public" "$1.extensions"
}

secure_server() { # name, days, names it is valid for; root where it differs
    secure_certificate "$1" broker "${4:-ca}" "$2" "subjectAltName = $3" 'extendedKeyUsage = serverAuth,clientAuth'
    cat "$1.key" "$1.pem" > "$1.keystore"
}

secure_client() { # user; the file's name, root and days where they differ
    secure_certificate "${2:-$1}" "$1" "${3:-ca}" "${4:-825}" 'extendedKeyUsage = clientAuth'
}

# A folder's certificates and passwords. Each user has both; broker is the name of the broker itself.
secure_folder() { # folder, users...
    local folder=$1 user
    shift
    (
        umask 077
        mkdir -p "$folder" && cd "$folder" || exit 1
        secure_root ca 'Tanba demo broker root'
        secure_server broker 825 'DNS:localhost,IP:127.0.0.1'
        for user in "$@"; do
            secure_client "$user"
            openssl rand -hex 16 > "$user.password"
        done
    )
}

# Lines of server.properties for a listener whose clients show a certificate: the principal is its common name.
secure_tls_listener() { # listener's name in lower case, folder, keystore, whether clients need a certificate: required or none
    cat <<TEXT
listener.name.$1.ssl.keystore.type=PEM
listener.name.$1.ssl.keystore.location=$2/$3.keystore
listener.name.$1.ssl.truststore.type=PEM
listener.name.$1.ssl.truststore.location=$2/ca.pem
listener.name.$1.ssl.client.auth=$4
listener.name.$1.ssl.principal.mapping.rules=RULE:^CN=([^,]+).*\$/\$1/,DEFAULT
TEXT
}

# The same for one whose clients have user and password.
secure_sasl_listener() { # listener's name in lower case, folder, users...
    local listener=$1 folder=$2 user
    shift 2
    printf 'listener.name.%s.sasl.enabled.mechanisms=PLAIN\n' "$listener"
    printf 'listener.name.%s.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required' "$listener"
    for user in "$@"; do printf ' user_%s="%s"' "$user" "$(cat "$folder/$user.password")"; done
    printf ';\n'
}

# Nobody may do anything but who is given the right.
secure_authorizer() { # super users...
    printf '%s\n' authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer allow.everyone.if.no.acl.found=false \
        "super.users=$(IFS=';'; echo "${*/#/User:}")"
}
