// How many requests there were and what became of them; GET /counts shows it.
#pragma once
#include <stddef.h>

enum count {
    count_requests,   // POSTs that came, each counted again in one of the following when it is answered
    count_granted,    // with a token, be it honest or not
    count_rejected,   // with a TimeStampResp that has none
    count_limited,    // 429
    count_status,     // another status of the script
    count_reset,      // connection reset
    count_garbage,    // `garbage` and `html`
    count_unusable,   // no TimeStampReq
    count_lies,       // of those granted or rejected: not honest
    count_in_flight,  // now
    count_kinds,
};

void count(enum count kind);
void count_arrival(void);
void count_departure(void);

// The JSON object, with the number of bytes.
size_t counts_json(char *text, size_t size);
