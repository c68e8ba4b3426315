#define _GNU_SOURCE
#include "waiting.h"
#include "authority.h"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct waiter {
    struct timespec due;
    unsigned version;
    struct MHD_Connection *connection;
    struct waiter *before, *after;
};

// In the order in which they are due. Most waits are equally long, so that a new one belongs at the end.
static struct waiter *first, *last;
static bool is_closed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;

static bool is_later(const struct timespec *one, const struct timespec *other) {
    return one->tv_sec > other->tv_sec || (one->tv_sec == other->tv_sec && one->tv_nsec > other->tv_nsec);
}

static void wake(struct waiter *waiter) {
    *(waiter->before ? &waiter->before->after : &first) = waiter->after;
    *(waiter->after ? &waiter->after->before : &last) = waiter->before;
    MHD_resume_connection(waiter->connection);
    free(waiter);
}

static void *wake_in_time(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        while (first && !is_later(&first->due, &now)) wake(first);
        if (first) pthread_cond_timedwait(&changed, &lock, &first->due);
        else pthread_cond_wait(&changed, &lock);
    }
    return NULL;
}

void waiting_start(void) {
    pthread_condattr_t attributes;
    pthread_t thread;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    if (pthread_create(&thread, NULL, wake_in_time, NULL) != 0) fail("no thread could be started", NULL);
    pthread_detach(thread);
}

bool wait_for(struct MHD_Connection *connection, long milliseconds, unsigned version) {
    struct waiter *waiter = malloc(sizeof *waiter);
    if (!waiter) return false;
    clock_gettime(CLOCK_MONOTONIC, &waiter->due);
    waiter->due.tv_sec += milliseconds / 1000;
    waiter->due.tv_nsec += milliseconds % 1000 * 1000000;
    if (waiter->due.tv_nsec >= 1000000000) waiter->due.tv_sec++, waiter->due.tv_nsec -= 1000000000;
    waiter->connection = connection;
    waiter->version = version;
    pthread_mutex_lock(&lock);
    bool waits = !is_closed;
    if (waits) {
        // Before it can be woken
        MHD_suspend_connection(connection);
        struct waiter *place = last;
        while (place && is_later(&place->due, &waiter->due)) place = place->before;
        waiter->before = place;
        waiter->after = place ? place->after : first;
        *(waiter->before ? &waiter->before->after : &first) = waiter;
        *(waiter->after ? &waiter->after->before : &last) = waiter;
        if (first == waiter) pthread_cond_signal(&changed);
    } else {
        free(waiter);
    }
    pthread_mutex_unlock(&lock);
    return waits;
}

void waiting_wake(unsigned version) {
    pthread_mutex_lock(&lock);
    for (struct waiter *waiter = first, *next; waiter; waiter = next) {
        next = waiter->after;
        if (waiter->version != version) wake(waiter);
    }
    pthread_mutex_unlock(&lock);
}

static void set_closed(bool closed) {
    pthread_mutex_lock(&lock);
    is_closed = closed;
    while (first && closed) wake(first);
    pthread_mutex_unlock(&lock);
}

void waiting_close(void) { set_closed(true); }

void waiting_open(void) { set_closed(false); }
