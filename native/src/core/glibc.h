/*
 * glibc.h: the oldest versions of functions that the C library has several of, so that the core runs where glibc is older than here: on 2.17, of 2012,
 * and all later ones; a test says so. The newer versions changed nothing that the core uses: threads and dlopen moved into libc (2.32, 2.34), and
 * exp, log and pow no longer set errno (2.29). Sanitizers put functions of their own in these places.
 */
#ifndef HY_CORE_GLIBC_H
#define HY_CORE_GLIBC_H

#include <stdint.h> /* as every header of glibc, says that it is glibc */

#if defined(__x86_64__)
#  define HY_OLDEST "GLIBC_2.2.5"
#elif defined(__aarch64__)
#  define HY_OLDEST "GLIBC_2.17"
#endif

#if defined(__GLIBC__) && defined(HY_OLDEST) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#  define HY_USE_OLDEST(function) __asm__(".symver " #function ", " #function "@" HY_OLDEST);
HY_USE_OLDEST(dladdr)
HY_USE_OLDEST(dlclose)
HY_USE_OLDEST(dlerror)
HY_USE_OLDEST(dlopen)
HY_USE_OLDEST(dlsym)
HY_USE_OLDEST(exp)
HY_USE_OLDEST(log)
HY_USE_OLDEST(pow)
HY_USE_OLDEST(pthread_attr_setstacksize)
HY_USE_OLDEST(pthread_create)
HY_USE_OLDEST(pthread_join)
HY_USE_OLDEST(pthread_mutex_trylock)
HY_USE_OLDEST(pthread_once)
HY_USE_OLDEST(pthread_rwlock_init)
HY_USE_OLDEST(pthread_rwlock_rdlock)
HY_USE_OLDEST(pthread_rwlock_unlock)
HY_USE_OLDEST(pthread_rwlock_wrlock)
HY_USE_OLDEST(pthread_sigmask)
#endif

#endif
