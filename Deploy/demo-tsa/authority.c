#include "authority.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum {
    serial_number_bytes = 16,
    accuracy_seconds = 1,
};

struct authority authority;

void fail(const char *what, const char *remedy) {
    fprintf(stderr, "demo-tsa: %s\n", what);
    if (ERR_peek_error() != 0) ERR_print_errors_fp(stderr);
    if (remedy) fprintf(stderr, "  %s\n", remedy);
    exit(3);
}

// What a thread has for itself: a TS_RESP_CTX is not to be shared.
struct desk {
    TS_RESP_CTX *honest;
    TS_RESP_CTX *of_other_policy;  // it stamps under the other policy, which the honest one rejects
    const struct lies *lies;       // of the answer that is being made
};

// Serial numbers are random (RFC 3161, 2.4.2 asks for unique ones, also over restarts): 126 bits without a state file.
static ASN1_INTEGER *serial_number(TS_RESP_CTX *context, void *of_desk) {
    const struct desk *desk = of_desk;
    if (desk->lies->set & lie_rejection) {
        TS_RESP_CTX_set_status_info(context, TS_STATUS_REJECTION, "the script says so");
        TS_RESP_CTX_add_failure_info(context, TS_INFO_SYSTEM_FAILURE);
        return NULL;
    }
    unsigned char bytes[serial_number_bytes];
    if (RAND_bytes(bytes, sizeof bytes) != 1) return NULL;
    bytes[0] = (bytes[0] & 0x3F) | 0x40;  // positive, and always of the same length
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(number, NULL);
    BN_free(number);
    return serial;
}

static int stamped_time(TS_RESP_CTX *context, void *of_desk, long *seconds, long *microseconds) {
    (void)context;
    const struct desk *desk = of_desk;
    struct timeval now;
    if (gettimeofday(&now, NULL) != 0) return 0;
    *seconds = now.tv_sec + (desk->lies->set & lie_time ? desk->lies->time_offset : 0);
    *microseconds = now.tv_usec;
    return 1;
}

static TS_RESP_CTX *make_context(const ASN1_OBJECT *policy, struct desk *desk) {
    TS_RESP_CTX *context = TS_RESP_CTX_new();
    bool fine = context && TS_RESP_CTX_set_signer_cert(context, authority.certificate) && TS_RESP_CTX_set_signer_key(context, authority.key)
        && TS_RESP_CTX_set_def_policy(context, policy) && TS_RESP_CTX_set_signer_digest(context, EVP_sha256())
        // SHA-256 makes it signing-certificate-v2 (RFC 5816) with the hash algorithm left out
        && TS_RESP_CTX_set_ess_cert_id_digest(context, EVP_sha256()) && TS_RESP_CTX_set_accuracy(context, accuracy_seconds, 0, 0)
        && TS_RESP_CTX_set_clock_precision_digits(context, 3);
    for (int i = 0; fine && i < authority.digest_count; i++) fine = TS_RESP_CTX_add_md(context, authority.digests[i]);
    if (!fine) {
        TS_RESP_CTX_free(context);
        return NULL;
    }
    TS_RESP_CTX_set_serial_cb(context, serial_number, desk);
    TS_RESP_CTX_set_time_cb(context, stamped_time, desk);
    return context;
}

static pthread_key_t desk_of_thread;

static void free_desk(void *of_thread) {
    struct desk *desk = of_thread;
    TS_RESP_CTX_free(desk->honest);
    TS_RESP_CTX_free(desk->of_other_policy);
    free(desk);
}

static struct desk *desk_of_this_thread(void) {
    struct desk *desk = pthread_getspecific(desk_of_thread);
    if (desk || !(desk = calloc(1, sizeof *desk))) return desk;
    desk->honest = make_context(authority.policy, desk);
    desk->of_other_policy = make_context(authority.other_policy, desk);
    if (!desk->honest || !desk->of_other_policy || pthread_setspecific(desk_of_thread, desk) != 0) {
        free_desk(desk);
        return NULL;
    }
    return desk;
}

bool authority_is_request(const unsigned char *bytes, size_t count) {
    const unsigned char *end = bytes;
    TS_REQ *request = d2i_TS_REQ(NULL, &end, (long)count);
    bool whole = request && end == bytes + count;
    TS_REQ_free(request);
    ERR_clear_error();
    return whole;
}

// The request as OpenSSL shall read it.
static BIO *query(const unsigned char *bytes, size_t count, const struct lies *lies) {
    if (!(lies->set & (lie_wrong_imprint | lie_wrong_nonce | lie_no_nonce | lie_wrong_policy))) return BIO_new_mem_buf(bytes, (int)count);
    const unsigned char *end = bytes;
    TS_REQ *request = d2i_TS_REQ(NULL, &end, (long)count);
    BIO *query = BIO_new(BIO_s_mem());
    if (request && lies->set & lie_no_nonce) {
        TS_REQ *bare = lies_without_nonce(request);
        TS_REQ_free(request);
        request = bare;
    }
    if (!request || !query || !lies_change_request(request, lies) || i2d_TS_REQ_bio(query, request) != 1) {
        BIO_free(query);
        query = NULL;
    }
    TS_REQ_free(request);
    return query;
}

unsigned char *authority_answer(const unsigned char *bytes, size_t count, const struct lies *lies, int *answer_count, bool *is_granted) {
    unsigned char *der = NULL;
    struct desk *desk = desk_of_this_thread();
    BIO *input = query(bytes, count, lies);
    TS_RESP *answer = NULL;
    *is_granted = false;
    if (desk && input) {
        desk->lies = lies;
        answer = TS_RESP_create_response(lies->set & lie_wrong_policy ? desk->of_other_policy : desk->honest, input);
        desk->lies = NULL;
    }
    if (answer && lies_change_answer(answer, lies)) {
        *is_granted = TS_RESP_get_token(answer) != NULL;
        *answer_count = i2d_TS_RESP(answer, &der);
        if (lies->set & lie_truncated) *answer_count /= 2;
    }
    TS_RESP_free(answer);
    BIO_free(input);
    ERR_clear_error();
    return der;
}

static X509 *read_certificate(const char *path) {
    FILE *file = fopen(path, "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    if (!certificate) fail(path, "A certificate in PEM is expected.");
    fclose(file);
    return certificate;
}

static X509 *make_certificate_without_eku(void) {
    X509 *certificate = X509_dup(authority.certificate);
    int index = certificate ? X509_get_ext_by_NID(certificate, NID_ext_key_usage, -1) : -1;
    if (index < 0) fail("the certificate cannot stamp", "Its extended key usage must be timeStamping, critical and alone.");
    X509_EXTENSION_free(X509_delete_ext(certificate, index));
    if (!X509_sign(certificate, authority.key, EVP_sha256())) fail("a certificate without extended key usage could not be made", NULL);
    return certificate;
}

void authority_start(const char *certificate_path, const char *key_path, const char *policy, const char *without_eku_path) {
    char other_policy[256];
    authority.policy = OBJ_txt2obj(policy, 1);
    snprintf(other_policy, sizeof other_policy, "%s.9", policy);
    authority.other_policy = OBJ_txt2obj(other_policy, 1);
    authority.certificate = read_certificate(certificate_path);
    FILE *file = fopen(key_path, "re");
    if (!file || !(authority.key = PEM_read_PrivateKey(file, NULL, NULL, (void *)"")))
        fail(key_path, "A private key in PEM, without passphrase, is expected.");
    fclose(file);
    if (!X509_check_private_key(authority.certificate, authority.key)) fail("the key is not the certificate's", NULL);
    pthread_key_create(&desk_of_thread, free_desk);
    if (!authority.policy || !authority.other_policy || !desk_of_this_thread())
        fail("the certificate cannot stamp", "Its extended key usage must be timeStamping, critical and alone.");
    authority.certificate_without_eku = without_eku_path ? read_certificate(without_eku_path) : make_certificate_without_eku();
    if (!X509_check_private_key(authority.certificate_without_eku, authority.key))
        fail("the key is not that of the certificate without the usage", NULL);
}
