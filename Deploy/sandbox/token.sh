# Sourced by Deploy/local: a SoftHSM2 token of the sandbox's own, with an RSA-2048 and a P-256 key that never leave it.

token_label=tanba-demo

softhsm_module() {
    local path
    for path in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/local/lib/softhsm/libsofthsm2.so; do
        if [ -f "$path" ]; then echo "$path"; return; fi
    done
    die "libsofthsm2.so not found; run Deploy/install (package softhsm2)"
}

# PINs reach pkcs11-tool by the environment: argv is readable by everyone on the machine.
token_tool() { # arguments of pkcs11-tool...
    SOFTHSM2_CONF=$1/softhsm2.conf PIN=$(cat "$1/pin") SO_PIN=$(cat "$1/so-pin") \
        pkcs11-tool --module "$(softhsm_module)" "${@:2}" >> "$sandbox/log/token.log" 2>&1 \
        || die_with_log "pkcs11-tool ${*:2} failed" token
}

write_softhsm_conf() { # folder of the file, folder of the token
    write_file "$1/softhsm2.conf" <<TEXT
directories.tokendir = $2/objects
objectstore.backend = file
log.level = ERROR
slots.removable = false
TEXT
}

random_pin() { head -c 12 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

make_token() {
    local token=$sandbox/token new=$sandbox/token.new key
    [ -d "$token" ] && return
    rm -rf "$new"
    (umask 077 && mkdir -p "$new/objects" && random_pin > "$new/pin" && random_pin > "$new/so-pin")
    write_softhsm_conf "$new" "$new"
    token_tool "$new" --slot-index 0 --init-token --label $token_label --so-pin env:SO_PIN
    token_tool "$new" --token-label $token_label --login --login-type so --so-pin env:SO_PIN --init-pin --pin env:PIN
    token_tool "$new" --token-label $token_label --login --pin env:PIN --keypairgen --key-type rsa:2048 --id 01 --label rsa2048 --usage-sign
    token_tool "$new" --token-label $token_label --login --pin env:PIN --keypairgen --key-type EC:prime256v1 --id 02 --label p256 --usage-sign
    for key in 01:rsa2048 02:p256; do
        token_tool "$new" --token-label $token_label --read-object --type pubkey --id "${key%:*}" --output-file "$new/${key#*:}.public.der"
    done
    write_softhsm_conf "$new" "$token"
    mv "$new" "$token"
}
