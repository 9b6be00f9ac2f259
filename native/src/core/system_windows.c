#ifdef _WIN32
#  include "core/system.h"

#  include <errno.h>
#  include <fcntl.h>
#  include <io.h>
#  include <malloc.h>
#  include <string.h>
#  include <sys/stat.h>
#  include <windows.h>

enum { MAX_PATH_UNITS = 4096, MAX_VARIABLE_UNITS = 32768 };

int32_t hy_system_processors(void)
{
    DWORD_PTR ours, all;
    int32_t count = 0;
    if (GetProcessAffinityMask(GetCurrentProcess(), &ours, &all))
        for (; ours; ours &= ours - 1) count++;
    return count > 0 ? count : 1;
}

int64_t hy_system_memory(void)
{
    MEMORYSTATUSEX status = {.dwLength = sizeof status};
    return GlobalMemoryStatusEx(&status) ? (int64_t)status.ullTotalPhys : 0;
}

/* Huge pages take a right that users seldom have; the alignment is kept all the same. */
void *hy_system_alloc(int64_t bytes)
{
    return _aligned_malloc((size_t)bytes, bytes >= HY_HUGE_PAGE ? (size_t)HY_HUGE_PAGE : 64);
}

void hy_system_free(void *data, int64_t bytes)
{
    (void)bytes;
    _aligned_free(data);
}

int hy_system_start_thread(pthread_t *thread, void *(*body)(void *), void *argument)
{
    return pthread_create(thread, NULL, body, argument);
}

void hy_system_watch_forks(void (*before)(void), void (*in_parent)(void), void (*in_child)(void))
{
    (void)before, (void)in_parent, (void)in_child;
}

/* UTF-8 to what the system's functions take; NULL, and errno, where it is none or too long. */
static const wchar_t *wide(const char *text, wchar_t units[MAX_PATH_UNITS])
{
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, units, MAX_PATH_UNITS) > 0) return units;
    errno = GetLastError() == ERROR_INSUFFICIENT_BUFFER ? ENAMETOOLONG : EINVAL;
    return NULL;
}

/* And back; false, and "", where it does not fit. */
static bool narrow(const wchar_t *units, char *text, size_t bytes)
{
    bool fit = WideCharToMultiByte(CP_UTF8, 0, units, -1, text, (int)bytes, NULL, NULL) > 0;
    if (!fit) *text = 0;
    return fit;
}

bool hy_system_variable(const char *name, char *value, size_t bytes)
{
    wchar_t units[MAX_VARIABLE_UNITS], wide_name[MAX_PATH_UNITS];
    const size_t fit = bytes / 3; /* a unit takes three bytes at most */
    *value = 0;
    if (!wide(name, wide_name)) return false;
    DWORD length = GetEnvironmentVariableW(wide_name, units, MAX_VARIABLE_UNITS);
    if (length >= fit) units[fit - 1] = 0;
    return length > 0 && narrow(units, value, bytes);
}

bool hy_system_cache_folder(char *path, size_t bytes)
{
    return hy_system_variable("LOCALAPPDATA", path, bytes);
}

bool hy_system_own_folder(char *path, size_t bytes)
{
    wchar_t units[MAX_PATH_UNITS];
    HMODULE self;
    *path = 0;
    if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, (LPCWSTR)(uintptr_t)hy_system_own_folder,
                            &self)) return false;
    DWORD length = GetModuleFileNameW(self, units, MAX_PATH_UNITS);
    if (length == 0 || length >= MAX_PATH_UNITS) return false;
    wchar_t *separator = wcsrchr(units, L'\\');
    if (separator) separator[1] = 0;
    return separator && narrow(units, path, bytes);
}

bool hy_system_exists(const char *path)
{
    wchar_t units[MAX_PATH_UNITS];
    return wide(path, units) && GetFileAttributesW(units) != INVALID_FILE_ATTRIBUTES;
}

FILE *hy_system_open(const char *path)
{
    wchar_t units[MAX_PATH_UNITS];
    return wide(path, units) ? _wfopen(units, L"rbN") : NULL; /* N: programs that this one starts do not inherit it */
}

void hy_system_make_folders(const char *path)
{
    wchar_t units[MAX_PATH_UNITS];
    if (!wide(path, units)) return;
    for (wchar_t *at = units + 1; *units && *at; at++) {
        if (*at != L'/' && *at != L'\\') continue;
        wchar_t separator = *at;
        *at = 0;
        CreateDirectoryW(units, NULL);
        *at = separator;
    }
}

FILE *hy_system_create_beside(const char *path, char *name, size_t bytes)
{
    wchar_t units[MAX_PATH_UNITS];
    int descriptor = -1;
    for (int i = 0; i < 100 && descriptor < 0; i++) {
        if (snprintf(name, bytes, "%s.%lu-%d", path, GetCurrentProcessId(), i) >= (int)bytes) {
            errno = ENAMETOOLONG;
            return NULL;
        }
        if (!wide(name, units)) return NULL;
        descriptor = _wopen(units, _O_CREAT | _O_EXCL | _O_WRONLY | _O_BINARY | _O_NOINHERIT, _S_IREAD | _S_IWRITE);
        if (descriptor < 0 && errno != EEXIST) return NULL;
    }
    return descriptor < 0 ? NULL : _fdopen(descriptor, "wb");
}

static int errno_of(DWORD error)
{
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND: return ENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION: return EACCES;
    case ERROR_DISK_FULL: return ENOSPC;
    default: return EIO;
    }
}

bool hy_system_replace(FILE *file, bool written, const char *name, const char *path)
{
    wchar_t from[MAX_PATH_UNITS], to[MAX_PATH_UNITS];
    written = written && fflush(file) == 0 && _commit(_fileno(file)) == 0;
    int reason = errno;
    bool closed = fclose(file) == 0;
    if (written && !closed) reason = errno;
    if (!wide(name, from)) return false; /* it was created, so it is not */
    if (written && closed) {
        if (!wide(path, to)) reason = errno;
        else if (MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) return true;
        else reason = errno_of(GetLastError());
    }
    DeleteFileW(from);
    errno = reason;
    return false;
}

void *hy_system_load(const char *path, char *why, size_t bytes)
{
    wchar_t units[MAX_PATH_UNITS];
    HMODULE library = wide(path, units) ? LoadLibraryW(units) : NULL;
    if (library) return library;
    DWORD error = GetLastError();
    DWORD length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, error, 0, units, MAX_PATH_UNITS, NULL);
    while (length > 0 && (units[length - 1] == L'\n' || units[length - 1] == L'\r' || units[length - 1] == L' ')) units[--length] = 0;
    if (length == 0 || !narrow(units, why, bytes)) snprintf(why, bytes, "error %lu of the system's", error);
    return NULL;
}

void *hy_system_symbol(void *library, const char *name)
{
    return (void *)(uintptr_t)GetProcAddress(library, name);
}

void hy_system_unload(void *library)
{
    FreeLibrary(library);
}
#endif
