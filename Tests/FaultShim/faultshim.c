/*
 * A PKCS#11 module that stands in front of another one and does what real tokens do on bad days.
 *
 * It forwards every call to the module named by TANBA_SHIM_MODULE (SoftHSM 2 where that is unset), counts C_Login, and, where it was told
 * to, answers in the module's place. It is told by the shim_* functions below, which a test in the same process finds with dlsym.
 * Every setting is for one token, by its label, so that tests on different tokens do not disturb each other.
 *
 *     cc -shared -fPIC -O1 -Wall -o faultshim.so faultshim.c $(pkg-config --cflags p11-kit-1) -ldl -lpthread
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS 32

struct token {
    char label[33];
    int logins;                 /* calls of C_Login so far */
    CK_FLAGS extra_flags;       /* set in CK_TOKEN_INFO.flags beside the module's own */
    CK_RV login_fault;          /* what C_Login answers ... */
    int login_bad;              /* ... so many times */
    CK_RV sign_fault;           /* what C_Sign answers ... */
    int sign_good, sign_bad;    /* ... after so many good ones, so many times */
    int swap;                   /* C_SignInit takes the other key */
    CK_OBJECT_HANDLE keys[2];   /* the last two keys that were signed with */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Held for reading by every call on a session, for writing by shim_close_sessions: SoftHSM frees a session that another thread is in. */
static pthread_rwlock_t sessions = PTHREAD_RWLOCK_INITIALIZER;
static struct token tokens[TOKENS];
static CK_FUNCTION_LIST *real;
static CK_FUNCTION_LIST shim;

/* Under the lock. The entry for the label, made where there is none. */
static struct token *entry(const char *label) {
    for (int i = 0; i < TOKENS; i++) {
        if (tokens[i].label[0] == 0) strncpy(tokens[i].label, label, 32);
        if (strncmp(tokens[i].label, label, 32) == 0) return &tokens[i];
    }
    abort();
}

static void label_of(const CK_TOKEN_INFO *info, char out[33]) {
    memcpy(out, info->label, 32);
    int end = 32;
    while (end > 0 && out[end - 1] == ' ') end--;
    out[end] = 0;
}

/* A call on a session, or on several, goes through with the lock for reading. */
static void begin(void) { pthread_rwlock_rdlock(&sessions); }
static CK_RV end(CK_RV value) {
    pthread_rwlock_unlock(&sessions);
    return value;
}
#define FORWARD(name, parameters, arguments) \
    static CK_RV shim_##name parameters { begin(); return end(real->C_##name arguments); }

FORWARD(CloseSession, (CK_SESSION_HANDLE session), (session))
FORWARD(Logout, (CK_SESSION_HANDLE session), (session))
FORWARD(GetSessionInfo, (CK_SESSION_HANDLE session, CK_SESSION_INFO *info), (session, info))
FORWARD(FindObjectsInit, (CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, unsigned long count), (session, template, count))
FORWARD(FindObjects, (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, unsigned long max, unsigned long *count),
        (session, objects, max, count))
FORWARD(FindObjectsFinal, (CK_SESSION_HANDLE session), (session))
FORWARD(GetAttributeValue, (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *template, unsigned long count),
        (session, object, template, count))

/* 1 and the label of the session's token, or 0. */
static int label_of_session(CK_SESSION_HANDLE session, char out[33]) {
    CK_SESSION_INFO session_info;
    CK_TOKEN_INFO info;
    if (real->C_GetSessionInfo(session, &session_info) != CKR_OK) return 0;
    if (real->C_GetTokenInfo(session_info.slotID, &info) != CKR_OK) return 0;
    label_of(&info, out);
    return 1;
}

static CK_RV shim_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info) {
    CK_RV value = real->C_GetTokenInfo(slot, info);
    if (value != CKR_OK) return value;
    char label[33];
    label_of(info, label);
    pthread_mutex_lock(&lock);
    info->flags |= entry(label)->extra_flags;
    pthread_mutex_unlock(&lock);
    return value;
}

static CK_RV shim_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char *pin, unsigned long count) {
    begin();
    char label[33];
    CK_RV fault = CKR_OK;
    if (label_of_session(session, label)) {
        pthread_mutex_lock(&lock);
        struct token *token = entry(label);
        token->logins++;
        if (token->login_bad > 0) {
            token->login_bad--;
            fault = token->login_fault;
        }
        pthread_mutex_unlock(&lock);
    }
    return end(fault != CKR_OK ? fault : real->C_Login(session, user, pin, count));
}

static CK_RV shim_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key) {
    begin();
    char label[33];
    if (label_of_session(session, label)) {
        pthread_mutex_lock(&lock);
        struct token *token = entry(label);
        if (token->keys[0] != key) {
            token->keys[1] = token->keys[0];
            token->keys[0] = key;
        }
        if (token->swap && token->keys[1]) key = token->keys[1];
        pthread_mutex_unlock(&lock);
    }
    return end(real->C_SignInit(session, mechanism, key));
}

static CK_RV shim_Sign(CK_SESSION_HANDLE session, unsigned char *data, unsigned long data_count, unsigned char *signature,
                       unsigned long *count) {
    begin();
    char label[33];
    CK_RV fault = CKR_OK;
    if (label_of_session(session, label)) {
        pthread_mutex_lock(&lock);
        struct token *token = entry(label);
        if (token->sign_bad > 0 && token->sign_good-- <= 0) {
            token->sign_bad--;
            fault = token->sign_fault;
        }
        pthread_mutex_unlock(&lock);
    }
    return end(fault != CKR_OK ? fault : real->C_Sign(session, data, data_count, signature, count));
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list) {
    pthread_mutex_lock(&lock);
    if (!real) {
        const char *path = getenv("TANBA_SHIM_MODULE");
        void *module = dlopen(path ? path : "/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
        CK_C_GetFunctionList get = module ? (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList") : NULL;
        if (!get || get(&real) != CKR_OK) {
            real = NULL;
            pthread_mutex_unlock(&lock);
            return CKR_LIBRARY_LOAD_FAILED;
        }
        shim = *real;
        shim.C_GetFunctionList = C_GetFunctionList;
        shim.C_GetTokenInfo = shim_GetTokenInfo;
        shim.C_CloseSession = shim_CloseSession;
        shim.C_GetSessionInfo = shim_GetSessionInfo;
        shim.C_Login = shim_Login;
        shim.C_Logout = shim_Logout;
        shim.C_FindObjectsInit = shim_FindObjectsInit;
        shim.C_FindObjects = shim_FindObjects;
        shim.C_FindObjectsFinal = shim_FindObjectsFinal;
        shim.C_GetAttributeValue = shim_GetAttributeValue;
        shim.C_SignInit = shim_SignInit;
        shim.C_Sign = shim_Sign;
    }
    pthread_mutex_unlock(&lock);
    *list = &shim;
    return CKR_OK;
}

/* How often C_Login was called for the token. */
int shim_logins(const char *label) {
    pthread_mutex_lock(&lock);
    int count = entry(label)->logins;
    pthread_mutex_unlock(&lock);
    return count;
}

/* Sets these bits in the token's flags (CKF_USER_PIN_FINAL_TRY and the like); 0 ends it. */
void shim_flags(const char *label, unsigned long flags) {
    pthread_mutex_lock(&lock);
    entry(label)->extra_flags = flags;
    pthread_mutex_unlock(&lock);
}

/* The token's C_Login answers `value`, `bad` times. */
void shim_fail_login(const char *label, unsigned long value, int bad) {
    pthread_mutex_lock(&lock);
    struct token *token = entry(label);
    token->login_fault = value;
    token->login_bad = bad;
    pthread_mutex_unlock(&lock);
}

/* After `good` more signatures the token's C_Sign answers `value`, `bad` times. */
void shim_fail_sign(const char *label, unsigned long value, int good, int bad) {
    pthread_mutex_lock(&lock);
    struct token *token = entry(label);
    token->sign_fault = value;
    token->sign_good = good;
    token->sign_bad = bad;
    pthread_mutex_unlock(&lock);
}

/* While on, C_SignInit takes the key that was used before the one it is given: the handle denotes another key. */
void shim_swap_keys(const char *label, int on) {
    pthread_mutex_lock(&lock);
    entry(label)->swap = on;
    pthread_mutex_unlock(&lock);
}

/* Closes all sessions with the token between two calls, as a card that is pulled out does. 1, or 0 where there is no such token. */
int shim_close_sessions(const char *label) {
    CK_SLOT_ID slots[256];
    unsigned long count = 256;
    CK_RV value = CKR_TOKEN_NOT_PRESENT;
    pthread_rwlock_wrlock(&sessions);
    if (real && real->C_GetSlotList(CK_TRUE, slots, &count) == CKR_OK) {
        for (unsigned long i = 0; i < count; i++) {
            CK_TOKEN_INFO info;
            char found[33];
            if (real->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
            label_of(&info, found);
            if (strcmp(found, label) == 0) value = real->C_CloseAllSessions(slots[i]);
        }
    }
    pthread_rwlock_unlock(&sessions);
    return value == CKR_OK;
}
