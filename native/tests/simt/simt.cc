#include "simt.h"

#include <sys/mman.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#  include <sanitizer/asan_interface.h>
#  include <sanitizer/common_interface_defs.h>
#else
#  define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#  define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace simt {
namespace {

constexpr size_t stack_bytes = 256 << 10, static_limit = 48 << 10, arena_bytes = 512 << 10, redzone = 64;

struct Fiber {
    void *sp = nullptr;
    char *stack = nullptr;
    void *fake_stack = nullptr; // AddressSanitizer's
};

struct Copy {
    void *to;
    const void *from;
    size_t bytes, total;
};

struct Thread {
    enum State { ABSENT, RUNNING, AT_BARRIER, IN_COLLECTIVE, AT_MBARRIER, DONE } state = ABSENT;
    Fiber *fiber = nullptr;
    uint3 index{};
    std::vector<Copy> uncommitted;
    std::deque<std::vector<Copy>> groups;
    std::vector<std::function<void()>> uncommitted_products;
    std::deque<std::vector<std::function<void()>>> product_groups;
};

/// An mbarrier's current phase.
struct Mbarrier {
    unsigned arrivals = 0, missing = 0, parity = 0;
    long long bytes = 0; // expected and not here; below zero where copies come before who expects them
    std::vector<std::function<void()>> copies;
    std::vector<int> waiting;
};

/// Lanes of one mask on their way to one collective; groups of one warp have disjoint masks.
struct Group {
    unsigned mask = 0, arrived = 0;
    Collective perform = nullptr;
    const char *name = "";
    Lane lanes[warp_lanes];
};

struct Variable {
    const void *site;
    char *data;
    size_t bytes;
};

// One block runs at a time: cuda_runtime's fake holds a lock around run_grid.
struct Block {
    const std::function<void()> *body = nullptr;
    int size = 0, started = 0, done = 0, at_barrier = 0, predicates = 0, barrier_result = 0;
    bool reversed = false;
    Thread threads[max_block];
    Group groups[max_block / warp_lanes][warp_lanes];
    std::deque<int> ready;
    std::vector<Variable> variables;
    std::map<const void *, Mbarrier> mbarriers;
    size_t used = 0, static_bytes = 0, dynamic_bytes = 0;
    char *dynamic = nullptr;
    std::string failure;
} block;

Fiber scheduler;
Fiber *running = nullptr;
int current = -1;
std::vector<Fiber *> idle;
std::vector<Fiber *> &all = *new std::vector<Fiber *>; // never destroyed: fibers that a failure leaves waiting are no leak
alignas(1024) char arena[arena_bytes];
unsigned launches = 0;
size_t product_count = 0;

extern "C" void simt_switch(void **save, void *to);
asm(R"(
.text
.type simt_switch, @function
simt_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
.size simt_switch, .-simt_switch
)");

[[maybe_unused]] const void *scheduler_stack = nullptr;
[[maybe_unused]] size_t scheduler_stack_bytes = 0;

void switch_to(Fiber *from, Fiber *to)
{
#if defined(__SANITIZE_ADDRESS__)
    const bool home = to == &scheduler;
    __sanitizer_start_switch_fiber(&from->fake_stack, home ? scheduler_stack : to->stack, home ? scheduler_stack_bytes : stack_bytes);
#endif
    simt_switch(&from->sp, to->sp);
#if defined(__SANITIZE_ADDRESS__)
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(from->fake_stack, &bottom, &bytes);
    if (from != &scheduler) scheduler_stack = bottom, scheduler_stack_bytes = bytes; // another host thread may launch next
#endif
}

void run_started_thread(int t)
{
    current = t;
    Thread &thread = block.threads[t];
    thread.state = Thread::RUNNING;
    thread.fiber = running;
    threadIdx = thread.index;
    (*block.body)();
    thread.state = Thread::DONE;
    if (!thread.uncommitted_products.empty() || !thread.product_groups.empty()) fail("wgmma: a thread exits and has not waited for its products");
    thread.groups.clear();
    thread.uncommitted.clear();
    block.done++;
}

/// A fiber takes thread after thread; a thread that waits keeps it, and others go on in another fiber.
void fiber_main()
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_bytes);
#endif
    for (;;) {
        while (block.started < block.size && block.failure.empty()) {
            const int n = block.started++;
            run_started_thread(block.reversed ? block.size - 1 - n : n);
        }
        Fiber *self = running;
        idle.push_back(self);
        switch_to(self, &scheduler);
    }
}

Fiber *new_fiber()
{
    if (!idle.empty()) {
        Fiber *f = idle.back();
        idle.pop_back();
        return f;
    }
    Fiber *f = new Fiber;
    all.push_back(f);
    char *memory = static_cast<char *>(mmap(nullptr, stack_bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (memory == MAP_FAILED) abort();
    mprotect(memory, 4096, PROT_NONE); // a stack that overflows ends here
    f->stack = memory + 4096;
    void **top = reinterpret_cast<void **>(f->stack + stack_bytes) - 2;
    *top = reinterpret_cast<void *>(fiber_main); // what the first switch returns to, the stack aligned as after a call
    f->sp = top - 6;
    return f;
}

void resume(Fiber *f, int thread)
{
    running = f;
    current = thread;
    if (thread >= 0) threadIdx = block.threads[thread].index;
    switch_to(&scheduler, f);
}

void wait_in(Thread::State state)
{
    const int t = current;
    block.threads[t].state = state;
    switch_to(running, &scheduler);
    block.threads[t].state = Thread::RUNNING;
}

void describe_deadlock()
{
    int barrier = 0, collective = 0, mbarrier = 0;
    const char *name = "";
    for (int t = 0; t < block.size; t++) {
        barrier += block.threads[t].state == Thread::AT_BARRIER;
        mbarrier += block.threads[t].state == Thread::AT_MBARRIER;
        if (block.threads[t].state != Thread::IN_COLLECTIVE) continue;
        collective++;
        for (const Group &g : block.groups[t / warp_lanes])
            if (g.arrived) name = g.name;
    }
    char text[256];
    snprintf(text, sizeof text,
             "divergence: of %d threads in block (%u, %u, %u), %d wait at a barrier, %d in a collective (%s), %d have exited, %d wait at an mbarrier", block.size,
             blockIdx.x, blockIdx.y, blockIdx.z, barrier, collective, name, block.done, mbarrier);
    block.failure = text;
}

/// Whether every byte between the variables still is 0xFF.
void check_redzones()
{
    size_t at = 0;
    auto clean = [&](size_t end) {
        ASAN_UNPOISON_MEMORY_REGION(arena + at, end - at);
        for (; at < end; at++)
            if ((unsigned char)arena[at] != 0xFF) return false;
        return true;
    };
    bool fine = true;
    for (const Variable &v : block.variables) {
        fine = fine && clean((size_t)(v.data - arena));
        at = (size_t)(v.data - arena) + v.bytes;
    }
    fine = fine && clean(block.used);
    if (!fine) block.failure = "shared memory was written outside a variable";
}

void *place_variable(const void *site, size_t bytes, size_t alignment)
{
    const size_t start = (block.used + redzone + alignment - 1) / alignment * alignment, end = start + bytes + redzone;
    if (end > arena_bytes) fail("%zu bytes of shared memory", end);
    memset(arena + block.used, 0xFF, end - block.used);
    block.variables.push_back({site, arena + start, bytes});
    ASAN_POISON_MEMORY_REGION(arena + block.used, start - block.used);
    ASAN_POISON_MEMORY_REGION(arena + start + bytes, redzone);
    block.used = end;
    return arena + start;
}

void run_block()
{
    block.started = block.done = block.at_barrier = block.predicates = 0;
    block.variables.clear();
    block.mbarriers.clear();
    block.ready.clear();
    block.static_bytes = block.used = 0;
    ASAN_UNPOISON_MEMORY_REGION(arena, arena_bytes);
    block.dynamic = nullptr;
    if (block.dynamic_bytes) block.dynamic = static_cast<char *>(place_variable(nullptr, block.dynamic_bytes, 128));
    for (int t = 0; t < block.size; t++) {
        block.threads[t].state = Thread::ABSENT;
        block.threads[t].uncommitted_products.clear(); // of a launch that failed
        block.threads[t].product_groups.clear();
    }
    for (int w = 0; w < (block.size + warp_lanes - 1) / warp_lanes; w++)
        for (Group &g : block.groups[w]) g.mask = g.arrived = 0;
    while (block.failure.empty() && block.done < block.size) {
        if (!block.ready.empty()) {
            const int t = block.ready.front();
            block.ready.pop_front();
            resume(block.threads[t].fiber, t);
        } else if (block.started < block.size) {
            resume(new_fiber(), -1);
        } else {
            describe_deadlock();
        }
    }
    if (block.failure.empty()) check_redzones();
    ASAN_UNPOISON_MEMORY_REGION(arena, arena_bytes);
}

} // namespace

std::string run_grid(Size grid, Size size, size_t dynamic_bytes, const std::function<void()> &body)
{
    block.body = &body;
    block.size = (int)(size.x * size.y * size.z);
    block.dynamic_bytes = dynamic_bytes;
    block.reversed = launches++ % 2;
    block.failure.clear();
    for (int t = 0; t < block.size; t++) {
        const unsigned n = (unsigned)t;
        block.threads[t].index = {n % size.x, n / size.x % size.y, n / size.x / size.y};
    }
    gridDim = dim3(grid.x, grid.y, grid.z);
    blockDim = dim3(size.x, size.y, size.z);
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
                run_block();
                if (!block.failure.empty()) return block.failure; // the fibers that still wait are lost, which a failed test can afford
            }
    return "";
}

void fail(const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (block.failure.empty()) block.failure = text;
    switch_to(running, &scheduler);
    abort(); // nobody resumes it
}

int lane() { return current % warp_lanes; }

void collective(const char *name, Collective perform, unsigned mask, const void *in, void *out)
{
    const int me = lane(), warp = current / warp_lanes;
    if (!(mask >> me & 1)) fail("%s: lane %d is not in its own mask %08x", name, me, mask);
    const int lanes = block.size - warp * warp_lanes;
    if (lanes < warp_lanes && mask >> lanes) fail("%s: mask %08x names lanes that a warp of %d has not", name, mask, lanes);
    Group &g = block.groups[warp][__builtin_ctz(mask)];
    if (g.arrived == 0) g.mask = mask, g.perform = perform, g.name = name;
    if (g.mask != mask) fail("%s: lanes disagree on the mask, %08x and %08x", name, mask, g.mask);
    if (g.perform != perform) fail("lanes of one mask are in different collectives, %s and %s", name, g.name);
    g.lanes[me] = {in, out};
    g.arrived |= 1u << me;
    if (g.arrived != mask) return wait_in(Thread::IN_COLLECTIVE);
    perform(g.lanes, mask);
    g.arrived = 0;
    for (int i = 0; i < warp_lanes; i++)
        if (i != me && (mask >> i & 1)) block.ready.push_back(warp * warp_lanes + i);
}

int block_barrier(int predicate)
{
    block.predicates += predicate != 0;
    if (++block.at_barrier < block.size) {
        wait_in(Thread::AT_BARRIER);
        return block.barrier_result;
    }
    block.barrier_result = block.predicates;
    block.at_barrier = block.predicates = 0;
    for (int t = 0; t < block.size; t++)
        if (t != current) block.ready.push_back(t);
    return block.barrier_result;
}

void *shared(const void *site, size_t bytes, size_t alignment)
{
    for (const Variable &v : block.variables)
        if (v.site == site) return v.data;
    block.static_bytes += bytes;
    if (block.static_bytes > static_limit) fail("%zu bytes of static shared memory, at most %zu", block.static_bytes, static_limit);
    return place_variable(site, bytes, alignment);
}

void *dynamic_shared() { return block.dynamic; }

void expect_shared(const char *who, const void *address, size_t bytes)
{
    const char *p = static_cast<const char *>(address);
    for (const Variable &v : block.variables)
        if (p >= v.data && p + bytes <= v.data + v.bytes) return;
    fail("%s: %zu bytes at %p lie in no shared variable", who, bytes, address);
}

void copy_later(void *to, const void *from, size_t bytes, size_t total)
{
    expect_shared("cp.async", to, total);
    if ((uintptr_t)to % total || (bytes && (uintptr_t)from % total)) fail("cp.async: an address is not aligned to %zu bytes", total);
    block.threads[current].uncommitted.push_back({to, from, bytes, total});
}

void commit_copies()
{
    Thread &t = block.threads[current];
    t.groups.push_back(std::move(t.uncommitted));
    t.uncommitted.clear();
}

void wait_copies(int groups_left)
{
    Thread &t = block.threads[current];
    for (; (int)t.groups.size() > groups_left; t.groups.pop_front())
        for (const Copy &c : t.groups.front()) {
            if (c.bytes) memcpy(c.to, c.from, c.bytes);
            memset(static_cast<char *>(c.to) + c.bytes, 0, c.total - c.bytes);
        }
}

unsigned shared_address(const void *p)
{
    expect_shared("an address", p, 1);
    return (unsigned)(static_cast<const char *>(p) - arena);
}

char *shared_at(const char *who, unsigned address, size_t bytes)
{
    expect_shared(who, arena + address, bytes);
    return arena + address;
}

static Mbarrier &mbarrier_at(const void *barrier)
{
    const auto b = block.mbarriers.find(barrier);
    if (b == block.mbarriers.end()) fail("mbarrier: the one at %p was not initialised", barrier);
    return b->second;
}

/// Ends the phase if nothing is missing.
static void settle(Mbarrier &b)
{
    if (b.missing) return;
    if (!b.waiting.empty()) {
        for (const auto &copy : b.copies) copy();
        b.copies.clear();
    }
    if (b.bytes || !b.copies.empty()) return;
    b.parity ^= 1;
    b.missing = b.arrivals;
    block.ready.insert(block.ready.end(), b.waiting.begin(), b.waiting.end());
    b.waiting.clear();
}

void barrier_init(const void *barrier, unsigned arrivals)
{
    expect_shared("mbarrier.init", barrier, 8);
    if ((uintptr_t)barrier % 8) fail("mbarrier.init: the barrier is not aligned to 8 bytes");
    Mbarrier b;
    b.arrivals = b.missing = arrivals;
    if (!block.mbarriers.emplace(barrier, std::move(b)).second) fail("mbarrier.init: the barrier is in use");
}

void barrier_arrive(const void *barrier, size_t expected_bytes)
{
    Mbarrier &b = mbarrier_at(barrier);
    if (!b.missing) fail("mbarrier.arrive: all %u threads of the phase have arrived", b.arrivals);
    b.missing--;
    b.bytes += (long long)expected_bytes;
    settle(b);
}

void barrier_wait(const void *barrier, unsigned parity)
{
    Mbarrier &b = mbarrier_at(barrier);
    if (b.parity == parity) {
        b.waiting.push_back(current);
        settle(b);
        if (b.parity != parity) { // it was the last thing missing: the others are on their way
            for (auto r = block.ready.begin(); r != block.ready.end(); ++r)
                if (*r == current) {
                    block.ready.erase(r);
                    break;
                }
            return;
        }
        wait_in(Thread::AT_MBARRIER);
        if (b.parity == parity) fail("mbarrier: a thread wakes when the phase after the one that it waited for has ended");
    }
}

void barrier_copy(const void *barrier, size_t bytes, std::function<void()> copy)
{
    Mbarrier &b = mbarrier_at(barrier);
    b.copies.push_back([&b, bytes, copy = std::move(copy)] {
        copy();
        b.bytes -= (long long)bytes;
    });
    if (!block.reversed) {
        b.copies.back()();
        b.copies.pop_back();
    }
    settle(b);
}

void multiply_later(std::function<void()> multiply)
{
    product_count++;
    auto &products = block.threads[current].uncommitted_products;
    products.push_back(std::move(multiply)); // first, so that it is no leak where it fails
    if (!block.reversed) return;
    products.back()();
    products.back() = [] {};
}

void commit_products()
{
    Thread &t = block.threads[current];
    t.product_groups.push_back(std::move(t.uncommitted_products));
    t.uncommitted_products.clear();
}

void wait_products(int groups_left)
{
    Thread &t = block.threads[current];
    for (; (int)t.product_groups.size() > groups_left; t.product_groups.pop_front())
        for (const auto &multiply : t.product_groups.front()) multiply();
}

size_t products() { return product_count; }

} // namespace simt
