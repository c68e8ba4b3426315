#include "counts.h"
#include <stdatomic.h>
#include <stdio.h>

static _Atomic unsigned long counts[count_kinds];
static _Atomic unsigned long in_flight_max;

static const char *const names[count_kinds] = {
    "requests", "granted", "rejected", "limited", "status", "reset", "garbage", "unusable", "lies", "in_flight",
};

void count(enum count kind) { atomic_fetch_add(&counts[kind], 1); }

void count_arrival(void) {
    count(count_requests);
    unsigned long now = atomic_fetch_add(&counts[count_in_flight], 1) + 1, max = atomic_load(&in_flight_max);
    while (now > max && !atomic_compare_exchange_weak(&in_flight_max, &max, now)) {}
}

void count_departure(void) { atomic_fetch_sub(&counts[count_in_flight], 1); }

size_t counts_json(char *text, size_t size) {
    size_t length = 0;
    for (int kind = 0; kind < count_kinds; kind++)
        length += (size_t)snprintf(text + length, size - length, "%c\"%s\":%lu", kind ? ',' : '{', names[kind], atomic_load(&counts[kind]));
    return length + (size_t)snprintf(text + length, size - length, ",\"in_flight_max\":%lu}\n", atomic_load(&in_flight_max));
}
