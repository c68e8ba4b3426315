/* EC_KEY_METHOD, by which a signature can be made to cost nothing, is deprecated and still there. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "CBare.h"
#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/ess.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bare_cms {
    X509 *certificate, *issuer;
    EVP_PKEY *key;
    EC_KEY_METHOD *method;
};

/* SEQUENCE { r, s } of the usual 71 bytes. */
static int constant_signature(int type, const unsigned char *digest, int digest_count, unsigned char *signature, unsigned int *count,
                              const BIGNUM *k, const BIGNUM *r, EC_KEY *key) {
    static const unsigned char head[] = {0x30, 69, 0x02, 33, 0x00, 0x80};
    memset(signature, 0x55, 71);
    memcpy(signature, head, sizeof head);
    signature[37] = 0x02;
    signature[38] = 32;
    *count = 71;
    return 1;
}

static int no_setup(EC_KEY *key, BN_CTX *context, BIGNUM **k, BIGNUM **r) { return 1; }

bare_cms *bare_cms_open(const uint8_t *certificate, size_t certificate_count, const uint8_t *issuer, size_t issuer_count) {
    bare_cms *cms = calloc(1, sizeof *cms);
    cms->certificate = d2i_X509(NULL, &certificate, (long)certificate_count);
    cms->issuer = d2i_X509(NULL, &issuer, (long)issuer_count);
    if (!cms->certificate || !cms->issuer) goto failed;
    EC_KEY *key = EVP_PKEY_get1_EC_KEY(X509_get0_pubkey(cms->certificate));
    if (!key) goto failed;
    BIGNUM *one = BN_new();
    BN_one(one);
    EC_KEY_set_private_key(key, one); /* CMS asks for the public half only, but a key that signs must have both */
    BN_free(one);
    cms->method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    EC_KEY_METHOD_set_sign(cms->method, constant_signature, no_setup, NULL);
    EC_KEY_set_method(key, cms->method);
    cms->key = EVP_PKEY_new();
    EVP_PKEY_assign_EC_KEY(cms->key, key);
    return cms;
failed:
    ERR_print_errors_fp(stderr);
    bare_cms_close(cms);
    return NULL;
}

/* The digest is given, so OpenSSL must not hash content: contentType and messageDigest are set by hand, then the signer signs. */
int bare_cms_assemble(bare_cms *bare, const uint8_t digest[32], uint8_t *out, size_t out_count) {
    int length = -1;
    unsigned int flags = CMS_BINARY | CMS_DETACHED | CMS_PARTIAL | CMS_NOSMIMECAP;
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
    CMS_SignerInfo *signer = NULL;
    if (cms) CMS_add1_cert(cms, bare->issuer);
    if (cms) signer = CMS_add1_signer(cms, bare->certificate, bare->key, EVP_sha256(), flags | CMS_CADES);
    if (!signer) goto done;
    if (!CMS_signed_add1_attr_by_NID(signer, NID_pkcs9_contentType, V_ASN1_OBJECT, OBJ_nid2obj(NID_pkcs7_data), -1)) goto done;
    if (!CMS_signed_add1_attr_by_NID(signer, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING, digest, 32)) goto done;
    if (!CMS_SignerInfo_sign(signer)) goto done; /* adds signingTime, hashes the attributes, and signs for nothing */
    unsigned char *encoded = NULL;
    length = i2d_CMS_ContentInfo(cms, &encoded);
    if (length > 0 && (size_t)length <= out_count) memcpy(out, encoded, length);
    else length = -1;
    OPENSSL_free(encoded);
done:
    if (length < 0) ERR_print_errors_fp(stderr);
    CMS_ContentInfo_free(cms);
    return length;
}

void bare_cms_close(bare_cms *cms) {
    if (!cms) return;
    EVP_PKEY_free(cms->key);
    EC_KEY_METHOD_free(cms->method);
    X509_free(cms->certificate);
    X509_free(cms->issuer);
    free(cms);
}
