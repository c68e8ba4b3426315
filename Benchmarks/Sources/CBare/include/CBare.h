/*
 * What Tanba is measured against: the bare loops that a C programmer would write over the same libraries. Nothing here is for use.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Microseconds of CPU that all threads of this process have used so far (CLOCK_PROCESS_CPUTIME_ID). */
double bare_process_cpu_us(void);
/* Microseconds of CPU that this process's children, which it waited for, have used so far. */
double bare_children_cpu_us(void);

/* --- C_Sign --- */

typedef struct bare_token bare_token;

/* Opens `threads` sessions, logs in and finds the private key with the one-byte CKA_ID. NULL and a line on stderr on failure. */
bare_token *bare_token_open(const char *module, const char *label, const char *pin, uint8_t id, int threads);
/* C_SignInit and C_Sign `count` times, spread over the threads; `input` is what the mechanism takes in. 0 or the CKR of the first failure. */
unsigned long bare_token_sign(bare_token *token, unsigned long mechanism, const uint8_t *input, size_t input_count, int count);
/* The same, and each signature is verified with the certificate's public key (EVP_PKEY_verify): SHA-256, RSA PKCS #1 v1.5 or ECDSA. */
unsigned long bare_token_sign_verified(bare_token *token, unsigned long mechanism, const uint8_t *input, size_t input_count,
                                       const uint8_t *certificate, size_t certificate_count, const uint8_t *digest, size_t digest_count, int count);
void bare_token_close(bare_token *token);

/* --- Hashing --- */

/* SHA-256 of each file: open, read 256 KiB at a time, EVP. The digests stand one after the other in `digests`. 0, or -1 with errno. */
int bare_hash_files(const char *const *paths, int count, uint8_t *digests);

/* --- CMS --- */

typedef struct bare_cms bare_cms;

/* A P-256 certificate (DER) and its issuer; signatures are made by a key whose signature is a constant and costs nothing. */
bare_cms *bare_cms_open(const uint8_t *certificate, size_t certificate_count, const uint8_t *issuer, size_t issuer_count);
/* One detached CAdES-BES over the SHA-256 digest by OpenSSL's CMS API, encoded. Its length, or -1 and OpenSSL's reasons on stderr. */
int bare_cms_assemble(bare_cms *cms, const uint8_t digest[32], uint8_t *out, size_t out_count);
void bare_cms_close(bare_cms *cms);

/* --- Timestamps --- */

typedef struct bare_tsa bare_tsa;

/* An authority and its client, both OpenSSL's: FOLDER/NAME.pem and .key under ISSUER.pem under ROOT.pem, which alone is trusted. Its tokens
   hold the certificates NAME and ISSUER. `signature` is a CMS that is kept read. NULL and OpenSSL's reasons on stderr on failure. */
bare_tsa *bare_tsa_open(const char *folder, const char *name, const char *issuer, const char *root, const uint8_t *signature, size_t signature_count);
/* The TimeStampResp to a TimeStampReq. Its length, or -1 and OpenSSL's reasons on stderr. */
int bare_tsa_answer(bare_tsa *tsa, const uint8_t *request, size_t request_count, uint8_t *out, size_t out_count);
/* The client's work but HTTP: random numbers drawn, a TS_REQ over SHA-256 of `value` made and encoded, with the nonce that the answer has;
   the answer read and checked by TS_RESP_verify_response; the token put into a CMS (`signature` is read anew; NULL: the one that is kept) as
   unsigned attribute, which is encoded. Its length, or -1 and OpenSSL's reasons on stderr. */
int bare_tsa_stamp(bare_tsa *tsa, const uint8_t *value, size_t value_count, const uint8_t *nonce, size_t nonce_count, const uint8_t *answer,
                   size_t answer_count, const uint8_t *signature, size_t signature_count, uint8_t *out, size_t out_count);
/* EVP_PKEY_verify of one signature of the authority, `count` times in one context that was set up before. 0, or -1. */
int bare_tsa_verify(bare_tsa *tsa, int count);
void bare_tsa_close(bare_tsa *tsa);
