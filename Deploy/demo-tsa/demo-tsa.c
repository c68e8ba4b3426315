// A time-stamping authority for demos, tests and rehearsals: HTTP (RFC 3161, 3.4) by libmicrohttpd on the loopback interface, tokens by
// OpenSSL's own TS_RESP_create_response, so that Tanba's client is judged by code that is not Tanba's. It is no authority to
// trust in production: the key lies in a file, the clock is the machine's, and nothing is logged.
//
// With --script FILE it misbehaves as the file says. The file is read again when it changes (best replaced by rename), so an outage is
// begun and ended by writing a line; one that is not there is empty, and empty is honest. One directive a line, # begins a comment:
//
//   latency MS                        each answer comes so many milliseconds later, without a thread waiting for it
//   limit N SECONDS [ban SECONDS]     beyond N requests in any window of so many seconds: 429 with Retry-After until there is room again;
//                                     with ban, the first beyond it closes the door for so long. A last word `date`: an HTTP-date
//   status N [retry-after SECONDS]    this HTTP status: 403, 500, 503 …
//   dead                              nobody listens: connections are refused
//   reset                             each connection is reset when its request has come
//   garbage                           random bytes as application/timestamp-reply
//   html                              a web page with status 200, like that of a proxy who wants a password
//   wrong-imprint                     the token is over something else, one bit away
//   wrong-nonce, no-nonce             another nonce than the request's, or none
//   wrong-policy                      under the policy OID.9
//   time +SECONDS, time -SECONDS      the stamped time is off
//   no-eku                            signed with --no-eku-cert, whose extended key usage is not timeStamping
//   flipped-signature                 one bit of the signature is another
//   two-signers                       a SignerInfo too many
//   truncated                         the second half is missing
//   rejection                         rejection, systemFailure
//
// `after N` and `for N` before a directive: not for the first N requests since the file was read, and only for N of them
// ("after 100 for 50 status 503"); `dead` resets then, for a closed port counts nothing. Lies go together; of what replaces
// an answer, the first of reset, status or limit, garbage is done. Everything but the lies is done to unusable requests too.
//
// GET /counts: JSON {"requests", "granted", "rejected", "limited", "status", "reset", "garbage", "unusable", "lies", "in_flight",
// "in_flight_max"}, since the start.
//
//   authority   certificate and key; one TS_RESP_CTX a thread (a context is not to be shared)
//   lies        what is done to a token
//   script      the file, and what becomes of each request
//   waiting     answers that come later: suspended connections, one thread that wakes them
//   http        a pool of threads, each with its own connections; a request is answered on the thread that read it
//   here        options, start, port file; then waits for SIGTERM or SIGINT, and opens and closes the port as the script says
#define _GNU_SOURCE
#include "authority.h"
#include "http.h"
#include "script.h"
#include "waiting.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// How long it may take until a script that was changed is noticed while no requests come.
enum { script_watch_milliseconds = 10 };

static const char *const usage =
    "usage: demo-tsa --certificate FILE --key FILE --policy OID [--port N] [--port-file FILE] [--digests LIST] [--threads N] [--script FILE]\n"
    "\n"
    "A time-stamping authority (RFC 3161 over HTTP) on 127.0.0.1 for demos, tests and rehearsals. SIGTERM ends it.\n"
    "\n"
    "  --certificate FILE  its certificate, PEM; extended key usage timeStamping, critical and alone\n"
    "  --key FILE          its private key, PEM: EC (P-256 is the fast choice) or RSA\n"
    "  --policy OID        the policy it stamps under; a request for another is rejected\n"
    "  --port N            the port to listen on (3161); 0: any free one\n"
    "  --port-file FILE    where the port is written, atomically, as soon as it listens\n"
    "  --digests LIST      imprints it accepts (sha256,sha384,sha512)\n"
    "  --threads N         threads that answer (one a core)\n"
    "  --script FILE       how it misbehaves: slow, limited, dead, lying (see the top of demo-tsa.c); read again when it changes\n"
    "  --no-eku-cert FILE  certificate for the same key without the usage timeStamping, for the lie no-eku (else one is made,\n"
    "                      which nobody has signed)\n";

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

static void write_port_file(const char *path, uint16_t port) {
    char temporary[4096];
    int length = snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    FILE *file = length < (int)sizeof temporary ? fopen(temporary, "we") : NULL;
    if (!file || fprintf(file, "%u\n", port) < 0 || fclose(file) != 0 || rename(temporary, path) != 0) {
        fprintf(stderr, "demo-tsa: %s: %s\n", path, strerror(errno));
        exit(3);
    }
}

struct place {
    uint16_t port;
    unsigned threads;
    int bound;  // negative when the port could not be had again
    bool is_open;
};

// Opens or closes the port as the script says.
static void follow_script(struct place *place) {
    bool is_dead = script_is_dead();
    if (is_dead && place->is_open) {
        http_stop();
        place->bound = -1;
        place->is_open = false;
    }
    // A bound socket that does not listen keeps the port and refuses who comes; for a moment, another program may have taken it
    if (place->bound < 0) place->bound = http_bind(&place->port);
    if (!is_dead && !place->is_open && place->bound >= 0) {
        http_start(place->bound, place->threads);
        place->is_open = true;
    }
    waiting_wake(script_version());
}

int main(int argc, char **argv) {
    uint16_t port = 3161;
    unsigned threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    const char *port_file = NULL, *certificate = NULL, *key = NULL, *policy = NULL, *script = NULL, *without_eku = NULL;
    char default_digests[] = "sha256,sha384,sha512", *digests = default_digests;
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'}, {"port-file", required_argument, NULL, 'f'}, {"certificate", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'}, {"policy", required_argument, NULL, 'o'}, {"digests", required_argument, NULL, 'd'},
        {"threads", required_argument, NULL, 't'}, {"script", required_argument, NULL, 's'}, {"no-eku-cert", required_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'}, {0},
    };
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case 'p': port = (uint16_t)number("--port", optarg, 0, 65535); break;
        case 'f': port_file = optarg; break;
        case 'c': certificate = optarg; break;
        case 'k': key = optarg; break;
        case 'o': policy = optarg; break;
        case 'd': digests = optarg; break;
        case 't': threads = (unsigned)number("--threads", optarg, 1, 256); break;
        case 's': script = optarg; break;
        case 'e': without_eku = optarg; break;
        case 'h': fputs(usage, stdout); return 0;
        default: fputs(usage, stderr); return 2;
        }
    }
    if (optind < argc) refuse("not an option", argv[optind]);
    if (!certificate || !key || !policy) refuse("missing", "--certificate, --key and --policy are needed");
    ASN1_OBJECT *trial = OBJ_txt2obj(policy, 1);
    if (!trial || strlen(policy) > 200) refuse("--policy", policy);
    ASN1_OBJECT_free(trial);
    read_digests(digests);
    authority_start(certificate, key, policy, without_eku);
    script_start(script);

    // Blocked before any thread starts, so that only the wait for them receives them
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ending, NULL);
    signal(SIGPIPE, SIG_IGN);
    waiting_start();

    int bound = http_bind(&port);
    if (bound < 0) {
        fprintf(stderr, "demo-tsa: 127.0.0.1:%u: %s\n  Give another --port; 0 takes any free one.\n", port, strerror(errno));
        exit(3);
    }
    struct place place = {.port = port, .threads = threads, .bound = bound};
    follow_script(&place);
    if (port_file) write_port_file(port_file, port);
    fprintf(stderr, "demo-tsa: listening on http://127.0.0.1:%u/\n", port);

    const struct timespec pause = {.tv_nsec = script_watch_milliseconds * 1000000};
    while (script ? sigtimedwait(&ending, NULL, &pause) < 0 : sigwaitinfo(&ending, NULL) < 0) follow_script(&place);
    http_stop();
    return 0;
}
