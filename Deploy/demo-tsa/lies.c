// Lies are told by changing what goes into OpenSSL (the request, the clock, the serial number) where that is possible, so that the token is
// sound in all other respects; two sign the same TSTInfo again, as OpenSSL's ts_RESP_sign does, and one flips a bit afterwards.
#include "lies.h"
#include "authority.h"
#include <openssl/bn.h>
#include <openssl/ess.h>
#include <openssl/pkcs7.h>

TS_REQ *lies_without_nonce(TS_REQ *request) {
    TS_REQ *bare = TS_REQ_new();
    if (bare && TS_REQ_set_version(bare, 1) && TS_REQ_set_msg_imprint(bare, TS_REQ_get_msg_imprint(request))
        && (!TS_REQ_get_policy_id(request) || TS_REQ_set_policy_id(bare, TS_REQ_get_policy_id(request)))
        && TS_REQ_set_cert_req(bare, TS_REQ_get_cert_req(request)))
        return bare;
    TS_REQ_free(bare);
    return NULL;
}

bool lies_change_request(TS_REQ *request, const struct lies *lies) {
    bool fine = true;
    if (lies->set & lie_wrong_imprint) {
        // The structure lets its octets be changed in place
        ASN1_OCTET_STRING *digest = TS_MSG_IMPRINT_get_msg(TS_REQ_get_msg_imprint(request));
        unsigned char bytes[EVP_MAX_MD_SIZE];
        int count = ASN1_STRING_length(digest);
        if (count < 1 || count > (int)sizeof bytes) return true;
        memcpy(bytes, ASN1_STRING_get0_data(digest), (size_t)count);
        bytes[count - 1] ^= 1;
        fine = fine && ASN1_STRING_set(digest, bytes, count);
    }
    if (lies->set & lie_wrong_nonce) {
        const ASN1_INTEGER *nonce = TS_REQ_get_nonce(request);
        BIGNUM *number = nonce ? ASN1_INTEGER_to_BN(nonce, NULL) : BN_new();
        ASN1_INTEGER *other = number && BN_add_word(number, 1) ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
        fine = fine && other && TS_REQ_set_nonce(request, other);
        ASN1_INTEGER_free(other);
        BN_free(number);
    }
    if (lies->set & lie_wrong_policy) fine = fine && TS_REQ_set_policy_id(request, authority.other_policy);
    return fine;
}

static bool add_signing_certificate(PKCS7_SIGNER_INFO *signer, X509 *certificate) {
    unsigned char *der = NULL;
    ESS_SIGNING_CERT_V2 *attribute = OSSL_ESS_signing_cert_v2_new_init(EVP_sha256(), certificate, NULL, 0);
    int count = attribute ? i2d_ESS_SIGNING_CERT_V2(attribute, &der) : -1;
    ASN1_STRING *sequence = count > 0 ? ASN1_STRING_new() : NULL;
    bool fine = sequence && ASN1_STRING_set(sequence, der, count)
        && PKCS7_add_signed_attribute(signer, NID_id_smime_aa_signingCertificateV2, V_ASN1_SEQUENCE, sequence);
    if (!fine) ASN1_STRING_free(sequence);  // else the attribute has it
    ESS_SIGNING_CERT_V2_free(attribute);
    OPENSSL_free(der);
    return fine;
}

static bool add_signer(PKCS7 *token, X509 *certificate) {
    PKCS7_SIGNER_INFO *signer = PKCS7_add_signature(token, certificate, authority.key, EVP_sha256());
    return signer && PKCS7_add_signed_attribute(signer, NID_pkcs9_contentType, V_ASN1_OBJECT, OBJ_nid2obj(NID_id_smime_ct_TSTInfo))
        && add_signing_certificate(signer, certificate);
}

static bool set_content_type(PKCS7 *token) {
    PKCS7 *content = PKCS7_new();
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    if (!content || !octets || !(content->d.other = ASN1_TYPE_new())) goto failed;
    content->type = OBJ_nid2obj(NID_id_smime_ct_TSTInfo);
    ASN1_TYPE_set(content->d.other, V_ASN1_OCTET_STRING, octets);
    octets = NULL;
    if (PKCS7_set_content(token, content)) return true;
failed:
    ASN1_OCTET_STRING_free(octets);
    PKCS7_free(content);
    return false;
}

// The same TSTInfo, signed again by `signers` signers of this certificate.
static bool sign_again(TS_RESP *answer, X509 *certificate, int signers) {
    TS_TST_INFO *info = TS_TST_INFO_dup(TS_RESP_get_tst_info(answer));
    bool with_certificate = sk_X509_num(TS_RESP_get_token(answer)->d.sign->cert) > 0;
    PKCS7 *token = PKCS7_new();
    BIO *content = NULL;
    bool fine = info && token && PKCS7_set_type(token, NID_pkcs7_signed) && ASN1_INTEGER_set(token->d.sign->version, 3)
        && (!with_certificate || PKCS7_add_certificate(token, certificate));
    for (int i = 0; fine && i < signers; i++) fine = add_signer(token, certificate);
    fine = fine && set_content_type(token) && (content = PKCS7_dataInit(token, NULL)) && i2d_TS_TST_INFO_bio(content, info)
        && PKCS7_dataFinal(token, content);
    BIO_free_all(content);
    if (!fine) {
        PKCS7_free(token);
        TS_TST_INFO_free(info);
        return false;
    }
    TS_RESP_set_tst_info(answer, token, info);
    return true;
}

bool lies_change_answer(TS_RESP *answer, const struct lies *lies) {
    bool fine = true;
    if (!TS_RESP_get_token(answer)) return true;
    if (lies->set & (lie_no_eku | lie_two_signers))
        fine = sign_again(
            answer, lies->set & lie_no_eku ? authority.certificate_without_eku : authority.certificate, lies->set & lie_two_signers ? 2 : 1);
    if (fine && lies->set & lie_flipped_signature) {
        // In the last octet of the signature value: still an INTEGER where it is one (ECDSA)
        PKCS7_SIGNER_INFO *signer = sk_PKCS7_SIGNER_INFO_value(PKCS7_get_signer_info(TS_RESP_get_token(answer)), 0);
        signer->enc_digest->data[signer->enc_digest->length - 1] ^= 1;
    }
    return fine;
}
