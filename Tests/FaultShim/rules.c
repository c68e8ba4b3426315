/* The rules: what the shim was told, by functions and by the file, and which of them is in force. */
#include "shim.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rule *rules;
static int rule_count, rule_room;

#define NAME_3(name, parameters, arguments) [CALL_##name] = "C_" #name,
#define NAME_1(name) [CALL_##name] = "C_" #name,
static const char *const names[CALLS] = {SESSION_CALLS(NAME_3) SLOT_CALLS(NAME_3) OTHER_CALLS(NAME_1)};

int call_named(const char *name) {
    for (int i = 0; i < CALLS; i++) {
        if (strcmp(names[i], name) == 0) return i;
    }
    return -1;
}

const char *call_name(int call) { return names[call]; }

/* --- Which is in force --- */

static int is_about(const struct rule *rule, enum kind kind, int call) {
    return rule->kind == kind && ((kind != FAIL && kind != SLOW) || rule->call == call);
}

/* The rules' four ranks, the first in force first. */
static int has_rank(const struct rule *rule, int rank, const struct token *token) {
    return rule->token == (rank < 2 ? token : NULL) && rule->origin == (rank % 2 ? BY_FILE : BY_FUNCTION);
}

struct rule *rule_for(enum kind kind, struct token *token, int call) {
    for (int rank = token ? 0 : 2; rank < 4; rank++) {
        for (int i = 0; i < rule_count; i++) {
            if (is_about(&rules[i], kind, call) && has_rank(&rules[i], rank, token)) return &rules[i];
        }
    }
    return NULL;
}

int is_anything_removed(void) {
    for (int i = 0; i < rule_count; i++) {
        if (rules[i].kind == REMOVED) return 1;
    }
    return 0;
}

CK_RV fault_for(struct token *token, int call) {
    for (int rank = token ? 0 : 2; rank < 4; rank++) {
        for (int i = 0; i < rule_count; i++) {
            struct rule *rule = &rules[i];
            if (!is_about(rule, FAIL, call) || !has_rank(rule, rank, token) || rule->bad == 0) continue;
            if (rule->good > 0) {
                rule->good--;
                return CKR_OK;
            }
            if (rule->bad > 0) rule->bad--;
            return rule->value;
        }
    }
    return CKR_OK;
}

static void add(const struct rule *rule) {
    if (rule_count == rule_room) {
        rule_room = rule_room ? 2 * rule_room : 64;
        rules = realloc(rules, rule_room * sizeof *rules);
        if (!rules) abort();
    }
    rules[rule_count++] = *rule;
}

void end_rule(enum kind kind, struct token *token, int call) {
    int kept = 0;
    for (int i = 0; i < rule_count; i++) {
        int ends = rules[i].origin == BY_FUNCTION && rules[i].token == token && is_about(&rules[i], kind, call);
        if (!ends) rules[kept++] = rules[i];
    }
    rule_count = kept;
}

void set_rule(const struct rule *rule) {
    end_rule(rule->kind, rule->token, rule->call);
    add(rule);
}

void apply_rules(void) {
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one);
    for (int i = 0;; i++) {
        pthread_mutex_lock(&lock);
        struct token *token = token_at(i);
        int goes = 0;
        if (token) {
            struct rule *rule = rule_for(REMOVED, token, 0);
            goes = rule && token->away == CKR_OK;
            token->away = rule ? rule->value : CKR_OK;
        }
        pthread_mutex_unlock(&lock);
        if (!token) break;
        if (goes) drop_sessions(token);
    }
    pthread_mutex_unlock(&one);
}

/* --- The file --- */

/* The next word of the line, in "double quotes" where it has blanks; NULL at the end or a comment. */
static char *word(char **rest) {
    char *at = *rest;
    while (isspace((unsigned char)*at)) at++;
    if (!*at || *at == '#') return NULL;
    char *start = *at == '"' ? ++at : at;
    if (start[0] && start > *rest && start[-1] == '"') {
        while (*at && *at != '"') at++;
    } else {
        while (*at && !isspace((unsigned char)*at)) at++;
    }
    if (*at) *at++ = 0;
    *rest = at;
    return start;
}

static int number(const char *text, double *value) {
    char *end;
    *value = text ? strtod(text, &end) : -1;
    return text && end != text && *end == 0 && *value >= 0;
}

/* "after N", "times N" in any order. */
static int counters(char **rest, struct rule *rule) {
    char *name;
    double value;
    while ((name = word(rest))) {
        if (!number(word(rest), &value)) return 0;
        if (strcmp(name, "after") == 0) rule->good = (long)value;
        else if (strcmp(name, "times") == 0 && rule->kind == FAIL) rule->bad = (long)value;
        else return 0;
    }
    return 1;
}

/* Locked. 1 for a rule, 0 for an empty line, -1 for what is neither. */
static int parse(char *line, struct rule *rule) {
    *rule = (struct rule){.origin = BY_FILE, .bad = -1};
    line[strcspn(line, "\r\n")] = 0;
    snprintf(rule->text, sizeof rule->text, "%s", line);
    char *rest = line, *kind = word(&rest);
    if (!kind) return 0;
    char *label = word(&rest), *call = NULL, *last = NULL;
    double value;
    if (!label) return -1;
    rule->token = strcmp(label, "*") == 0 ? NULL : token_named(label);
    if (strcmp(kind, "fail") == 0 || strcmp(kind, "slow") == 0) {
        rule->kind = kind[0] == 'f' ? FAIL : SLOW;
        if (!(call = word(&rest)) || (rule->call = call_named(call)) < 0 || !(last = word(&rest))) return -1;
        if (rule->kind == FAIL) return value_named(last, &rule->value) && counters(&rest, rule) ? 1 : -1;
        if (!number(last, &rule->milliseconds)) return -1;
    } else if (strcmp(kind, "knee") == 0) {
        rule->kind = KNEE;
        if (!number(word(&rest), &rule->milliseconds) || !number(word(&rest), &value) || value < 1) return -1;
        rule->number = (int)value;
    } else if (strcmp(kind, "removed") == 0) {
        rule->kind = REMOVED;
        rule->value = CKR_TOKEN_NOT_PRESENT;
        if ((last = word(&rest)) && !value_named(last, &rule->value)) return -1;
    } else if (strcmp(kind, "sessions") == 0) {
        rule->kind = LIMIT;
        if (!number(word(&rest), &value)) return -1;
        rule->number = (int)value;
        if ((last = word(&rest)) && !(rule->hidden = strcmp(last, "hidden") == 0)) return -1;
    } else if (strcmp(kind, "swap") == 0) {
        rule->kind = SWAP;
    } else if (strcmp(kind, "flags") == 0) {
        rule->kind = FLAGS;
        if (!(last = word(&rest)) || !value_named(last, &rule->value)) return -1;
    } else if (strcmp(kind, "drop") == 0) {
        rule->kind = DROP;
        return counters(&rest, rule) ? 1 : -1;
    } else {
        return -1;
    }
    return word(&rest) ? -1 : 1;
}

/* Locked. The rules of the file as they were, taken out. */
static struct rule *take_file_rules(int *count) {
    struct rule *taken = calloc(rule_count + 1, sizeof *taken);
    if (!taken) abort();
    int kept = 0;
    *count = 0;
    for (int i = 0; i < rule_count; i++) {
        if (rules[i].origin == BY_FILE) taken[(*count)++] = rules[i];
        else rules[kept++] = rules[i];
    }
    rule_count = kept;
    return taken;
}

int read_rules(const char *path) {
    FILE *file = fopen(path, "re");
    struct token *dropped[64];
    int drops = 0, drops_all = 0, line_number = 0, bad_line = 0, old_count;
    char *line = NULL;
    size_t room = 0;
    pthread_mutex_lock(&lock);
    struct rule *old = take_file_rules(&old_count);
    while (file && getline(&line, &room, file) >= 0) {
        struct rule rule;
        line_number++;
        int found = parse(line, &rule);
        if (found < 0) {
            fprintf(stderr, "faultshim: %s:%d: no rule: %s\n", path, line_number, rule.text);
            if (!bad_line) bad_line = line_number;
        }
        if (found != 1) continue;
        int is_new = 1;
        for (int i = 0; i < old_count && is_new; i++) {
            if (old[i].kind == NO_RULE || strcmp(old[i].text, rule.text) != 0) continue;
            rule.good = old[i].good;
            rule.bad = old[i].bad;
            old[i].kind = NO_RULE;
            is_new = 0;
        }
        if (is_new && rule.kind == DROP && rule.good == 0) {
            rule.bad = 0;
            if (!rule.token) drops_all = 1;
            else if (drops < 64) dropped[drops++] = rule.token;
        }
        add(&rule);
    }
    pthread_mutex_unlock(&lock);
    free(old);
    free(line);
    if (file) fclose(file);
    apply_rules();
    if (drops_all) drop_sessions(NULL);
    for (int i = 0; i < drops; i++) drop_sessions(dropped[i]);
    return bad_line;
}
