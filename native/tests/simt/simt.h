// The SIMT emulator: runs CUDA kernels that a C++ compiler has compiled, one block after another, a thread of the block a fiber.
//
// A fiber runs until its thread waits: at a barrier of the block, or at a collective of the warp, which the last lane to arrive performs for
// all. What a GPU leaves undefined is reported as a launch failure: a thread that exits while others wait, lanes that disagree on a mask
// or an operation, shared memory touched outside a variable. Shared and device memory begin as 0xFF, which is NaN. Every other
// launch starts a block's threads in the opposite order, so that a result that depends on it differs between runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace simt {

constexpr int warp_lanes = 32;
constexpr int max_block = 1024;

struct Size {
    unsigned x, y, z;
};

/// Runs body once a thread of the grid. Returns "" or what went wrong.
std::string run_grid(Size grid, Size block, size_t dynamic_bytes, const std::function<void()> &body);

/// What one lane brings to a collective of its warp, and where it wants the result.
struct Lane {
    const void *in;
    void *out;
};

/// Performs a collective: lanes[i] is valid for the bits of the mask.
typedef void (*Collective)(const Lane *lanes, unsigned mask);

/// Waits until all lanes of the mask are here, has one of them perform the collective, and returns.
void collective(const char *name, Collective perform, unsigned mask, const void *in, void *out);

/// Waits for all threads of the block; returns how many gave a predicate that holds.
int block_barrier(int predicate);

/// The calling lane's number in its warp.
int lane();

/// Fails the launch; does not return.
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// The block's instance of a shared variable that is declared at `site`.
void *shared(const void *site, size_t bytes, size_t alignment);

/// The block's dynamic shared memory.
void *dynamic_shared();

/// Fails unless `bytes` at `address` lie within one shared variable of this block.
void expect_shared(const char *who, const void *address, size_t bytes);

/// cp.async: a copy into shared memory that happens when its group is waited for, `bytes` of it from `from` and zeros after them.
void copy_later(void *to, const void *from, size_t bytes, size_t total);
void commit_copies();
void wait_copies(int groups_left);

/// The address of a byte of this block's shared memory, as instructions know it; and what lies there, `bytes` within one variable.
unsigned shared_address(const void *p);
char *shared_at(const char *who, unsigned address, size_t bytes);

/// mbarrier. What is not synchronised shows in one of two launches: copies that a barrier counts happen at once in every other launch, and else when
/// somebody waits for them; products of a warpgroup the other way round.
void barrier_init(const void *barrier, unsigned arrivals);
void barrier_arrive(const void *barrier, size_t expected_bytes);
void barrier_wait(const void *barrier, unsigned parity);
void barrier_copy(const void *barrier, size_t bytes, std::function<void()> copy);

/// wgmma: the calling thread's share of a product.
void multiply_later(std::function<void()> multiply);
void commit_products();
void wait_products(int groups_left);

/// How many shares of products there were, ever.
size_t products();

} // namespace simt
