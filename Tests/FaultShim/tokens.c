/* The tokens behind the shim, by label, and the sessions with them. */
#define _GNU_SOURCE
#include "shim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX 4096

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* A writer must not wait for ever behind readers that come and go; no thread reads twice. */
pthread_rwlock_t sessions_lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
CK_FUNCTION_LIST *real;

static struct token *tokens[TOKENS_MAX];
static int token_count;

static struct session {
    CK_SESSION_HANDLE handle;
    struct token *token;
    int lives;
} *sessions;
static int session_count, session_room;

void label_of(const CK_TOKEN_INFO *info, char out[33]) {
    memcpy(out, info->label, 32);
    int end = 32;
    while (end > 0 && (out[end - 1] == ' ' || out[end - 1] == 0)) end--;
    out[end] = 0;
}

struct token *token_named(const char *label) {
    for (int i = 0; i < token_count; i++) {
        if (strncmp(tokens[i]->label, label, 32) == 0) return tokens[i];
    }
    struct token *token = token_count < TOKENS_MAX ? calloc(1, sizeof *token) : NULL;
    if (!token) abort();
    strncpy(token->label, label, 32);
    struct rule *removed = rule_for(REMOVED, token, 0);
    if (removed) token->away = removed->value;
    return tokens[token_count++] = token;
}

struct token *token_at(int index) { return index < token_count ? tokens[index] : NULL; }

struct token *token_in_slot(CK_SLOT_ID slot) {
    CK_TOKEN_INFO info;
    char label[33];
    if (real->C_GetTokenInfo(slot, &info) != CKR_OK) return NULL;
    label_of(&info, label);
    if (!label[0]) return NULL;
    pthread_mutex_lock(&lock);
    struct token *token = token_named(label);
    pthread_mutex_unlock(&lock);
    return token;
}

/* --- Sessions --- */

static struct session *session(CK_SESSION_HANDLE handle) {
    for (int i = 0; i < session_count; i++) {
        if (sessions[i].handle == handle) return &sessions[i];
    }
    return NULL;
}

struct token *token_of_session(CK_SESSION_HANDLE handle) {
    struct session *known = session(handle);
    return known ? known->token : NULL;
}

/* Handles of sessions that went are kept, to know whose they were, until they are too many. */
static void forget_dropped(void) {
    int kept = 0;
    for (int i = 0; i < session_count; i++) {
        if (sessions[i].lives) sessions[kept++] = sessions[i];
    }
    session_count = kept;
}

void session_opened(CK_SESSION_HANDLE handle, struct token *token) {
    struct session *known = session(handle);
    if (!known) {
        if (session_count == session_room && session_count >= 1024) forget_dropped();
        if (session_count == session_room) {
            session_room = session_room ? 2 * session_room : 64;
            sessions = realloc(sessions, session_room * sizeof *sessions);
            if (!sessions) abort();
        }
        known = &sessions[session_count++];
    }
    *known = (struct session){handle, token, 1};
}

void session_closed(CK_SESSION_HANDLE handle) {
    struct session *known = session(handle);
    if (!known) return;
    if (known->lives && known->token) known->token->open--;
    *known = sessions[--session_count];
}

void sessions_dropped(struct token *token) {
    for (int i = 0; i < session_count; i++) {
        if (sessions[i].token == token) sessions[i].lives = 0;
    }
    token->open = 0;
}

void close_own_sessions(void) {
    for (int i = 0; i < session_count; i++) {
        if (sessions[i].lives) real->C_CloseSession(sessions[i].handle);
        if (sessions[i].token) sessions[i].token->open = 0;
    }
    session_count = 0;
}

int drop_sessions(struct token *token) {
    CK_SLOT_ID slots[1024];
    unsigned long count = 1024;
    int found = 0;
    pthread_rwlock_wrlock(&sessions_lock);
    if (real && real->C_GetSlotList(CK_TRUE, slots, &count) == CKR_OK) {
        for (unsigned long i = 0; i < count; i++) {
            struct token *other = token_in_slot(slots[i]);
            if (!other || (token && other != token)) continue;
            if (real->C_CloseAllSessions(slots[i]) != CKR_OK) continue;
            found++;
            pthread_mutex_lock(&lock);
            sessions_dropped(other);
            pthread_mutex_unlock(&lock);
        }
    }
    pthread_rwlock_unlock(&sessions_lock);
    return found;
}
