#define _GNU_SOURCE
#include "script.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { directives_max = 64, words_max = 12, limit_max = 1000000 };

enum kind { kind_latency, kind_limit, kind_status, kind_dead, kind_reset, kind_garbage, kind_html, kind_lie };

struct directive {
    enum kind kind;
    long after, count;  // requests without it first, then with it; count < 0: with no end
    long number;        // latency, limit, status, seconds of the lie `time`
    double window, ban; // seconds; ban < 0: none
    long retry_after;   // of `status`; < 0: none
    bool as_date;
    unsigned lie;
    double *accepted;   // ring of the times of the last `number` requests that a limit let through
    long first, held;
    double banned_until;
};

struct script {
    struct directive directives[directives_max];
    int count;
    long requests;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *path;
static struct stat seen;
static unsigned version;
static struct script *script;

static const struct { const char *name; unsigned lie; } lies[] = {
    {"wrong-imprint", lie_wrong_imprint}, {"wrong-nonce", lie_wrong_nonce}, {"no-nonce", lie_no_nonce}, {"wrong-policy", lie_wrong_policy},
    {"no-eku", lie_no_eku}, {"flipped-signature", lie_flipped_signature}, {"two-signers", lie_two_signers}, {"truncated", lie_truncated},
    {"rejection", lie_rejection},
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// ------------------------------------------------------------------------------------------------------------ reading

static bool read_integer(const char *text, long min, long max, long *value) {
    char *end;
    errno = 0;
    *value = text ? strtol(text, &end, 10) : 0;
    return text && !errno && !*end && end != text && *value >= min && *value <= max;
}

static bool read_seconds(const char *text, double *value) {
    char *end;
    *value = text ? strtod(text, &end) : 0;
    return text && !*end && end != text && *value >= 0.001 && *value <= 1e7;
}

// The directive that these words say; a sentence about what is wrong with them when it is none.
static const char *read_directive(char **word, struct directive *directive) {
    *directive = (struct directive){.count = -1, .ban = -1, .retry_after = -1};
    for (;; word += 2) {
        if (*word && !strcmp(*word, "after") && !read_integer(word[1], 0, 1000000000, &directive->after)) return "after NUMBER";
        if (*word && !strcmp(*word, "for") && !read_integer(word[1], 1, 1000000000, &directive->count)) return "for NUMBER";
        if (!*word || (strcmp(*word, "after") && strcmp(*word, "for"))) break;
    }
    if (!*word) return "a directive is missing";
    const char *name = *word++;
    if (!strcmp(name, "latency")) {
        directive->kind = kind_latency;
        if (!read_integer(*word++, 0, 86400000, &directive->number)) return "latency MILLISECONDS";
    } else if (!strcmp(name, "limit")) {
        directive->kind = kind_limit;
        if (!read_integer(word[0], 1, limit_max, &directive->number) || !read_seconds(word[1], &directive->window)) return "limit NUMBER SECONDS";
        word += 2;
        if (*word && !strcmp(*word, "ban")) {
            if (!read_seconds(word[1], &directive->ban)) return "limit NUMBER SECONDS ban SECONDS";
            word += 2;
        }
    } else if (!strcmp(name, "status")) {
        directive->kind = kind_status;
        if (!read_integer(*word++, 201, 599, &directive->number)) return "status NUMBER, 201 to 599";
        if (*word && !strcmp(*word, "retry-after")) {
            if (!read_integer(word[1], 0, 10000000, &directive->retry_after)) return "status NUMBER retry-after SECONDS";
            word += 2;
        }
    } else if (!strcmp(name, "dead")) directive->kind = kind_dead;
    else if (!strcmp(name, "reset")) directive->kind = kind_reset;
    else if (!strcmp(name, "garbage")) directive->kind = kind_garbage;
    else if (!strcmp(name, "html")) directive->kind = kind_html;
    else if (!strcmp(name, "time")) {
        directive->kind = kind_lie;
        directive->lie = lie_time;
        if (!read_integer(*word++, -1000000000, 1000000000, &directive->number)) return "time +SECONDS or -SECONDS";
    } else {
        directive->kind = kind_lie;
        for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
            if (!strcmp(name, lies[i].name)) directive->lie = lies[i].lie;
        if (!directive->lie) return "no such directive";
    }
    if (*word && !strcmp(*word, "date") && (directive->kind == kind_limit || directive->retry_after >= 0)) {
        directive->as_date = true;
        word++;
    }
    return *word ? "a word too many" : NULL;
}

static void free_script(struct script *old) {
    for (int i = 0; old && i < old->count; i++) free(old->directives[i].accepted);
    free(old);
}

// NULL when it cannot be understood, which is told.
static struct script *read_script(void) {
    struct script *new = calloc(1, sizeof *new);
    FILE *file = fopen(path, "re");
    char line[512], *rest, *words[words_max + 1];
    for (int number = 1; new && file && fgets(line, sizeof line, file); number++) {
        line[strcspn(line, "#\r\n")] = 0;
        int count = 0;
        for (char *word = strtok_r(line, " \t", &rest); word && count < words_max; word = strtok_r(NULL, " \t", &rest)) words[count++] = word;
        for (int i = count; i <= words_max; i++) words[i] = NULL;
        if (count == 0) continue;
        struct directive *directive = &new->directives[new->count];
        const char *wrong = new->count == directives_max ? "too many directives" : read_directive(words, directive);
        if (!wrong && directive->kind == kind_limit && !(directive->accepted = calloc((size_t)directive->number, sizeof(double))))
            wrong = "no memory";
        if (wrong) {
            fprintf(stderr, "demo-tsa: %s:%d: %s\n", path, number, wrong);
            free_script(new);
            new = NULL;
            break;
        }
        new->count++;
    }
    if (file) fclose(file);
    return new;
}

// Under the lock. A script that cannot be understood leaves the one before in force.
static void look_at_file(void) {
    struct stat current = {0};
    if (!path) return;
    if (stat(path, &current) != 0) memset(&current, 0, sizeof current);
    if (version && current.st_ino == seen.st_ino && current.st_size == seen.st_size && current.st_mtim.tv_sec == seen.st_mtim.tv_sec
        && current.st_mtim.tv_nsec == seen.st_mtim.tv_nsec)
        return;
    seen = current;
    struct script *new = read_script();
    if (new) {
        free_script(script);
        script = new;
        version++;
    }
}

void script_start(const char *file) {
    path = file;
    look_at_file();
    if (path && !script) exit(2);
}

// --------------------------------------------------------------------------------------------------------- one request

// Whether a limit lets the request through; else how long to wait.
static bool passes(struct directive *limit, long *retry_after) {
    double time = now();
    while (limit->held > 0 && limit->accepted[limit->first] <= time - limit->window) {
        limit->first = (limit->first + 1) % limit->number;
        limit->held--;
    }
    double until = limit->banned_until;
    if (time >= until && limit->held < limit->number) {
        limit->accepted[(limit->first + limit->held++) % limit->number] = time;
        return true;
    }
    if (time >= until) {
        until = limit->accepted[limit->first] + limit->window;
        if (limit->ban >= 0) limit->banned_until = until = time + limit->ban;
    }
    double wait = until - time;
    *retry_after = (long)wait + (wait > (double)(long)wait);
    return false;
}

static void apply(struct directive *directive, struct fate *fate) {
    switch (directive->kind) {
    case kind_latency: fate->latency = directive->number; break;
    case kind_dead:
    case kind_reset: fate->is_reset = true; break;
    case kind_garbage: fate->is_garbage = true; break;
    case kind_html: fate->is_html = true; break;
    case kind_limit:
        if (!fate->status && !passes(directive, &fate->retry_after)) {
            fate->status = 429;
            fate->retry_as_date = directive->as_date;
        }
        break;
    case kind_status:
        if (fate->status) break;
        fate->status = (unsigned)directive->number;
        fate->retry_after = directive->retry_after;
        fate->retry_as_date = directive->as_date;
        break;
    case kind_lie:
        fate->lies.set |= directive->lie;
        if (directive->lie == lie_time) fate->lies.time_offset = directive->number;
        break;
    }
}

struct fate script_next(void) {
    struct fate fate = {.retry_after = -1};
    if (!path) return fate;
    pthread_mutex_lock(&lock);
    look_at_file();
    fate.version = version;
    long number = script->requests++;
    for (int i = 0; i < script->count; i++) {
        struct directive *directive = &script->directives[i];
        if (number >= directive->after && (directive->count < 0 || number - directive->after < directive->count)) apply(directive, &fate);
    }
    pthread_mutex_unlock(&lock);
    return fate;
}

bool script_is_dead(void) {
    bool dead = false;
    pthread_mutex_lock(&lock);
    look_at_file();
    for (int i = 0; script && i < script->count; i++) {
        const struct directive *directive = &script->directives[i];
        // One that comes or goes with a request cannot close the port, as nothing would be counted then
        dead = dead || (directive->kind == kind_dead && directive->after == 0 && directive->count < 0);
    }
    pthread_mutex_unlock(&lock);
    return dead;
}

unsigned script_version(void) {
    pthread_mutex_lock(&lock);
    unsigned current = version;
    pthread_mutex_unlock(&lock);
    return current;
}
