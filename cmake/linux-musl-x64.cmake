# Compiles for Linux on x86-64 with musl in glibc's place (Alpine), with Debian's musl-tools. That has no C++ library, so of the tests only those in C
# are built; what they make runs here as it is.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER musl-gcc)
set(CMAKE_FIND_ROOT_PATH /usr/lib/x86_64-linux-musl /usr/include/x86_64-linux-musl)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(HYBRID_TESTS OFF CACHE BOOL "Build the native tests (GoogleTest)")
