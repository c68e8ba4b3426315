#include "CBare.h"
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bare_tsa {
    X509 *certificate, *issuer;
    EVP_PKEY *key;
    X509_STORE *store; /* of the root alone */
    TS_RESP_CTX *context;
    CMS_ContentInfo *cms; /* the one that is at hand */
    EVP_PKEY_CTX *verifying;
    uint8_t digest[32], signature[512];
    size_t signature_count;
};

static X509 *read_certificate(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.pem", folder, name);
    FILE *file = fopen(path, "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    if (file) fclose(file);
    return certificate;
}

static EVP_PKEY *read_key(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.key", folder, name);
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (file) fclose(file);
    return key;
}

/* Positive, and as long as a random one of 16 octets. */
static ASN1_INTEGER *serial_number(TS_RESP_CTX *context, void *unused) {
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1) return NULL;
    bytes[0] = (bytes[0] & 0x3F) | 0x40;
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(number, NULL);
    BN_free(number);
    return serial;
}

static int open_context(bare_tsa *tsa) {
    STACK_OF(X509) *certificates = sk_X509_new_null();
    sk_X509_push(certificates, tsa->issuer);
    ASN1_OBJECT *policy = OBJ_txt2obj("1.2.3.4.1", 1);
    tsa->context = TS_RESP_CTX_new();
    int done = TS_RESP_CTX_set_signer_cert(tsa->context, tsa->certificate) && TS_RESP_CTX_set_signer_key(tsa->context, tsa->key)
        && TS_RESP_CTX_set_certs(tsa->context, certificates) && TS_RESP_CTX_set_def_policy(tsa->context, policy)
        && TS_RESP_CTX_set_signer_digest(tsa->context, EVP_sha256()) && TS_RESP_CTX_set_ess_cert_id_digest(tsa->context, EVP_sha256())
        && TS_RESP_CTX_set_accuracy(tsa->context, 1, 0, 0) && TS_RESP_CTX_add_md(tsa->context, EVP_sha256());
    TS_RESP_CTX_set_serial_cb(tsa->context, serial_number, NULL);
    ASN1_OBJECT_free(policy);
    sk_X509_free(certificates);
    return done;
}

/* One signature of the authority's key, and a context that verifies it again and again, as OpenSSL allows. */
static int open_bare_operation(bare_tsa *tsa) {
    memset(tsa->digest, 0x5A, sizeof tsa->digest);
    tsa->signature_count = sizeof tsa->signature;
    EVP_PKEY_CTX *signing = EVP_PKEY_CTX_new(tsa->key, NULL);
    int done = EVP_PKEY_sign_init(signing) == 1 && EVP_PKEY_CTX_set_signature_md(signing, EVP_sha256()) == 1
        && EVP_PKEY_sign(signing, tsa->signature, &tsa->signature_count, tsa->digest, sizeof tsa->digest) == 1;
    EVP_PKEY_CTX_free(signing);
    tsa->verifying = EVP_PKEY_CTX_new(X509_get0_pubkey(tsa->certificate), NULL);
    return done && EVP_PKEY_verify_init(tsa->verifying) == 1 && EVP_PKEY_CTX_set_signature_md(tsa->verifying, EVP_sha256()) == 1;
}

bare_tsa *bare_tsa_open(const char *folder, const char *name, const char *issuer, const char *root, const uint8_t *signature, size_t signature_count) {
    bare_tsa *tsa = calloc(1, sizeof *tsa);
    X509 *anchor = read_certificate(folder, root);
    tsa->certificate = read_certificate(folder, name);
    tsa->issuer = read_certificate(folder, issuer);
    tsa->key = read_key(folder, name);
    tsa->store = X509_STORE_new();
    tsa->cms = d2i_CMS_ContentInfo(NULL, &signature, (long)signature_count);
    int done = anchor && tsa->certificate && tsa->issuer && tsa->key && tsa->cms && X509_STORE_add_cert(tsa->store, anchor) && open_context(tsa)
        && open_bare_operation(tsa);
    X509_free(anchor);
    if (done) return tsa;
    ERR_print_errors_fp(stderr);
    bare_tsa_close(tsa);
    return NULL;
}

int bare_tsa_answer(bare_tsa *tsa, const uint8_t *request, size_t request_count, uint8_t *out, size_t out_count) {
    BIO *query = BIO_new_mem_buf(request, (int)request_count);
    TS_RESP *answer = TS_RESP_create_response(tsa->context, query);
    unsigned char *der = NULL;
    int length = answer ? i2d_TS_RESP(answer, &der) : -1;
    if (length > 0 && (size_t)length <= out_count) memcpy(out, der, length);
    else length = -1;
    OPENSSL_free(der);
    TS_RESP_free(answer);
    BIO_free(query);
    if (length < 0) ERR_print_errors_fp(stderr);
    return length;
}

/* Version 1, SHA-256 of the value, this nonce, and the certificate asked for; the caller frees it. */
static TS_REQ *make_request(const uint8_t *value, size_t value_count, const uint8_t *nonce, size_t nonce_count) {
    unsigned char digest[32];
    TS_REQ *request = TS_REQ_new();
    TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
    X509_ALGOR *algorithm = X509_ALGOR_new();
    BIGNUM *number = BN_bin2bn(nonce, (int)nonce_count, NULL);
    ASN1_INTEGER *integer = BN_to_ASN1_INTEGER(number, NULL);
    int done = EVP_Digest(value, value_count, digest, NULL, EVP_sha256(), NULL) == 1
        && X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) && TS_MSG_IMPRINT_set_algo(imprint, algorithm)
        && TS_MSG_IMPRINT_set_msg(imprint, digest, sizeof digest) && TS_REQ_set_version(request, 1) && TS_REQ_set_msg_imprint(request, imprint)
        && TS_REQ_set_nonce(request, integer) && TS_REQ_set_cert_req(request, 1);
    ASN1_INTEGER_free(integer);
    BN_free(number);
    X509_ALGOR_free(algorithm);
    TS_MSG_IMPRINT_free(imprint);
    if (done) return request;
    TS_REQ_free(request);
    return NULL;
}

/* The token into the CMS's unsigned attributes; the CMS encoded. Its length or -1. */
static int put_into(CMS_ContentInfo *cms, PKCS7 *token, uint8_t *out, size_t out_count) {
    CMS_SignerInfo *signer = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
    unsigned char *der = NULL, *encoded = NULL;
    int length = -1, count = i2d_PKCS7(token, &der);
    if (count > 0 && CMS_unsigned_add1_attr_by_NID(signer, NID_id_smime_aa_timeStampToken, V_ASN1_SEQUENCE, der, count))
        length = i2d_CMS_ContentInfo(cms, &encoded);
    if (length > 0 && (size_t)length <= out_count) memcpy(out, encoded, length);
    else length = -1;
    OPENSSL_free(encoded);
    OPENSSL_free(der);
    return length;
}

int bare_tsa_stamp(bare_tsa *tsa, const uint8_t *value, size_t value_count, const uint8_t *nonce, size_t nonce_count, const uint8_t *answer_der,
                   size_t answer_count, const uint8_t *signature, size_t signature_count, uint8_t *out, size_t out_count) {
    int length = -1;
    unsigned char fresh[8], *query = NULL;
    TS_RESP *answer = NULL;
    TS_VERIFY_CTX *check = NULL;
    CMS_ContentInfo *cms = tsa->cms;
    TS_REQ *request = RAND_bytes(fresh, sizeof fresh) == 1 ? make_request(value, value_count, nonce, nonce_count) : NULL;
    if (!request || i2d_TS_REQ(request, &query) <= 0) goto done;
    if (!(answer = d2i_TS_RESP(NULL, &answer_der, (long)answer_count))) goto done;
    if (!(check = TS_REQ_to_TS_VERIFY_CTX(request, NULL))) goto done;
    TS_VERIFY_CTX_add_flags(check, TS_VFY_SIGNATURE);
    X509_STORE_up_ref(tsa->store); /* the context frees it */
    TS_VERIFY_CTX_set_store(check, tsa->store);
    if (TS_RESP_verify_response(check, answer) != 1) goto done;
    if (signature && !(cms = d2i_CMS_ContentInfo(NULL, &signature, (long)signature_count))) goto done;
    length = put_into(cms, TS_RESP_get_token(answer), out, out_count);
    if (signature) CMS_ContentInfo_free(cms);
    else X509_ATTRIBUTE_free(CMS_unsigned_delete_attr(sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0), 0));
done:
    if (length < 0) ERR_print_errors_fp(stderr);
    TS_VERIFY_CTX_free(check);
    TS_RESP_free(answer);
    OPENSSL_free(query);
    TS_REQ_free(request);
    return length;
}

int bare_tsa_verify(bare_tsa *tsa, int count) {
    for (int i = 0; i < count; i++)
        if (EVP_PKEY_verify(tsa->verifying, tsa->signature, tsa->signature_count, tsa->digest, sizeof tsa->digest) != 1) return -1;
    return 0;
}

void bare_tsa_close(bare_tsa *tsa) {
    if (!tsa) return;
    EVP_PKEY_CTX_free(tsa->verifying);
    CMS_ContentInfo_free(tsa->cms);
    TS_RESP_CTX_free(tsa->context);
    X509_STORE_free(tsa->store);
    EVP_PKEY_free(tsa->key);
    X509_free(tsa->issuer);
    X509_free(tsa->certificate);
    free(tsa);
}
