#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

void clinux_zero(void *memory, size_t count) { explicit_bzero(memory, count); }

int clinux_random(void *memory, size_t count) {
    char *next = memory;
    while (count > 0) {
        ssize_t got = getrandom(next, count, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        next += got;
        count -= (size_t)got;
    }
    return 0;
}

const char *clinux_error_text(int error) { return strerrordesc_np(error); }
const char *clinux_error_name(int error) { return strerrorname_np(error); }

int clinux_disable_core_dumps(void) {
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) return -errno;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return -errno;
    return 0;
}

int clinux_lock(int descriptor) {
    while (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EINTR) return -errno;
    }
    return 0;
}

int clinux_unlock(int descriptor) { return flock(descriptor, LOCK_UN) == 0 ? 0 : -errno; }

int clinux_terminal_columns(int descriptor) {
    struct winsize size;
    return ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

int clinux_processors(void) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
    long online = sysconf(_SC_NPROCESSORS_ONLN);  // more than 1,024 processors do not fit the set
    return online > 0 ? (int)online : 1;
}

int clinux_sync_file_system(int descriptor) { return syncfs(descriptor) == 0 ? 0 : -errno; }

int clinux_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 ? 0 : -errno; }

static _Atomic int signal_descriptor = -1;  // lock-free, so a handler may read it

static void tell_descriptor(int signal) {
    int saved = errno;
    unsigned char number = (unsigned char)signal;
    ssize_t written = write(signal_descriptor, &number, 1);  // a full pipe has enough signals in it
    (void)written;
    errno = saved;
}

int clinux_catch_signal(int signal, int descriptor) {
    signal_descriptor = descriptor;
    struct sigaction action = {.sa_handler = tell_descriptor, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    return sigaction(signal, &action, NULL) == 0 ? 0 : -errno;
}
