// Answers that wait: their connections are suspended, so that no thread waits with them.
#pragma once
#include <microhttpd.h>
#include <stdbool.h>

// Starts the thread that wakes them.
void waiting_start(void);

// Suspends the connection for so many milliseconds, because this version of the script says so. False when nobody is to wait, because
// the server ends: answer at once.
bool wait_for(struct MHD_Connection *connection, long milliseconds, unsigned version);

// Wakes all who wait because of another version.
void waiting_wake(unsigned version);

// Closed, it wakes all, and nobody waits until it is opened again.
void waiting_close(void);
void waiting_open(void);
