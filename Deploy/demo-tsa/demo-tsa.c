// A time-stamping authority for demos and tests: HTTP (RFC 3161, 3.4) by libmicrohttpd on the loopback interface, tokens by
// OpenSSL's own TS_RESP_create_response, so that Tanba's client is judged by code that is not Tanba's. It is no authority to
// trust in production: the key lies in a file, the clock is the machine's, and nothing is logged.
//
//   authority   one TS_RESP_CTX a thread (a context is not to be shared), certificate and key shared
//   HTTP        a pool of threads, each with its own connections; a request is answered on the thread that read it
//   main        options, keys, start, port file; then waits for SIGTERM or SIGINT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    request_bytes_max = 64 * 1024,
    connections_max = 1024,
    connection_timeout_seconds = 60,
    serial_number_bytes = 16,
    accuracy_seconds = 1,
};

static struct {
    X509 *certificate;
    EVP_PKEY *key;
    ASN1_OBJECT *policy;
    const EVP_MD *digests[8];
    int digest_count;
} authority;

static void fail(const char *what, const char *remedy) {
    fprintf(stderr, "demo-tsa: %s\n", what);
    if (ERR_peek_error() != 0) ERR_print_errors_fp(stderr);
    if (remedy) fprintf(stderr, "  %s\n", remedy);
    exit(3);
}

// ---------------------------------------------------------------------------------------------------------- authority

// Serial numbers are random (RFC 3161, 2.4.2 asks for unique ones, also over restarts): 126 bits without a state file.
static ASN1_INTEGER *random_serial_number(TS_RESP_CTX *context, void *unused) {
    (void)context, (void)unused;
    unsigned char bytes[serial_number_bytes];
    if (RAND_bytes(bytes, sizeof bytes) != 1) return NULL;
    bytes[0] = (bytes[0] & 0x3F) | 0x40;  // positive, and always of the same length
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(number, NULL);
    BN_free(number);
    return serial;
}

static TS_RESP_CTX *make_context(void) {
    TS_RESP_CTX *context = TS_RESP_CTX_new();
    bool fine = context && TS_RESP_CTX_set_signer_cert(context, authority.certificate) && TS_RESP_CTX_set_signer_key(context, authority.key)
        && TS_RESP_CTX_set_def_policy(context, authority.policy) && TS_RESP_CTX_set_signer_digest(context, EVP_sha256())
        // SHA-256 makes it signing-certificate-v2 (RFC 5816) with the hash algorithm left out
        && TS_RESP_CTX_set_ess_cert_id_digest(context, EVP_sha256()) && TS_RESP_CTX_set_accuracy(context, accuracy_seconds, 0, 0)
        && TS_RESP_CTX_set_clock_precision_digits(context, 3);
    for (int i = 0; fine && i < authority.digest_count; i++) fine = TS_RESP_CTX_add_md(context, authority.digests[i]);
    if (!fine) {
        TS_RESP_CTX_free(context);
        return NULL;
    }
    TS_RESP_CTX_set_serial_cb(context, random_serial_number, NULL);
    return context;
}

static pthread_key_t context_of_thread;

static void free_context(void *context) { TS_RESP_CTX_free(context); }

static TS_RESP_CTX *context_of_this_thread(void) {
    TS_RESP_CTX *context = pthread_getspecific(context_of_thread);
    if (!context && (context = make_context())) pthread_setspecific(context_of_thread, context);
    return context;
}

// Whether the bytes are one TimeStampReq and nothing after it. What is one but cannot be served gets a proper rejection.
static bool is_request(const unsigned char *bytes, size_t count) {
    const unsigned char *end = bytes;
    TS_REQ *request = d2i_TS_REQ(NULL, &end, (long)count);
    bool whole = request && end == bytes + count;
    TS_REQ_free(request);
    ERR_clear_error();
    return whole;
}

// The DER of a TimeStampResp, granted or rejected; NULL when memory ran out. The caller frees it with OPENSSL_free.
static unsigned char *answer_request(const unsigned char *bytes, size_t count, int *answer_count) {
    unsigned char *der = NULL;
    TS_RESP_CTX *context = context_of_this_thread();
    BIO *query = BIO_new_mem_buf(bytes, (int)count);
    TS_RESP *answer = context && query ? TS_RESP_create_response(context, query) : NULL;
    if (answer) *answer_count = i2d_TS_RESP(answer, &der);
    TS_RESP_free(answer);
    BIO_free(query);
    ERR_clear_error();
    return der;
}

// --------------------------------------------------------------------------------------------------------------- HTTP

// What is remembered of a request between libmicrohttpd's calls: its body so far.
struct exchange {
    size_t count;
    bool too_large;
    unsigned char body[request_bytes_max];
};

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status, const char *text) {
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
    if (!response) return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "POST");
    enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static void free_der(void *der) { OPENSSL_free(der); }

static enum MHD_Result answer_post(struct MHD_Connection *connection, const struct exchange *exchange) {
    const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (exchange->too_large) return send_text(connection, MHD_HTTP_CONTENT_TOO_LARGE, "a request is at most 64 KiB\n");
    if (!type || strcasecmp(type, "application/timestamp-query") != 0)
        return send_text(connection, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "Content-Type: application/timestamp-query is expected\n");
    if (!is_request(exchange->body, exchange->count)) return send_text(connection, MHD_HTTP_BAD_REQUEST, "not a TimeStampReq in DER\n");
    int count = 0;
    unsigned char *der = answer_request(exchange->body, exchange->count, &count);
    if (!der) return send_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no answer could be made\n");
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback((size_t)count, der, free_der);
    if (!response) {
        OPENSSL_free(der);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/timestamp-reply");
    enum MHD_Result queued = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return queued;
}

// Called once with the headers (*state is NULL), then for each piece of the body, then once more with nothing left.
static enum MHD_Result handle(void *unused, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                              const char *data, size_t *data_count, void **state) {
    (void)unused, (void)path, (void)version;
    struct exchange *exchange = *state;
    if (!exchange) {
        if (!(exchange = malloc(sizeof *exchange))) return MHD_NO;
        exchange->count = 0;
        exchange->too_large = false;
        *state = exchange;
        return MHD_YES;
    }
    if (*data_count > 0) {
        if (*data_count > sizeof exchange->body - exchange->count) exchange->too_large = true;
        else {
            memcpy(exchange->body + exchange->count, data, *data_count);
            exchange->count += *data_count;
        }
        *data_count = 0;
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_POST) != 0) return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "POST a TimeStampReq\n");
    return answer_post(connection, exchange);
}

static void forget_exchange(void *unused, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code) {
    (void)unused, (void)connection, (void)code;
    free(*state);
}

// --------------------------------------------------------------------------------------------------------------- main

static const char *const usage =
    "usage: demo-tsa --certificate FILE --key FILE --policy OID [--port N] [--port-file FILE] [--digests LIST] [--threads N]\n"
    "\n"
    "A time-stamping authority (RFC 3161 over HTTP) on 127.0.0.1 for demos and tests. SIGTERM ends it.\n"
    "\n"
    "  --certificate FILE  its certificate, PEM; extended key usage timeStamping, critical and alone\n"
    "  --key FILE          its private key, PEM: EC (P-256 is the fast choice) or RSA\n"
    "  --policy OID        the policy it stamps under; a request for another is rejected\n"
    "  --port N            the port to listen on (3161); 0: any free one\n"
    "  --port-file FILE    where the port is written, atomically, as soon as it listens\n"
    "  --digests LIST      imprints it accepts (sha256,sha384,sha512)\n"
    "  --threads N         threads that answer (one a core)\n";

static void refuse(const char *what, const char *value) {
    fprintf(stderr, "demo-tsa: %s: %s\n\n%s", what, value, usage);
    exit(2);
}

static long number(const char *option, const char *text, long min, long max) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *end || end == text || value < min || value > max) refuse(option, text);
    return value;
}

static void read_digests(char *list) {
    for (char *rest = list, *name; (name = strsep(&rest, ","));) {
        const EVP_MD *digest = EVP_get_digestbyname(name);
        if (!digest || authority.digest_count == sizeof authority.digests / sizeof *authority.digests) refuse("--digests", name);
        authority.digests[authority.digest_count++] = digest;
    }
}

static void read_certificate_and_key(const char *certificate_path, const char *key_path) {
    FILE *file = fopen(certificate_path, "re");
    if (!file || !(authority.certificate = PEM_read_X509(file, NULL, NULL, NULL))) fail(certificate_path, "A certificate in PEM is expected.");
    fclose(file);
    file = fopen(key_path, "re");
    if (!file || !(authority.key = PEM_read_PrivateKey(file, NULL, NULL, (void *)""))) fail(key_path, "A private key in PEM, without passphrase, is expected.");
    fclose(file);
    if (!X509_check_private_key(authority.certificate, authority.key)) fail("the key is not the certificate's", NULL);
}

// A socket of ours, so that port 0 can be read back.
static int listen_on_loopback(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0
        || bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, SOMAXCONN) != 0
        || getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
        fprintf(stderr, "demo-tsa: 127.0.0.1:%u: %s\n  Give another --port; 0 takes any free one.\n", *port, strerror(errno));
        exit(3);
    }
    *port = ntohs(address.sin_port);
    return listener;
}

static void write_port_file(const char *path, uint16_t port) {
    char temporary[4096];
    int length = snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    FILE *file = length < (int)sizeof temporary ? fopen(temporary, "we") : NULL;
    if (!file || fprintf(file, "%u\n", port) < 0 || fclose(file) != 0 || rename(temporary, path) != 0) {
        fprintf(stderr, "demo-tsa: %s: %s\n", path, strerror(errno));
        exit(3);
    }
}

int main(int argc, char **argv) {
    uint16_t port = 3161;
    unsigned threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    const char *port_file = NULL, *certificate_path = NULL, *key_path = NULL, *policy = NULL;
    char default_digests[] = "sha256,sha384,sha512", *digests = default_digests;
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'}, {"port-file", required_argument, NULL, 'f'}, {"certificate", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'}, {"policy", required_argument, NULL, 'o'}, {"digests", required_argument, NULL, 'd'},
        {"threads", required_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'}, {0},
    };
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case 'p': port = (uint16_t)number("--port", optarg, 0, 65535); break;
        case 'f': port_file = optarg; break;
        case 'c': certificate_path = optarg; break;
        case 'k': key_path = optarg; break;
        case 'o': policy = optarg; break;
        case 'd': digests = optarg; break;
        case 't': threads = (unsigned)number("--threads", optarg, 1, 256); break;
        case 'h': fputs(usage, stdout); return 0;
        default: fputs(usage, stderr); return 2;
        }
    }
    if (optind < argc) refuse("not an option", argv[optind]);
    if (!certificate_path || !key_path || !policy) refuse("missing", "--certificate, --key and --policy are needed");
    if (!(authority.policy = OBJ_txt2obj(policy, 1))) refuse("--policy", policy);
    read_digests(digests);
    read_certificate_and_key(certificate_path, key_path);
    pthread_key_create(&context_of_thread, free_context);
    TS_RESP_CTX *trial = make_context();
    if (!trial) fail("the certificate cannot stamp", "Its extended key usage must be timeStamping, critical and alone.");
    TS_RESP_CTX_free(trial);

    // Blocked before any thread starts, so that only sigwait below receives them
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ending, NULL);
    signal(SIGPIPE, SIG_IGN);

    int listener = listen_on_loopback(&port);
    struct MHD_Daemon *server = MHD_start_daemon(
        MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, handle, NULL, MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_NOTIFY_COMPLETED,
        forget_exchange, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)connection_timeout_seconds, threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, MHD_OPTION_END);
    if (!server) fail("the HTTP server did not start", NULL);
    if (port_file) write_port_file(port_file, port);
    fprintf(stderr, "demo-tsa: listening on http://127.0.0.1:%u/\n", port);

    int received;
    sigwait(&ending, &received);
    MHD_stop_daemon(server);
    return 0;
}
