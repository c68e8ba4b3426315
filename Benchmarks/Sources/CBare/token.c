#include "CBare.h"
#include <dlfcn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <p11-kit-1/p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 16

struct bare_token {
    CK_FUNCTION_LIST *functions;
    CK_OBJECT_HANDLE key;
    int threads;
    CK_SESSION_HANDLE sessions[THREADS_MAX];
};

struct share {
    bare_token *token;
    int thread, count;
    unsigned long mechanism;
    const uint8_t *input;
    size_t input_count;
    CK_RV result;
    EVP_PKEY *verifier;     /* NULL: signatures are not verified */
    const uint8_t *digest;
    size_t digest_count;
};

static bare_token *failed(bare_token *token, const char *what, CK_RV value) {
    fprintf(stderr, "bare token: %s: 0x%lx\n", what, value);
    free(token);
    return NULL;
}

bare_token *bare_token_open(const char *path, const char *label, const char *pin, uint8_t id, int threads) {
    if (threads < 1 || threads > THREADS_MAX) return failed(NULL, "threads", threads);
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = module ? (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList") : NULL;
    if (!get) return failed(NULL, "dlopen", 0);
    bare_token *token = calloc(1, sizeof *token);
    token->threads = threads;
    CK_RV value = get(&token->functions);
    if (value != CKR_OK) return failed(token, "C_GetFunctionList", value);
    CK_FUNCTION_LIST *f = token->functions;
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    value = f->C_Initialize(&arguments);
    if (value != CKR_OK && value != CKR_CRYPTOKI_ALREADY_INITIALIZED) return failed(token, "C_Initialize", value);

    CK_SLOT_ID slots[64], slot = 0;
    unsigned long count = 64;
    if ((value = f->C_GetSlotList(CK_TRUE, slots, &count)) != CKR_OK) return failed(token, "C_GetSlotList", value);
    int found = 0;
    for (unsigned long i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        if (f->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
        size_t length = strlen(label);
        if (memcmp(info.label, label, length) == 0 && (length == 32 || info.label[length] == ' ')) found = 1, slot = slots[i];
    }
    if (!found) return failed(token, "no such token", 0);
    for (int i = 0; i < threads; i++) {
        value = f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &token->sessions[i]);
        if (value != CKR_OK) return failed(token, "C_OpenSession", value);
    }
    value = f->C_Login(token->sessions[0], CKU_USER, (unsigned char *)pin, strlen(pin));
    if (value != CKR_OK && value != CKR_USER_ALREADY_LOGGED_IN) return failed(token, "C_Login", value);

    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_ID, &id, 1}};
    if ((value = f->C_FindObjectsInit(token->sessions[0], template, 2)) != CKR_OK) return failed(token, "C_FindObjectsInit", value);
    count = 0;
    value = f->C_FindObjects(token->sessions[0], &token->key, 1, &count);
    f->C_FindObjectsFinal(token->sessions[0]);
    if (value != CKR_OK || count != 1) return failed(token, "no such key", value);
    return token;
}

/* 1 where the signature, as the mechanism gives it, is good. */
static int is_good(EVP_PKEY_CTX *context, int is_ecdsa, const unsigned char *signature, size_t count, const uint8_t *digest, size_t digest_count) {
    if (!is_ecdsa) return EVP_PKEY_verify(context, signature, count, digest, digest_count) == 1;
    unsigned char der[256], *end = der;
    ECDSA_SIG *values = ECDSA_SIG_new();
    ECDSA_SIG_set0(values, BN_bin2bn(signature, (int)count / 2, NULL), BN_bin2bn(signature + count / 2, (int)count / 2, NULL));
    int length = i2d_ECDSA_SIG(values, &end);
    ECDSA_SIG_free(values);
    return EVP_PKEY_verify(context, der, length, digest, digest_count) == 1;
}

static EVP_PKEY_CTX *verifier(EVP_PKEY *key) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    if (context && EVP_PKEY_verify_init(context) == 1 && EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1) return context;
    EVP_PKEY_CTX_free(context);
    return NULL;
}

static void *sign_share(void *argument) {
    struct share *share = argument;
    int is_ecdsa = share->mechanism == CKM_ECDSA;
    EVP_PKEY_CTX *context = share->verifier ? verifier(share->verifier) : NULL;
    if (share->verifier && !context) share->result = CKR_GENERAL_ERROR;
    CK_FUNCTION_LIST *f = share->token->functions;
    CK_SESSION_HANDLE session = share->token->sessions[share->thread];
    for (int i = 0; i < share->count && share->result == CKR_OK; i++) {
        CK_MECHANISM mechanism = {share->mechanism, NULL, 0};
        unsigned char signature[1024];
        unsigned long count = sizeof signature;
        share->result = f->C_SignInit(session, &mechanism, share->token->key);
        if (share->result == CKR_OK) share->result = f->C_Sign(session, (unsigned char *)share->input, share->input_count, signature, &count);
        if (context && share->result == CKR_OK && !is_good(context, is_ecdsa, signature, count, share->digest, share->digest_count))
            share->result = CKR_SIGNATURE_INVALID;
    }
    EVP_PKEY_CTX_free(context);
    return NULL;
}

static CK_RV sign_all(bare_token *token, struct share work, int count) {
    struct share shares[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    for (int i = 0; i < token->threads; i++) {
        int from = (int)((long)count * i / token->threads), to = (int)((long)count * (i + 1) / token->threads);
        shares[i] = work;
        shares[i].thread = i;
        shares[i].count = to - from;
        if (i > 0 && pthread_create(&threads[i], NULL, sign_share, &shares[i]) != 0) return CKR_HOST_MEMORY;
    }
    sign_share(&shares[0]);
    CK_RV result = shares[0].result;
    for (int i = 1; i < token->threads; i++) {
        pthread_join(threads[i], NULL);
        if (result == CKR_OK) result = shares[i].result;
    }
    return result;
}

unsigned long bare_token_sign(bare_token *token, unsigned long mechanism, const uint8_t *input, size_t input_count, int count) {
    return sign_all(token, (struct share){.token = token, .mechanism = mechanism, .input = input, .input_count = input_count}, count);
}

unsigned long bare_token_sign_verified(bare_token *token, unsigned long mechanism, const uint8_t *input, size_t input_count,
                                       const uint8_t *certificate, size_t certificate_count, const uint8_t *digest, size_t digest_count, int count) {
    X509 *parsed = d2i_X509(NULL, &certificate, (long)certificate_count);
    EVP_PKEY *key = parsed ? X509_get_pubkey(parsed) : NULL;
    if (!key) return CKR_GENERAL_ERROR;
    struct share work = {.token = token, .mechanism = mechanism, .input = input, .input_count = input_count,
                         .verifier = key, .digest = digest, .digest_count = digest_count};
    CK_RV result = sign_all(token, work, count);
    EVP_PKEY_free(key);
    X509_free(parsed);
    return result;
}

void bare_token_close(bare_token *token) {
    for (int i = 0; i < token->threads; i++) token->functions->C_CloseSession(token->sessions[i]);
    free(token);
}
