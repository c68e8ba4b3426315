/*
 * A token's pace.
 *
 * With a knee of S milliseconds and K at once a token makes K / S signatures a millisecond at best: a signature takes S while at most K
 * run, and with n > K running each gets K / n of its share, so it takes S * n / K or more. `work` is how many milliseconds of work each
 * running signature has been given so far; one is done when `work` has grown by S since it began.
 */
#include "shim.h"
#include <errno.h>
#include <time.h>

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void pause_until(double ms) {
    long whole = (long)(ms / 1e3);
    struct timespec then = {whole, (long)((ms - whole * 1e3) * 1e6)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL) == EINTR) {}
}

void pause_ms(double milliseconds) {
    if (milliseconds > 0) pause_until(now_ms() + milliseconds);
}

/* Locked. How much of its full share each running signature gets. */
static double share(const struct token *token, const struct rule *knee) {
    return !knee || token->signing <= knee->number ? 1 : (double)knee->number / token->signing;
}

/* Locked. Before `signing` or the rule changes. */
static void advance(struct token *token, const struct rule *knee, double now) {
    token->work += (now - token->work_at) * share(token, knee);
    token->work_at = now;
}

void signature_begins(struct token *token) {
    pthread_mutex_lock(&lock);
    struct rule *knee = rule_for(KNEE, token, 0);
    double now = now_ms();
    advance(token, knee, now);
    token->signing++;
    if (token->signing > token->peak) token->peak = token->signing;
    double done = knee ? token->work + knee->milliseconds : 0;
    while ((knee = rule_for(KNEE, token, 0)) && done - token->work > 0.01) {
        double until = now + (done - token->work) / share(token, knee);
        pthread_mutex_unlock(&lock);
        pause_until(until);
        pthread_mutex_lock(&lock);
        now = now_ms();
        advance(token, rule_for(KNEE, token, 0), now);
    }
    pthread_mutex_unlock(&lock);
}

void signature_ends(struct token *token) {
    pthread_mutex_lock(&lock);
    advance(token, rule_for(KNEE, token, 0), now_ms());
    token->signing--;
    pthread_mutex_unlock(&lock);
}
