/*
 * The functions of a CK_FUNCTION_LIST (PKCS#11 2.40) that are forwarded alike: X(name, parameters, arguments). What the first argument
 * is tells which token the call is for. Those that need more are in faultshim.c and stand in OTHER_CALLS.
 */
#pragma once
#include <p11-kit/pkcs11.h>

typedef CK_SESSION_HANDLE S;
typedef CK_OBJECT_HANDLE O;
typedef CK_MECHANISM *M;
typedef CK_ATTRIBUTE *A;
typedef unsigned char *B;
typedef unsigned long N;

/* The first argument is a session. */
#define SESSION_CALLS(X) \
    X(InitPIN, (S s, B pin, N n), (s, pin, n)) \
    X(SetPIN, (S s, B old, N n, B new, N m), (s, old, n, new, m)) \
    X(GetSessionInfo, (S s, CK_SESSION_INFO *info), (s, info)) \
    X(GetOperationState, (S s, B state, N *n), (s, state, n)) \
    X(SetOperationState, (S s, B state, N n, O encryption, O authentication), (s, state, n, encryption, authentication)) \
    X(Login, (S s, CK_USER_TYPE user, B pin, N n), (s, user, pin, n)) \
    X(Logout, (S s), (s)) \
    X(CreateObject, (S s, A values, N n, O *object), (s, values, n, object)) \
    X(CopyObject, (S s, O object, A values, N n, O *copy), (s, object, values, n, copy)) \
    X(DestroyObject, (S s, O object), (s, object)) \
    X(GetObjectSize, (S s, O object, N *size), (s, object, size)) \
    X(GetAttributeValue, (S s, O object, A values, N n), (s, object, values, n)) \
    X(SetAttributeValue, (S s, O object, A values, N n), (s, object, values, n)) \
    X(FindObjectsInit, (S s, A values, N n), (s, values, n)) \
    X(FindObjects, (S s, O *objects, N most, N *n), (s, objects, most, n)) \
    X(FindObjectsFinal, (S s), (s)) \
    X(EncryptInit, (S s, M mechanism, O key), (s, mechanism, key)) \
    X(Encrypt, (S s, B in, N n, B out, N *m), (s, in, n, out, m)) \
    X(EncryptUpdate, (S s, B in, N n, B out, N *m), (s, in, n, out, m)) \
    X(EncryptFinal, (S s, B out, N *m), (s, out, m)) \
    X(DecryptInit, (S s, M mechanism, O key), (s, mechanism, key)) \
    X(Decrypt, (S s, B in, N n, B out, N *m), (s, in, n, out, m)) \
    X(DecryptUpdate, (S s, B in, N n, B out, N *m), (s, in, n, out, m)) \
    X(DecryptFinal, (S s, B out, N *m), (s, out, m)) \
    X(DigestInit, (S s, M mechanism), (s, mechanism)) \
    X(Digest, (S s, B in, N n, B out, N *m), (s, in, n, out, m)) \
    X(DigestUpdate, (S s, B in, N n), (s, in, n)) \
    X(DigestKey, (S s, O key), (s, key)) \
    X(DigestFinal, (S s, B out, N *m), (s, out, m)) \
    X(SignUpdate, (S s, B in, N n), (s, in, n)) \
    X(SignFinal, (S s, B out, N *m), (s, out, m)) \
    X(SignRecoverInit, (S s, M mechanism, O key), (s, mechanism, key)) \
    X(SignRecover, (S s, B in, N n, B out, N *m), (s, in, n, out, m)) \
    X(VerifyInit, (S s, M mechanism, O key), (s, mechanism, key)) \
    X(Verify, (S s, B in, N n, B signature, N m), (s, in, n, signature, m)) \
    X(VerifyUpdate, (S s, B in, N n), (s, in, n)) \
    X(VerifyFinal, (S s, B signature, N m), (s, signature, m)) \
    X(VerifyRecoverInit, (S s, M mechanism, O key), (s, mechanism, key)) \
    X(VerifyRecover, (S s, B signature, N m, B out, N *n), (s, signature, m, out, n)) \
    X(DigestEncryptUpdate, (S s, B in, N n, B out, N *m), (s, in, n, out, m)) \
    X(DecryptDigestUpdate, (S s, B in, N n, B out, N *m), (s, in, n, out, m)) \
    X(SignEncryptUpdate, (S s, B in, N n, B out, N *m), (s, in, n, out, m)) \
    X(DecryptVerifyUpdate, (S s, B in, N n, B out, N *m), (s, in, n, out, m)) \
    X(GenerateKey, (S s, M mechanism, A values, N n, O *key), (s, mechanism, values, n, key)) \
    X(GenerateKeyPair, (S s, M mechanism, A public, N n, A private, N m, O *publicKey, O *privateKey), \
      (s, mechanism, public, n, private, m, publicKey, privateKey)) \
    X(WrapKey, (S s, M mechanism, O wrapping, O key, B out, N *n), (s, mechanism, wrapping, key, out, n)) \
    X(UnwrapKey, (S s, M mechanism, O unwrapping, B in, N n, A values, N m, O *key), (s, mechanism, unwrapping, in, n, values, m, key)) \
    X(DeriveKey, (S s, M mechanism, O base, A values, N n, O *key), (s, mechanism, base, values, n, key)) \
    X(SeedRandom, (S s, B seed, N n), (s, seed, n)) \
    X(GenerateRandom, (S s, B out, N n), (s, out, n)) \
    X(GetFunctionStatus, (S s), (s)) \
    X(CancelFunction, (S s), (s))

/* The first argument is a slot. */
#define SLOT_CALLS(X) \
    X(GetMechanismList, (CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, N *n), (slot, list, n)) \
    X(GetMechanismInfo, (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info), (slot, type, info)) \
    X(InitToken, (CK_SLOT_ID slot, B pin, N n, B label), (slot, pin, n, label))

/* In faultshim.c, each with a body of its own. */
#define OTHER_CALLS(X) \
    X(Initialize) X(Finalize) X(GetInfo) X(GetSlotList) X(WaitForSlotEvent) X(GetSlotInfo) X(GetTokenInfo) \
    X(OpenSession) X(CloseSession) X(CloseAllSessions) X(SignInit) X(Sign)

#define CALL_NUMBER_3(name, parameters, arguments) CALL_##name,
#define CALL_NUMBER_1(name) CALL_##name,
enum call { SESSION_CALLS(CALL_NUMBER_3) SLOT_CALLS(CALL_NUMBER_3) OTHER_CALLS(CALL_NUMBER_1) CALLS };
