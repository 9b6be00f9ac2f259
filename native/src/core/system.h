/* What differs from one operating system to another; system_posix.c or system_windows.c holds it. Threads are pthread's everywhere. */
#ifndef HY_CORE_SYSTEM_H
#define HY_CORE_SYSTEM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** The name of a shared library's file. */
#if defined(_WIN32)
#  define HY_LIBRARY_FILE(name) "lib" name ".dll"
#elif defined(__APPLE__)
#  define HY_LIBRARY_FILE(name) "lib" name ".dylib"
#else
#  define HY_LIBRARY_FILE(name) "lib" name ".so"
#endif

/** Blocks of this size and above are multiples of it, in size and address. */
#define HY_HUGE_PAGE ((int64_t)2 << 20)

/** The number of processors that this process may run on. */
int32_t hy_system_processors(void);

/** The machine's memory in bytes; 0 when unknown. */
int64_t hy_system_memory(void);

/** Memory that is aligned to 64 bytes or to HY_HUGE_PAGE; NULL when there is none. */
void *hy_system_alloc(int64_t bytes);

/** Gives memory of hy_system_alloc back; `bytes` as it was asked for. */
void hy_system_free(void *data, int64_t bytes);

/** Starts a thread that takes none of the program's signals; returns pthread_create's result. */
int hy_system_start_thread(pthread_t *thread, void *(*body)(void *), void *argument);

/** Has functions called around each fork of the process; any may be NULL. Does nothing where processes do not fork. */
void hy_system_watch_forks(void (*before)(void), void (*in_parent)(void), void (*in_child)(void));

/* ---- The environment, files and libraries: all text is UTF-8 ---- */

/** Copies a variable of the environment, as much as fits; false, and "", when it is not set or is empty. */
bool hy_system_variable(const char *name, char *value, size_t bytes);

/** The folder for what a program of this user can make again; false, and "", when there is none. */
bool hy_system_cache_folder(char *path, size_t bytes);

/** The folder that this library's file is in, with the separator behind it; false, and "", when that is unknown. */
bool hy_system_own_folder(char *path, size_t bytes);

/** Whether there is a file or folder of this name. */
bool hy_system_exists(const char *path);

/** Opens a file to read its bytes; NULL, and errno, when that fails. */
FILE *hy_system_open(const char *path);

/** Makes the missing folders above a file; where that fails, creating the file says why. */
void hy_system_make_folders(const char *path);

/** Creates a file beside another, whose place it is to take, and says its name; NULL, and errno, when that fails. */
FILE *hy_system_create_beside(const char *path, char *name, size_t bytes);

/** Closes that file and, if all was written, puts it in the other's place, at once and whole; if not, or if that fails, deletes it.
 *  False, and errno, unless it took the place. */
bool hy_system_replace(FILE *file, bool written, const char *name, const char *path);

/** Loads a shared library; NULL, and the reason, when that fails. */
void *hy_system_load(const char *path, char *why, size_t bytes);

/** A function or variable of such a library; NULL when it has none of this name. */
void *hy_system_symbol(void *library, const char *name);

void hy_system_unload(void *library);

#endif
