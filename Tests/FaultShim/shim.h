/*
 * What the files of the shim share. One mutex, `lock`, guards all of it; functions whose comment begins with "Locked" are called with
 * it held.
 */
#pragma once
#include "calls.h"
#include <p11-kit/pkcs11.h>
#include <pthread.h>

/* Names would meet those of other libraries in the process. */
#pragma GCC visibility push(hidden)

/* --- Tokens and sessions (tokens.c) --- */

struct token {
    char label[33];
    long counts[CALLS];
    int open;           /* sessions that live */
    CK_RV away;         /* what session calls answer while the token is removed; CKR_OK while it is there */
    int drop_due;       /* its sessions are to be closed after this call */
    int signing, peak;  /* calls of C_Sign at this moment, and the most there ever were */
    double work, work_at; /* see knee.c */
};

extern pthread_mutex_t lock;
/* Held for reading by every call on a session, for writing by what closes sessions: SoftHSM frees a session that another thread is in. */
extern pthread_rwlock_t sessions_lock;
extern CK_FUNCTION_LIST *real;

/* Locked. The entry for the label, made where there is none. "*" has one too: it counts the calls that are for no token. */
struct token *token_named(const char *label);
/* Locked. The entries, made so far, one after the other; NULL at the end. */
struct token *token_at(int index);
/* The token in the slot; NULL where there is none or it has no label yet. */
struct token *token_in_slot(CK_SLOT_ID slot);
/* Locked. Whose session it is; NULL for a handle that the shim did not give. */
struct token *token_of_session(CK_SESSION_HANDLE session);
/* Locked. */
void session_opened(CK_SESSION_HANDLE session, struct token *token);
void session_closed(CK_SESSION_HANDLE session);
/* Locked. The token's sessions are gone; their handles are still known to have been its own. */
void sessions_dropped(struct token *token);
/* Locked. Closes the sessions that live, one by one. */
void close_own_sessions(void);
/* Closes all sessions with the token (NULL: with every token) between two calls. How many tokens were found. Not with the lock held. */
int drop_sessions(struct token *token);
void label_of(const CK_TOKEN_INFO *info, char out[33]);

/* --- Rules (rules.c) --- */

enum kind { NO_RULE, FAIL, SLOW, KNEE, REMOVED, LIMIT, SWAP, FLAGS, DROP };
enum origin { BY_FUNCTION, BY_FILE };

struct rule {
    enum kind kind;
    enum origin origin;
    struct token *token;    /* NULL: every token, and calls that are for none */
    int call;               /* FAIL, SLOW */
    CK_RV value;            /* FAIL, REMOVED: the CKR; FLAGS: the bits */
    long good, bad;         /* FAIL, DROP: calls that pass first, and then how many it is for; less than 0: all */
    double milliseconds;    /* SLOW, KNEE */
    int number;             /* KNEE: how many at once; LIMIT: sessions */
    int hidden;             /* LIMIT: the token info does not show it */
    char text[256];         /* BY_FILE: the line, by which its counters go on when the file is read again */
};

/* Locked. Replaces the rule that was set for the same kind, token and call by a function. */
void set_rule(const struct rule *rule);
/* Locked. Ends it. `call` counts for FAIL and SLOW. */
void end_rule(enum kind kind, struct token *token, int call);
/* Locked. The rule in force; one for this token comes before one for all, a function's before the file's. */
struct rule *rule_for(enum kind kind, struct token *token, int call);
/* Locked. */
int is_anything_removed(void);
/* Locked. What the call is to answer in the module's place; CKR_OK to forward it. Counts. */
CK_RV fault_for(struct token *token, int call);
/* After rules changed: removes and puts back tokens. Not with the lock held. */
void apply_rules(void);
/* Reads the file; 0, or the number of the first line that is no rule (the others count). Not with the lock held. */
int read_rules(const char *path);
int call_named(const char *name);
const char *call_name(int call);

/* --- Return values (values.c) --- */

/* A name ("CKR_DEVICE_ERROR") or a number ("0x30"); 1, or 0 for what is neither. */
int value_named(const char *text, CK_RV *value);

/* --- Files of TANBA_SHIM_RULES, TANBA_SHIM_COUNTS and TANBA_SHIM_SIGNATURES (files.c) --- */

void watch_files(void);
/* Writes the counts where TANBA_SHIM_COUNTS names a file. Not with the lock held. */
void write_counts(void);
/* Appends a byte where TANBA_SHIM_SIGNATURES names a file: the module is about to be asked for a signature. */
void note_signature(void);

/* --- Pace (knee.c) --- */

void pause_ms(double milliseconds);
/* Around a signature; `begin` returns when the token would have made it. Not with the lock held. */
void signature_begins(struct token *token);
void signature_ends(struct token *token);

#pragma GCC visibility pop
