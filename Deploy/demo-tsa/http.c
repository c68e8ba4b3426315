#define _GNU_SOURCE
#include "http.h"
#include "authority.h"
#include "counts.h"
#include "script.h"
#include "waiting.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    request_bytes_max = 64 * 1024,
    connections_max = 4096,
    connection_timeout_seconds = 60,
    garbage_bytes = 1500,
};

static const char reply_type[] = "application/timestamp-reply";

// What is remembered of a request between libmicrohttpd's calls: its body so far, and what becomes of it.
struct exchange {
    size_t size;
    bool too_large;
    bool is_counted;
    struct fate fate;
    unsigned char body[request_bytes_max];
};

static enum MHD_Result send_and_forget(struct MHD_Connection *connection, unsigned status, const char *type, struct MHD_Response *response) {
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status, const char *text) {
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
    if (!response) return MHD_NO;
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "POST");
    return send_and_forget(connection, status, "text/plain", response);
}

static enum MHD_Result send_counts(struct MHD_Connection *connection) {
    char text[1024];
    struct MHD_Response *response = MHD_create_response_from_buffer(counts_json(text, sizeof text), text, MHD_RESPMEM_MUST_COPY);
    return response ? send_and_forget(connection, MHD_HTTP_OK, "application/json", response) : MHD_NO;
}

// ------------------------------------------------------------------------------------------------ what a script can do

static enum MHD_Result reset(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct linger at_once = {.l_onoff = 1};
    if (info) setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    count(count_reset);
    return MHD_NO;
}

static enum MHD_Result send_status(struct MHD_Connection *connection, const struct fate *fate) {
    static const char text[] = "the script says so\n";
    struct MHD_Response *response = MHD_create_response_from_buffer(sizeof text - 1, (void *)text, MHD_RESPMEM_PERSISTENT);
    if (!response) return MHD_NO;
    if (fate->retry_after >= 0) {
        char field[64];
        time_t then = time(NULL) + fate->retry_after;
        struct tm date;
        if (fate->retry_as_date) strftime(field, sizeof field, "%a, %d %b %Y %T GMT", gmtime_r(&then, &date));
        else snprintf(field, sizeof field, "%ld", fate->retry_after);
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, field);
    }
    count(fate->status == 429 ? count_limited : count_status);
    return send_and_forget(connection, fate->status, "text/plain", response);
}

static enum MHD_Result send_garbage(struct MHD_Connection *connection, bool is_html) {
    static const char page[] = "<html><body>Please sign in to use this network.</body></html>\n";
    unsigned char bytes[garbage_bytes] = {0};
    RAND_bytes(bytes + 1, sizeof bytes - 1);  // the first octet, zero, begins no SEQUENCE
    struct MHD_Response *response = is_html ? MHD_create_response_from_buffer(sizeof page - 1, (void *)page, MHD_RESPMEM_PERSISTENT)
                                            : MHD_create_response_from_buffer(sizeof bytes, bytes, MHD_RESPMEM_MUST_COPY);
    count(count_garbage);
    return response ? send_and_forget(connection, MHD_HTTP_OK, is_html ? "text/html" : reply_type, response) : MHD_NO;
}

// ------------------------------------------------------------------------------------------------------- one request

static void free_der(void *der) { OPENSSL_free(der); }

static enum MHD_Result send_answer(struct MHD_Connection *connection, const struct exchange *exchange) {
    int answer_count = 0;
    bool is_granted;
    unsigned char *der = authority_answer(exchange->body, exchange->size, &exchange->fate.lies, &answer_count, &is_granted);
    if (!der) return send_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no answer could be made\n");
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback((size_t)answer_count, der, free_der);
    if (!response) {
        OPENSSL_free(der);
        return MHD_NO;
    }
    count(is_granted ? count_granted : count_rejected);
    if (exchange->fate.lies.set) count(count_lies);
    return send_and_forget(connection, MHD_HTTP_OK, reply_type, response);
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text) {
    count(count_unusable);
    return send_text(connection, status, text);
}

static enum MHD_Result answer_post(struct MHD_Connection *connection, struct exchange *exchange) {
    const struct fate *fate = &exchange->fate;
    if (fate->is_reset) return reset(connection);
    if (fate->status) return send_status(connection, fate);
    const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (exchange->too_large) return refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, "a request is at most 64 KiB\n");
    if (!type || strcasecmp(type, "application/timestamp-query") != 0)
        return refuse(connection, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "Content-Type: application/timestamp-query is expected\n");
    if (!authority_is_request(exchange->body, exchange->size)) return refuse(connection, MHD_HTTP_BAD_REQUEST, "not a TimeStampReq in DER\n");
    if (fate->is_garbage || fate->is_html) return send_garbage(connection, fate->is_html);
    return send_answer(connection, exchange);
}

// Called once with the headers (*state is NULL), then for each piece of the body, then once more with nothing left; and once more
// when the connection was suspended at that.
static enum MHD_Result handle(void *unused, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                              const char *data, size_t *data_count, void **state) {
    (void)unused, (void)version;
    struct exchange *exchange = *state;
    if (!exchange) {
        if (!(exchange = malloc(sizeof *exchange))) return MHD_NO;
        exchange->size = 0;
        exchange->too_large = false;
        exchange->is_counted = false;
        *state = exchange;
        return MHD_YES;
    }
    if (*data_count > 0) {
        if (*data_count > sizeof exchange->body - exchange->size) exchange->too_large = true;
        else {
            memcpy(exchange->body + exchange->size, data, *data_count);
            exchange->size += *data_count;
        }
        *data_count = 0;
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 && strcmp(path, "/counts") == 0) return send_counts(connection);
    if (strcmp(method, MHD_HTTP_METHOD_POST) != 0) return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "POST a TimeStampReq, or GET /counts\n");
    if (!exchange->is_counted) {
        count_arrival();
        exchange->is_counted = true;
        exchange->fate = script_next();
        if (exchange->fate.latency > 0 && wait_for(connection, exchange->fate.latency, exchange->fate.version)) return MHD_YES;
    }
    return answer_post(connection, exchange);
}

static void forget_exchange(void *unused, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code) {
    (void)unused, (void)connection, (void)code;
    struct exchange *exchange = *state;
    if (exchange && exchange->is_counted) count_departure();
    free(exchange);
}

// --------------------------------------------------------------------------------------------------------- the server

static struct MHD_Daemon *server;

int http_bind(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int one = 1, bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bound < 0) return -1;
    if (setsockopt(bound, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 || bind(bound, (struct sockaddr *)&address, length) != 0
        || getsockname(bound, (struct sockaddr *)&address, &length) != 0) {
        int reason = errno;
        close(bound);
        errno = reason;
        return -1;
    }
    *port = ntohs(address.sin_port);
    return bound;
}

void http_start(int bound, unsigned threads) {
    if (listen(bound, SOMAXCONN) != 0) fail(strerror(errno), NULL);
    waiting_open();
    server = MHD_start_daemon(
        MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, NULL, MHD_OPTION_LISTEN_SOCKET, bound,
        MHD_OPTION_NOTIFY_COMPLETED, forget_exchange, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)connection_timeout_seconds, threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, MHD_OPTION_END);
    if (!server) fail("the HTTP server did not start", NULL);
}

void http_stop(void) {
    if (!server) return;
    // None may be suspended when it stops
    waiting_close();
    MHD_stop_daemon(server);
    server = NULL;
}
