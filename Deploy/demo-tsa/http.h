// HTTP (RFC 3161, 3.4) by libmicrohttpd on the loopback interface.
#pragma once
#include <stdint.h>

// A socket bound to the port, or to any free one when it is 0, which is then written back. It does not listen: who comes is refused.
// -1 when that is not possible; errno says why.
int http_bind(uint16_t *port);

// Listens and answers on so many threads. Takes the socket.
void http_start(int bound, unsigned threads);

// Ends all connections, and listens no more.
void http_stop(void);
