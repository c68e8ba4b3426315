/*
 * The files by which another process is told and asked: TANBA_SHIM_RULES, read again when it changes, and TANBA_SHIM_COUNTS. A
 * thread looks every 10 ms, so that a rule works without waiting for a call. TANBA_SHIM_SIGNATURES is written by the calls themselves.
 */
#define _GNU_SOURCE
#include "shim.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char rules_path[4096], counts_path[4096];
static int signatures = -1;

/* The value of the variable, with the process's id for each %p; empty where it is not set. */
static void path_of(const char *variable, char *out, size_t room) {
    const char *value = getenv(variable);
    size_t length = 0;
    for (out[0] = 0; value && *value && length + 16 < room; value++) {
        if (value[0] == '%' && value[1] == 'p') {
            length += snprintf(out + length, room - length, "%d", getpid());
            value++;
        } else {
            out[length++] = *value;
            out[length] = 0;
        }
    }
}

void write_counts(void) {
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    static long written = -1;
    if (!counts_path[0]) return;
    char temporary[4200], *text = NULL;
    size_t length = 0;
    long sum = 0;
    pthread_mutex_lock(&one);
    FILE *memory = open_memstream(&text, &length);
    pthread_mutex_lock(&lock);
    struct token *token;
    for (int i = 0; memory && (token = token_at(i)); i++) {
        for (int call = 0; call < CALLS; call++) {
            if (token->counts[call]) fprintf(memory, "%s\t%s\t%ld\n", token->label, call_name(call), token->counts[call]);
            sum += token->counts[call];
        }
    }
    pthread_mutex_unlock(&lock);
    if (memory) fclose(memory);
    if (sum != written && text) {
        snprintf(temporary, sizeof temporary, "%s.%d", counts_path, getpid());
        FILE *file = fopen(temporary, "we");
        if (file && fwrite(text, 1, length, file) == length && fclose(file) == 0 && rename(temporary, counts_path) == 0) written = sum;
    }
    free(text);
    pthread_mutex_unlock(&one);
}

/* O_APPEND: processes that share the file lose no byte to each other, and one that is killed then has written its own. */
void note_signature(void) {
    if (signatures >= 0 && write(signatures, ".", 1) != 1) abort();
}

static int has_changed(struct stat *seen) {
    struct stat now = {0};
    if (stat(rules_path, &now) != 0) now = (struct stat){0};
    int changed = now.st_ino != seen->st_ino || now.st_size != seen->st_size || now.st_mtim.tv_sec != seen->st_mtim.tv_sec ||
                  now.st_mtim.tv_nsec != seen->st_mtim.tv_nsec;
    *seen = now;
    return changed;
}

static struct stat seen;

static void *watch(void *nothing) {
    for (int turn = 0;; turn++) {
        pause_ms(10);
        if (rules_path[0] && has_changed(&seen)) read_rules(rules_path);
        if (turn % 5 == 0) write_counts();
    }
    return nothing;
}

void watch_files(void) {
    path_of("TANBA_SHIM_RULES", rules_path, sizeof rules_path);
    path_of("TANBA_SHIM_COUNTS", counts_path, sizeof counts_path);
    char signatures_path[4096];
    path_of("TANBA_SHIM_SIGNATURES", signatures_path, sizeof signatures_path);
    if (signatures_path[0] && (signatures = open(signatures_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) < 0) {
        perror(signatures_path);
        abort();
    }
    if (rules_path[0] && has_changed(&seen)) read_rules(rules_path);
    pthread_t thread;
    if ((rules_path[0] || counts_path[0]) && pthread_create(&thread, NULL, watch, NULL) == 0) pthread_detach(thread);
}

__attribute__((destructor)) static void at_exit(void) { write_counts(); }
