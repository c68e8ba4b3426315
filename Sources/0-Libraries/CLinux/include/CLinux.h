#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What Swift cannot import from glibc: variadic functions, and names that only _GNU_SOURCE shows.
// Functions that can fail return 0 or a count, and -errno on failure.

/// Overwrites memory in a way the optimiser may not leave out.
void clinux_zero(void *memory, size_t count);

/// Fills memory from getrandom(2), which waits only until the kernel's pool was seeded once after boot.
int clinux_random(void *memory, size_t count);

/// The system's sentence ("No such file or directory") and name ("ENOENT") of an errno; NULL where unknown. Never freed.
const char *clinux_error_text(int error);
const char *clinux_error_name(int error);

/// RLIMIT_CORE 0 and PR_SET_DUMPABLE 0: no core file, and no other process of the same user attaches or reads the memory.
int clinux_disable_core_dumps(void);

/// flock(2), exclusive, without waiting.
int clinux_lock(int descriptor);

/// Gives the lock up at once, though a child that was just forked may still hold a copy of the descriptor.
int clinux_unlock(int descriptor);

/// Columns of the terminal; 0 where the descriptor is none.
int clinux_terminal_columns(int descriptor);

/// Processors this process may run on.
int clinux_processors(void);

/// syncfs(2): waits until all of the descriptor's file system is on the disk.
int clinux_sync_file_system(int descriptor);

/// A pipe, reading end first, that does not block and is closed by exec.
int clinux_pipe(int ends[2]);

/// From now on the signal's number is written, as one byte, to the descriptor (a pipe that does not block), from whatever thread
/// receives it. There is one descriptor for all signals of the process, and it is never closed.
int clinux_catch_signal(int signal, int descriptor);
