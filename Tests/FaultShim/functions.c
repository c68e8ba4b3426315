/*
 * How a program that has the shim in its own process tells and asks it: these are found with dlsym. A label is a token's; "*" stands for all
 * tokens and for calls that are for none (C_Initialize, C_GetSlotList).
 */
#include "shim.h"
#include <string.h>

static struct token *token_of(const char *label) { return strcmp(label, "*") == 0 ? NULL : token_named(label); }

/* Sets the rule, or ends the one that is set. */
static void tell(const char *label, struct rule rule, int is_on) {
    pthread_mutex_lock(&lock);
    rule.origin = BY_FUNCTION;
    rule.token = token_of(label);
    if (is_on) set_rule(&rule);
    else end_rule(rule.kind, rule.token, rule.call);
    pthread_mutex_unlock(&lock);
    apply_rules();
}

/* --- Asking --- */

/* How often the function ("C_Login") was called for the token, forwarded or not; -1 for a function that PKCS#11 has not. */
long shim_count(const char *label, const char *function) {
    int call = call_named(function);
    if (call < 0) return -1;
    long count = 0;
    pthread_mutex_lock(&lock);
    if (strcmp(label, "*") != 0) {
        count = token_named(label)->counts[call];
    } else {
        struct token *token;
        for (int i = 0; (token = token_at(i)); i++) count += token->counts[call];
    }
    pthread_mutex_unlock(&lock);
    return count;
}

int shim_logins(const char *label) { return (int)shim_count(label, "C_Login"); }

/* How many sessions with the token are open. */
int shim_open_sessions(const char *label) {
    pthread_mutex_lock(&lock);
    int open = token_named(label)->open;
    pthread_mutex_unlock(&lock);
    return open;
}

/* How many calls of C_Sign were under way at once at most since this was last asked. */
int shim_peak(const char *label) {
    pthread_mutex_lock(&lock);
    struct token *token = token_named(label);
    int peak = token->peak;
    token->peak = token->signing;
    pthread_mutex_unlock(&lock);
    return peak;
}

/* --- Telling --- */

/* After `good` more calls the function answers `value`, `bad` times; for good where `bad` is less than 0, not at all where it is 0. Takes the
   place of what this was told before. 1, or 0 for a function that PKCS#11 has not. */
int shim_fail(const char *label, const char *function, unsigned long value, int good, int bad) {
    int call = call_named(function);
    if (call < 0) return 0;
    tell(label, (struct rule){.kind = FAIL, .call = call, .value = value, .good = good, .bad = bad}, bad != 0);
    return 1;
}

void shim_fail_login(const char *label, unsigned long value, int bad) { shim_fail(label, "C_Login", value, 0, bad); }
void shim_fail_sign(const char *label, unsigned long value, int good, int bad) { shim_fail(label, "C_Sign", value, good, bad); }

/* The function takes so many milliseconds more; 0 ends it. 1, or 0 for a function that PKCS#11 has not. */
int shim_slow(const char *label, const char *function, double milliseconds) {
    int call = call_named(function);
    if (call < 0) return 0;
    tell(label, (struct rule){.kind = SLOW, .call = call, .milliseconds = milliseconds}, milliseconds > 0);
    return 1;
}

/* A signature takes so many milliseconds while at most `width` are made at once, and with n > width n / width times as long; 0 ends it. */
void shim_knee(const char *label, double milliseconds, int width) {
    tell(label, (struct rule){.kind = KNEE, .milliseconds = milliseconds, .number = width}, milliseconds > 0 && width > 0);
}

/* The token is taken out: no slot has it, its sessions are gone, and calls on them answer `value` (CKR_TOKEN_NOT_PRESENT or CKR_DEVICE_REMOVED).
   0 puts it back: then they answer CKR_SESSION_HANDLE_INVALID. */
void shim_remove(const char *label, unsigned long value) { tell(label, (struct rule){.kind = REMOVED, .value = value}, value != 0); }

/* One program may open so many sessions; less than 0 ends it. `hidden`: the token info does not say so. */
void shim_limit_sessions(const char *label, int most, int hidden) {
    tell(label, (struct rule){.kind = LIMIT, .number = most, .hidden = hidden}, most >= 0);
}

/* While on, C_SignInit takes another private key of the same type: the handle denotes another key. */
void shim_swap_keys(const char *label, int on) { tell(label, (struct rule){.kind = SWAP}, on); }

/* Sets these bits in the token's flags (CKF_USER_PIN_FINAL_TRY and the like) beside the module's own; 0 ends it. */
void shim_flags(const char *label, unsigned long flags) { tell(label, (struct rule){.kind = FLAGS, .value = flags}, flags != 0); }

/* Closes all sessions with the token between two calls, as a card that is pulled out does. 1, or 0 where there is no such token. */
int shim_close_sessions(const char *label) {
    pthread_mutex_lock(&lock);
    struct token *token = token_of(label);
    pthread_mutex_unlock(&lock);
    return drop_sessions(token) > 0;
}

/* Reads the rules file now, in the place of the one that was read before. 0, or the number of its first line that is no rule. */
int shim_rules(const char *path) { return read_rules(path); }
