# Sourced by Deploy/demo: a sample of signatures, judged by OpenSSL's command line and not by Tanba.

sample_max=100

# Judges up to 100 signatures, spread evenly over all. Prints "SAMPLED VERIFIED"; a signature that does not verify goes to stderr.
judge_sample() { # documents, signatures, ca.pem, tsa-ca.pem, whether there must be timestamps (b or t), folder for what is taken apart
    local documents=$1 signatures=$2 ca=$3 tsa_ca=$4 level=$5 work=$6 names name verified=0
    mapfile -t names < <(cd "$signatures" && find . -maxdepth 1 -name '*.p7s' -printf '%f\n' | sort \
        | awk -v most=$sample_max '{ name[NR] = $0 } END { n = NR < most ? NR : most; for (i = 0; i < n; i++) print name[int(i * NR / n) + 1] }')
    mkdir -p "$work"
    if [ "$level" = t ]; then
        (cd "$signatures" && python3 "$deploy/sandbox/timestamps.py" "$work" ${names[@]+"${names[@]}"}) || true
    fi
    for name in ${names[@]+"${names[@]}"}; do
        if judge_signature "$documents/${name%.p7s}" "$signatures/$name" > "$work/openssl.log" 2>&1; then
            verified=$((verified + 1))
        else
            { echo "$name does not verify:"; sed 's/^/    /' "$work/openssl.log"; } >&2
        fi
    done
    echo "${#names[@]} $verified"
}

judge_signature() { # document, signature; the rest from judge_sample
    local taken=$work/${2##*/}
    openssl cms -verify -cades -binary -inform DER -in "$2" -content "$1" -CAfile "$ca" -out /dev/null || return 1
    if [ "$level" = b ]; then return; fi
    openssl ts -verify -in "$taken.token" -token_in -data "$taken.value" -CAfile "$tsa_ca"
}
