# Sourced by Deploy/local: the demo PKI, made with the openssl command so that nothing of Tanba vouches for Tanba.
#
#   ca.pem       root of the signers: critical basicConstraints, keyCertSign and cRLSign, subjectKeyIdentifier
#   rsa2048.pem, p256.pem   signers, certified for the public keys of the token
#   tsa-ca.pem, tsa.pem     a root of its own for the time-stamping authority, and its certificate
#
# Every certificate names where its issuer's certificate and revocation list are: a file server on loopback has them. This is
# what verifiers of advanced signatures (EN 319 132, EU DSS) look for.

make_root() { # name, common name
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
    openssl req -new -x509 -key "$1.key" -sha256 -days 3650 -subj "/C=KZ/O=Tanba demo/CN=$2" -out "$1.pem" \
        -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' -addext 'subjectKeyIdentifier=hash'
    mkdir "$1.db"
    : > "$1.db/index"
    echo 1000 > "$1.db/crlnumber"
    cat > "$1.db/conf" <<CONF
[ca]
default_ca = demo
[demo]
database = $1.db/index
crlnumber = $1.db/crlnumber
default_md = sha256
default_crl_days = 3650
crl_extensions = list
[list]
authorityKeyIdentifier = keyid
CONF
    openssl ca -config "$1.db/conf" -cert "$1.pem" -keyfile "$1.key" -gencrl -out "$1.crl.pem"
    openssl crl -in "$1.crl.pem" -outform DER -out "public/$1.crl"
    openssl x509 -in "$1.pem" -outform DER -out "public/$1.cer"
    rm -r "$1.db" "$1.crl.pem"
}

certify() { # name, public key, root, subject, days, key usage, further extension lines...
    { printf '%s\n' 'basicConstraints = critical,CA:FALSE' "keyUsage = critical,$6" 'subjectKeyIdentifier = hash' \
        'authorityKeyIdentifier = keyid:always' "authorityInfoAccess = caIssuers;URI:$address/$3.cer" \
        "crlDistributionPoints = URI:$address/$3.crl" "${@:7}"; } > "$1.ext"
    openssl x509 -new -force_pubkey "$2" -subj "$4" -CA "$3.pem" -CAkey "$3.key" -sha256 -days "$5" \
        -set_serial "0x5$(head -c 15 /dev/urandom | od -An -v -tx1 | tr -d ' \n')" -extfile "$1.ext" -out "$1.pem"
    rm "$1.ext"
}

make_certificates() { # in a new folder; $address is where the files will be found
    local key
    mkdir public
    make_root ca 'Tanba demo root'
    for key in rsa2048:'Demo signer RSA-2048' p256:'Demo signer P-256'; do
        openssl pkey -pubin -inform DER -in "$sandbox/token/${key%%:*}.public.der" -out public.pem
        certify "${key%%:*}" public.pem ca "/C=KZ/O=Tanba demo/CN=${key#*:}" 1095 'digitalSignature,nonRepudiation'
    done
    rm public.pem
    make_root tsa-ca 'Tanba demo time root'
    openssl ecparam -name prime256v1 -genkey -noout -out tsa.key
    openssl pkey -in tsa.key -pubout -out tsa.public.pem
    certify tsa tsa.public.pem tsa-ca '/C=KZ/O=Tanba demo/CN=Demo time-stamping authority' 1825 digitalSignature \
        'extendedKeyUsage = critical,timeStamping'
    rm tsa.public.pem
}

make_pki() {
    local new=$sandbox/pki.new address
    [ -d "$sandbox/pki" ] && return
    address=http://127.0.0.1:$(port_of pki)
    rm -rf "$new"
    (umask 077 && mkdir "$new" && cd "$new" && make_certificates) >> "$sandbox/log/pki.log" 2>&1 || die_with_log "the demo PKI could not be made" pki
    chmod 644 "$new"/*.pem
    chmod 755 "$new" "$new/public"
    chmod 644 "$new"/public/*
    mv "$new" "$sandbox/pki"
}

# Issuer certificates and revocation lists, at the addresses that the certificates name.
start_pki_server() {
    alive pki > /dev/null && return
    start_process pki python3 -m http.server --bind 127.0.0.1 --directory "$sandbox/pki/public" "$(port_of pki)"
    wait_for pki 60 "answer on port $(port_of pki)" answers "$(port_of pki)" /ca.crl
}
