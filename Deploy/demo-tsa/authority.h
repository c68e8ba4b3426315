// The authority: a certificate, its key, and tokens made by OpenSSL's TS_RESP_create_response.
#pragma once
#include "lies.h"
#include <openssl/evp.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <stdbool.h>

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
    ASN1_OBJECT *policy;
    ASN1_OBJECT *other_policy;       // what the lie `wrong-policy` stamps under
    X509 *certificate_without_eku;   // for the same key; what the lie `no-eku` signs with
    const EVP_MD *digests[8];
    int digest_count;
};
extern struct authority authority;

// Reads certificate and key and sees whether they can stamp; ends the program when not.
// `without_eku_path` may be NULL: then a copy of the certificate without the extension is made, which its issuer has not signed.
void authority_start(const char *certificate_path, const char *key_path, const char *policy, const char *without_eku_path);

// Whether the bytes are one TimeStampReq and nothing after it. What is one but cannot be served gets a proper rejection.
bool authority_is_request(const unsigned char *bytes, size_t count);

// The DER of a TimeStampResp, granted or rejected, honest but for `lies`; NULL when memory ran out. The caller frees it with OPENSSL_free.
// Any thread may call it.
unsigned char *authority_answer(const unsigned char *bytes, size_t count, const struct lies *lies, int *answer_count, bool *is_granted);

_Noreturn void fail(const char *what, const char *remedy);
