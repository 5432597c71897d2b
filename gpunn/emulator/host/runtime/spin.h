// Threads that look at memory again and again until another thread, often of another block, has changed it. They give the
// others their turn, and look again once it has changed.
#pragma once
#include "sides.h"

namespace gpunn_host {

constexpr int kMostRetries = 10000;            // of looking once more when nothing else moves: loops may count their tries
constexpr int kMostLoads = 1 << 16;            // between two stores: a loop that looks at several places

struct Look { uintptr_t address = 0, site = 0; uint64_t value = 0; int loads = 0; };
inline Look g_looks[kMaxThreads];              // of each thread of the running block the last

inline uint64_t value_at(uintptr_t address, int bytes) {
    uint64_t value = 0;
    memcpy(&value, reinterpret_cast<const void*>(address), bytes);
    return value;
}

inline bool has_changed(const Wait& wait) { return wait.bytes && value_at(wait.address, wait.bytes) != wait.seen; }

inline void wait_for_change(uintptr_t address, int bytes, uint64_t seen, uintptr_t site, int retry) {
    Wait mine = {address, site, seen, bytes, retry, nullptr};
    g.current->wait = &mine;
    g.current->state = kAtMemory;
    wait_in_scheduler();
    g.current->wait = nullptr;
}

// Called before each access of a kernel that may spin (kSpin).
inline void notice_spin(uintptr_t address, size_t bytes, bool write, AccessKind kind, uintptr_t site) {
    Look& last = g_looks[g.current->id];
    if ((write && kind != kAtomic) || bytes > 8) {
        last = Look();
        return;
    }
    uint64_t value = value_at(address, static_cast<int>(bytes));
    bool again = last.address == address && last.site == site && last.value == value;
    int loads = last.loads + 1;
    last = {address, site, value, loads % kMostLoads};
    if (again) wait_for_change(address, static_cast<int>(bytes), value, site, 1);
    else if (loads == kMostLoads) wait_for_change(address, 0, 0, site, 50);
    if (again && kind != kAtomic && has_changed({address, site, value, static_cast<int>(bytes), 0, nullptr}))
        order_atomic(address);                 // a volatile load that has waited for a store acquires as an atomic does
    last.value = value_at(address, static_cast<int>(bytes));
}

// Threads that would look once more do so. Whether there are any, and they have not for too long.
inline bool look_again() {
    if (g.retries >= kMostRetries) return false;
    int most = 0;
    for (Thread& t : g.threads) {
        if ((t.state != kAtMemory && t.state != kAtMbarrier) || !t.wait->retry) continue;
        most = std::max(most, t.wait->retry);
        t.state = kReady;
    }
    g.retries += most;
    return most != 0;
}

// Of a thread that waits for ever for memory to change.
[[gnu::cold]] inline Failure unmet_memory(const Thread& here) {
    const Wait& wait = *here.wait;
    Failure failure = in_words(wait.site, "waits for %s to change, which nothing can any more", wait.bytes ? "{memory}" : "memory");
    if (wait.bytes) name_memory(failure, wait.address, wait.bytes);
    if (g.launch.together > 1 || g.launch.grid[0] * uint64_t(g.launch.grid[1]) * g.launch.grid[2] == 1) return failure;
    failure.other_text = "blocks run one after the other here: if another is to change it, launch with cooperative=True";
    failure.other = kNobody;
    return failure;
}

}  // namespace gpunn_host

extern "C" void gpunn_await_change(const unsigned* address, unsigned seen, void* site) {
    using namespace gpunn_host;
    uintptr_t at = reinterpret_cast<uintptr_t>(address), where = reinterpret_cast<uintptr_t>(site);
    check_access(at, 4, false, where, kAtomic);
    if (*address != seen) return;
    do wait_for_change(at, 4, seen, where, 0);
    while (*address == seen);
    order_atomic(at);
}

extern "C" void gpunn_yield(void* site) {
    gpunn_host::wait_for_change(0, 0, 0, reinterpret_cast<uintptr_t>(site), 1);
}

extern "C" void gpunn_blocks_met(void) { gpunn_host::order_blocks(); }
