/*
 * A PKCS#11 module that stands in front of another one and does what real tokens do on bad days. docs/fault-shim.md says what it can be
 * told and how.
 *
 * It forwards every call to the module named by TANBA_SHIM_MODULE (SoftHSM 2 where that is unset), counts it, and, where it was told to,
 * answers in the module's place, late, or for another key. It is told by the shim_* functions (functions.c), which a
 * test in the same process finds with dlsym, and by the file that TANBA_SHIM_RULES names. What it is told is for one token, by its label.
 *
 *     cc -shared -fPIC -O1 -Wall -o faultshim.so Tests/FaultShim/[a-z]*.c $(pkg-config --cflags p11-kit-1) -ldl -lpthread
 */
#include "shim.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static CK_FUNCTION_LIST shim;
/* Under `lock`. This copy of the shim shares the module with others of the process: finalising it is not forwarded. */
static int shares, is_initialised;

/* --- The way of a call --- */

struct passage {
    struct token *token;
    int call;
    CK_RV value;
    CK_RV fault;
    int is_signature;
    enum { SHARED, EXCLUSIVE, FREE } access;
};

static CK_RV away_value(const struct passage *p, int is_slot_call) {
    if (!p->token || p->token->away == CKR_OK) return CKR_OK;
    return is_slot_call ? CKR_TOKEN_NOT_PRESENT : p->token->away;
}

static int is_slot_call(int call) {
#define IS_3(name, parameters, arguments) call == CALL_##name ||
    return SLOT_CALLS(IS_3) call == CALL_GetTokenInfo || call == CALL_OpenSession || call == CALL_CloseAllSessions;
}

/* What the call is to answer in the module's place; CKR_OK to forward it. `end` must follow. */
static CK_RV begin(struct passage *p) {
    int call = p->call, on_slot = is_slot_call(call);
    pthread_mutex_lock(&lock);
    (p->token ? p->token : token_named("*"))->counts[call]++;
    if (shares && !is_initialised && call != CALL_Initialize) p->value = CKR_CRYPTOKI_NOT_INITIALIZED;
    if (p->value == CKR_OK) p->value = call == CALL_GetSlotInfo ? CKR_OK : away_value(p, on_slot);
    if (p->value == CKR_OK) p->value = p->fault = fault_for(p->token, call);
    struct rule *slow = rule_for(SLOW, p->token, call);
    double milliseconds = slow ? slow->milliseconds : 0;
    pthread_mutex_unlock(&lock);
    pause_ms(milliseconds);
    if (p->value != CKR_OK) p->is_signature = 0;
    if (p->is_signature && p->token) signature_begins(p->token);
    if (p->access == EXCLUSIVE) pthread_rwlock_wrlock(&sessions_lock);
    if (p->access == SHARED) pthread_rwlock_rdlock(&sessions_lock);
    pthread_mutex_lock(&lock);
    /* The token may have gone meanwhile. */
    if (p->value == CKR_OK && call != CALL_GetSlotInfo) p->value = away_value(p, on_slot);
    pthread_mutex_unlock(&lock);
    return p->value;
}

static CK_RV end(struct passage *p) {
    int drops = 0;
    if (p->access != FREE) pthread_rwlock_unlock(&sessions_lock);
    if (p->is_signature && p->token) {
        signature_ends(p->token);
        pthread_mutex_lock(&lock);
        struct rule *drop = p->value == CKR_OK ? rule_for(DROP, p->token, 0) : NULL;
        if (drop && drop->bad != 0 && --drop->good <= 0) {
            drop->bad = 0;
            drops = 1;
        }
        pthread_mutex_unlock(&lock);
    }
    if (drops) drop_sessions(p->token);
    if (p->call == CALL_Login) write_counts();
    return p->value;
}

static struct token *owner(CK_SESSION_HANDLE session) {
    pthread_mutex_lock(&lock);
    struct token *token = token_of_session(session);
    pthread_mutex_unlock(&lock);
    return token;
}

#define FORWARD(name, parameters, arguments, owner) \
    static CK_RV shim_##name parameters { \
        struct passage p = {.token = owner, .call = CALL_##name}; \
        if (begin(&p) == CKR_OK) p.value = real->C_##name ? real->C_##name arguments : CKR_FUNCTION_NOT_SUPPORTED; \
        return end(&p); \
    }
#define FORWARD_SESSION(name, parameters, arguments) FORWARD(name, parameters, arguments, owner(s))
#define FORWARD_SLOT(name, parameters, arguments) FORWARD(name, parameters, arguments, token_in_slot(slot))

SESSION_CALLS(FORWARD_SESSION)
SLOT_CALLS(FORWARD_SLOT)
FORWARD(GetInfo, (CK_INFO *info), (info), NULL)

/* --- The module --- */

static CK_RV shim_Initialize(void *arguments) {
    struct passage p = {.call = CALL_Initialize};
    if (begin(&p) == CKR_OK) {
        p.value = real->C_Initialize(arguments);
        pthread_mutex_lock(&lock);
        if (shares && !is_initialised && p.value == CKR_CRYPTOKI_ALREADY_INITIALIZED) p.value = CKR_OK;
        if (p.value == CKR_OK || p.value == CKR_CRYPTOKI_ALREADY_INITIALIZED) is_initialised = 1;
        pthread_mutex_unlock(&lock);
    }
    return end(&p);
}

static CK_RV finalise(void *reserved) {
    pthread_mutex_lock(&lock);
    close_own_sessions();
    CK_RV value = shares ? CKR_OK : real->C_Finalize(reserved);
    is_initialised = 0;
    pthread_mutex_unlock(&lock);
    return value;
}

static CK_RV shim_Finalize(void *reserved) {
    struct passage p = {.call = CALL_Finalize, .access = EXCLUSIVE};
    if (begin(&p) == CKR_OK) p.value = finalise(reserved);
    return end(&p);
}

/* Finalises the module behind the back of who uses it, as another library in the process may do. */
void shim_finalise(void) {
    pthread_rwlock_wrlock(&sessions_lock);
    if (real) finalise(NULL);
    pthread_rwlock_unlock(&sessions_lock);
}

/* Waits for hours: nothing is held meanwhile. */
static CK_RV shim_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID *slot, void *reserved) {
    struct passage p = {.call = CALL_WaitForSlotEvent, .access = FREE};
    if (begin(&p) == CKR_OK) p.value = real->C_WaitForSlotEvent(flags, slot, reserved);
    return end(&p);
}

/* --- Slots --- */

static int is_away(CK_SLOT_ID slot) {
    struct token *token = token_in_slot(slot);
    pthread_mutex_lock(&lock);
    int away = token && token->away != CKR_OK;
    pthread_mutex_unlock(&lock);
    return away;
}

#define SLOTS_MAX 1024

static CK_RV shim_GetSlotList(unsigned char present, CK_SLOT_ID *list, unsigned long *count) {
    struct passage p = {.call = CALL_GetSlotList};
    pthread_mutex_lock(&lock);
    int is_plain = !present || !count || !is_anything_removed();
    pthread_mutex_unlock(&lock);
    if (begin(&p) == CKR_OK && is_plain) {
        p.value = real->C_GetSlotList(present, list, count);
    } else if (p.value == CKR_OK) {
        CK_SLOT_ID slots[SLOTS_MAX];
        unsigned long all = 0, there = 0;
        /* Without a list: modules look at their readers anew. */
        if (!list) p.value = real->C_GetSlotList(present, NULL, &all);
        all = SLOTS_MAX;
        if (p.value == CKR_OK) p.value = real->C_GetSlotList(present, slots, &all);
        for (unsigned long i = 0; p.value == CKR_OK && i < all; i++) {
            if (!is_away(slots[i])) slots[there++] = slots[i];
        }
        if (p.value == CKR_OK && list && *count < there) p.value = CKR_BUFFER_TOO_SMALL;
        if (p.value == CKR_OK && list) memcpy(list, slots, there * sizeof *slots);
        if (p.value == CKR_OK || p.value == CKR_BUFFER_TOO_SMALL) *count = there;
    }
    return end(&p);
}

static CK_RV shim_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO *info) {
    struct passage p = {.token = token_in_slot(slot), .call = CALL_GetSlotInfo};
    if (begin(&p) == CKR_OK) p.value = real->C_GetSlotInfo(slot, info);
    if (p.value == CKR_OK && is_away(slot)) info->flags &= ~CKF_TOKEN_PRESENT;
    return end(&p);
}

static CK_RV shim_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info) {
    struct passage p = {.token = token_in_slot(slot), .call = CALL_GetTokenInfo};
    if (begin(&p) == CKR_OK) p.value = real->C_GetTokenInfo(slot, info);
    if (p.value == CKR_OK && p.token) {
        pthread_mutex_lock(&lock);
        struct rule *flags = rule_for(FLAGS, p.token, 0), *limit = rule_for(LIMIT, p.token, 0);
        if (flags) info->flags |= flags->value;
        if (limit && !limit->hidden) {
            info->ulMaxSessionCount = limit->number;
            info->ulSessionCount = p.token->open;
        }
        pthread_mutex_unlock(&lock);
    }
    return end(&p);
}

/* --- Sessions --- */

static CK_RV shim_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify, CK_SESSION_HANDLE *session) {
    struct passage p = {.token = token_in_slot(slot), .call = CALL_OpenSession};
    if (begin(&p) == CKR_OK) {
        pthread_mutex_lock(&lock);
        struct rule *limit = rule_for(LIMIT, p.token, 0);
        if (p.token && limit && p.token->open >= limit->number) p.value = CKR_SESSION_COUNT;
        else if (p.token) p.token->open++;
        pthread_mutex_unlock(&lock);
        if (p.value == CKR_OK) {
            p.value = real->C_OpenSession(slot, flags, application, notify, session);
            pthread_mutex_lock(&lock);
            if (p.value == CKR_OK) session_opened(*session, p.token);
            else if (p.token) p.token->open--;
            pthread_mutex_unlock(&lock);
        }
    }
    return end(&p);
}

static CK_RV shim_CloseSession(CK_SESSION_HANDLE session) {
    struct passage p = {.token = owner(session), .call = CALL_CloseSession};
    if (begin(&p) == CKR_OK) {
        p.value = real->C_CloseSession(session);
        pthread_mutex_lock(&lock);
        session_closed(session);
        pthread_mutex_unlock(&lock);
    }
    return end(&p);
}

static CK_RV shim_CloseAllSessions(CK_SLOT_ID slot) {
    struct passage p = {.token = token_in_slot(slot), .call = CALL_CloseAllSessions, .access = EXCLUSIVE};
    if (begin(&p) == CKR_OK) {
        p.value = real->C_CloseAllSessions(slot);
        pthread_mutex_lock(&lock);
        if (p.value == CKR_OK && p.token) sessions_dropped(p.token);
        pthread_mutex_unlock(&lock);
    }
    return end(&p);
}

/* --- Signatures --- */

/* Another private key of the same type, as after a reconnect a handle may denote one; the key itself where there is none. */
static CK_OBJECT_HANDLE another_key(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_KEY_TYPE type = 0;
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type}};
    CK_OBJECT_HANDLE found[64];
    unsigned long count = 0;
    if (real->C_GetAttributeValue(session, key, &wanted[1], 1) != CKR_OK) return key;
    if (real->C_FindObjectsInit(session, wanted, 2) != CKR_OK) return key;
    if (real->C_FindObjects(session, found, 64, &count) != CKR_OK) count = 0;
    real->C_FindObjectsFinal(session);
    for (unsigned long i = 0; i < count; i++) {
        if (found[i] != key) return found[i];
    }
    return key;
}

static CK_RV shim_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key) {
    struct passage p = {.token = owner(session), .call = CALL_SignInit};
    if (begin(&p) == CKR_OK) {
        pthread_mutex_lock(&lock);
        int swaps = rule_for(SWAP, p.token, 0) != NULL;
        pthread_mutex_unlock(&lock);
        p.value = real->C_SignInit(session, mechanism, swaps ? another_key(session, key) : key);
    }
    return end(&p);
}

static CK_RV shim_Sign(CK_SESSION_HANDLE session, unsigned char *data, unsigned long data_count, unsigned char *signature,
                       unsigned long *count) {
    struct passage p = {.token = owner(session), .call = CALL_Sign, .is_signature = signature != NULL};
    if (begin(&p) == CKR_OK) {
        if (signature) note_signature();
        p.value = real->C_Sign(session, data, data_count, signature, count);
    } else if (p.fault != CKR_OK && p.fault != CKR_BUFFER_TOO_SMALL && signature) {
        /* Whatever C_Sign answers but "buffer too small", the operation is over (PKCS#11, 5.13.2): the signature is made and lost. */
        unsigned char lost[8192];
        unsigned long lost_count = sizeof lost;
        note_signature();
        real->C_Sign(session, data, data_count, lost, &lost_count);
    }
    return end(&p);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list) {
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one);
    if (!real) {
        const char *path = getenv("TANBA_SHIM_MODULE");
        void *module = dlopen(path ? path : "/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
        CK_C_GetFunctionList get = module ? (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList") : NULL;
        CK_FUNCTION_LIST *functions = NULL;
        if (!get || get(&functions) != CKR_OK) {
            pthread_mutex_unlock(&one);
            return CKR_GENERAL_ERROR;
        }
        shim.version = functions->version;
        shim.C_GetFunctionList = C_GetFunctionList;
#define ENTER_3(name, parameters, arguments) shim.C_##name = shim_##name;
#define ENTER_1(name) shim.C_##name = shim_##name;
        SESSION_CALLS(ENTER_3)
        SLOT_CALLS(ENTER_3)
        OTHER_CALLS(ENTER_1)
        real = functions;
        watch_files();
    }
    pthread_mutex_unlock(&one);
    *list = &shim;
    return CKR_OK;
}

/* From now on this copy of the shim shares the real module with other users in the process: C_Finalize closes the sessions that were opened
   through it, and no others. */
void shim_share(int on) {
    pthread_mutex_lock(&lock);
    shares = on;
    pthread_mutex_unlock(&lock);
}
