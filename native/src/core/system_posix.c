#ifndef _WIN32
#  ifndef _GNU_SOURCE
#    define _GNU_SOURCE /* MADV_HUGEPAGE, sched_getaffinity, dladdr */
#  endif
#  include "core/system.h"

#  include <dlfcn.h>
#  include <errno.h>
#  include <sched.h>
#  include <signal.h>
#  include <stdlib.h>
#  include <string.h>
#  include <sys/mman.h>
#  include <sys/stat.h>
#  include <unistd.h>

#  include "core/glibc.h"

int32_t hy_system_processors(void)
{
#  ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#  endif
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int32_t)count : 1;
}

int64_t hy_system_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (int64_t)pages * size : 0;
}

static size_t whole_pages(int64_t bytes)
{
    return (size_t)((bytes + HY_HUGE_PAGE - 1) / HY_HUGE_PAGE * HY_HUGE_PAGE);
}

/* Large blocks are whole huge pages of their own, which saves page faults and misses of the TLB. */
static void *map_huge(size_t size)
{
    char *start = mmap(NULL, size + HY_HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return NULL;
    size_t before = -(uintptr_t)start % HY_HUGE_PAGE;
    if (before) munmap(start, before);
    munmap(start + before + size, HY_HUGE_PAGE - before);
#  ifdef MADV_HUGEPAGE
    madvise(start + before, size, MADV_HUGEPAGE); /* advice: where it is refused, small pages serve */
#  endif
    return start + before;
}

void *hy_system_alloc(int64_t bytes)
{
    if (bytes >= HY_HUGE_PAGE) return map_huge(whole_pages(bytes));
    void *data;
    return posix_memalign(&data, 64, (size_t)bytes) == 0 ? data : NULL;
}

void hy_system_free(void *data, int64_t bytes)
{
    if (bytes >= HY_HUGE_PAGE) munmap(data, whole_pages(bytes));
    else free(data);
}

/* Systems differ in what a thread's stack is if none is asked for: 8 MB with glibc, 512 KB on macOS, 128 KB with musl. */
enum { STACK_BYTES = 1 << 20 };

int hy_system_start_thread(pthread_t *thread, void *(*body)(void *), void *argument)
{
    pthread_attr_t attributes;
    int result = pthread_attr_init(&attributes);
    if (result != 0) return result;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigset_t all, old; /* a thread begins with the signals of the one that starts it */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    result = pthread_create(thread, &attributes, body, argument);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return result;
}

void hy_system_watch_forks(void (*before)(void), void (*in_parent)(void), void (*in_child)(void))
{
    pthread_atfork(before, in_parent, in_child);
}

bool hy_system_variable(const char *name, char *value, size_t bytes)
{
    const char *found = getenv(name);
    snprintf(value, bytes, "%s", found ? found : "");
    return *value;
}

/* False, and "", where the text does not fit. */
static bool fits(int length, char *text, size_t bytes)
{
    bool fit = length >= 0 && (size_t)length < bytes;
    if (!fit) *text = 0;
    return fit;
}

/* The XDG base directory specification: a path there that is not absolute is to be ignored. */
bool hy_system_cache_folder(char *path, size_t bytes)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *path = 0;
    if (cache && *cache == '/') return fits(snprintf(path, bytes, "%s", cache), path, bytes);
    return home && *home == '/' && fits(snprintf(path, bytes, "%s/.cache", home), path, bytes);
}

bool hy_system_own_folder(char *path, size_t bytes)
{
    Dl_info self;
    const char *slash = dladdr((void *)hy_system_own_folder, &self) && self.dli_fname ? strrchr(self.dli_fname, '/') : NULL;
    *path = 0;
    return slash && fits(snprintf(path, bytes, "%.*s", (int)(slash + 1 - self.dli_fname), self.dli_fname), path, bytes);
}

bool hy_system_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

FILE *hy_system_open(const char *path)
{
    return fopen(path, "re");
}

void hy_system_make_folders(const char *path)
{
    char *folder = strdup(path);
    for (char *slash = folder ? strchr(folder + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(folder, 0777);
        *slash = '/';
    }
    free(folder);
}

FILE *hy_system_create_beside(const char *path, char *name, size_t bytes)
{
    if (!fits(snprintf(name, bytes, "%s.XXXXXX", path), name, bytes)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    int descriptor = mkstemp(name);
    FILE *file = descriptor >= 0 && fchmod(descriptor, 0644) == 0 ? fdopen(descriptor, "w") : NULL;
    if (!file && descriptor >= 0) {
        int reason = errno;
        close(descriptor);
        unlink(name);
        errno = reason;
    }
    return file;
}

bool hy_system_replace(FILE *file, bool written, const char *name, const char *path)
{
    written = written && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int reason = errno;
    bool closed = fclose(file) == 0;
    if (written && !closed) reason = errno;
    if (written && closed) {
        if (rename(name, path) == 0) return true;
        reason = errno;
    }
    unlink(name);
    errno = reason;
    return false;
}

void *hy_system_load(const char *path, char *why, size_t bytes)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library) return library;
    const char *message = dlerror();
    size_t prefix = strlen(path); /* most of the messages repeat it */
    snprintf(why, bytes, "%s", strncmp(message, path, prefix) == 0 && message[prefix] == ':' ? message + prefix + 2 : message);
    return NULL;
}

void *hy_system_symbol(void *library, const char *name)
{
    return dlsym(library, name);
}

void hy_system_unload(void *library)
{
    dlclose(library);
}
#endif
