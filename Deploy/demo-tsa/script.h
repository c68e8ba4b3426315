// The script: how the authority behaves, request by request. Its language is described at the top of demo-tsa.c.
#pragma once
#include "lies.h"
#include <stdbool.h>

// What becomes of one request; all zero: an honest answer at once.
struct fate {
    unsigned version;      // of the script that says so
    long latency;          // milliseconds before the answer
    bool is_reset;         // the connection is reset
    unsigned status;       // this HTTP status in place of an answer; 0: none
    long retry_after;      // seconds, with `status`; negative: no such field
    bool retry_as_date;    // `retry_after` is sent as an HTTP-date
    bool is_garbage;       // random bytes that call themselves a time-stamp
    bool is_html;          // a web page with status 200
    struct lies lies;
};

// Reads the file; one that is not there is an empty script. Ends the program when it cannot be understood.
void script_start(const char *path);

// Counts a request and says what becomes of it. The file is looked at each time, and read again when it has changed.
struct fate script_next(void);

// Whether nobody listens, for now.
bool script_is_dead(void);

// How often the file was read: who waits because of an older one needs to wait no longer.
unsigned script_version(void);
