// mbarriers: eight bytes of shared memory that count arrivals. A phase ends when as many have come as the barrier was made
// for, and the next begins at once; who waits names the parity of the phase that it waits for.
#pragma once
#include "async.h"
#include "sides.h"

namespace gpunn_host {

struct Mbarrier {
    uintptr_t address;
    int count, pending;
    uint64_t phase;
    Meeting arriving, ended;                   // what was done before the arrivals of this phase; of the last
    int maker;                                 // the thread that made it, where and when
    uintptr_t site;
    Stamp made;
};
struct LateArrival { uintptr_t barrier, site; int thread; };
struct Mbarriers { std::vector<Mbarrier> all; std::vector<LateArrival> late; };
inline Mbarriers g_mbarriers;

inline void start_mbarriers() {
    g_mbarriers.all.clear();
    g_mbarriers.late.clear();
}

// What its eight bytes hold, so that data written over them shows.
inline uint64_t mark_of(uintptr_t address) { return address * 0x9E3779B97F4A7C15ULL ^ 0x6D62617272696572ULL; }

inline Mbarrier* find_mbarrier(uintptr_t address) {
    for (Mbarrier& barrier : g_mbarriers.all)
        if (barrier.address == address) return &barrier;
    return nullptr;
}

[[noreturn]] [[gnu::cold]] inline void fail_mbarrier(uintptr_t address, uintptr_t site, const char* what, const Mbarrier* other) {
    Failure failure = in_words(site, "%s", what);
    name_memory(failure, address, 8);
    if (other) add_side(failure, g.threads[other->maker], "made it", other->site);
    fail(failure);
}

inline Mbarrier& live_mbarrier(uintptr_t address, uintptr_t site) {
    check_access(address, 8, false, site, kAtomic);
    Mbarrier* barrier = find_mbarrier(address);
    if (!barrier) fail_mbarrier(address, site, "uses {memory} as an mbarrier, which was never initialised (mbarrier_init)", nullptr);
    if (*reinterpret_cast<uint64_t*>(address) != mark_of(address))
        fail_mbarrier(address, site, "finds the mbarrier {memory} overwritten by data", barrier);
    if (g_block && !ordered(barrier->made, now_of_thread()))
        fail_mbarrier(address, site, "uses the mbarrier {memory} with no __syncthreads since", barrier);
    return *barrier;
}

inline void make_mbarrier(uintptr_t address, int count, uintptr_t site) {
    check_access(address, 8, true, site, kVolatile);
    if (count < 1 || count > (1 << 20) - 1)
        fail(in_words(site, "an mbarrier for %d arrivals: expected 1 to 1048575", count));
    if (Mbarrier* before = find_mbarrier(address))
        fail_mbarrier(address, site, "initialises {memory}, which is an mbarrier already", before);
    *reinterpret_cast<uint64_t*>(address) = mark_of(address);
    Stamp now = {};
    if (g_block) now = {g_time, thread_stamp()};
    g_mbarriers.all.push_back({address, count, count, 0, {}, {}, g.current->id, site, now});
}

inline void arrive_at(Mbarrier& barrier) {
    order_arrive(barrier.arriving);
    g.retries = 0;
    if (--barrier.pending) return;
    barrier.pending = barrier.count;
    barrier.phase++;
    barrier.ended = barrier.arriving;
    barrier.arriving = Meeting();
    for (Thread& t : g.threads) {
        if (t.state != kAtMbarrier || t.wait->address != barrier.address || barrier.phase <= t.wait->seen) continue;
        *t.wait->meeting = barrier.ended;
        t.state = kReady;
    }
}

// Copies of this thread that are still under way arrive with them: as late as anything can still move without them.
inline void arrive_with_copies(Mbarrier& barrier, uintptr_t site) {
    if (g.launch.checks & kEarly) deliver(g_copies[g.current->id], -1);
    if (g_copies[g.current->id].copies.empty()) arrive_at(barrier);
    else g_mbarriers.late.push_back({barrier.address, site, g.current->id});
}

inline bool deliver_late_arrivals() {
    if (g_mbarriers.late.empty()) return false;
    std::vector<LateArrival> late;
    late.swap(g_mbarriers.late);
    for (const LateArrival& arrival : late) {
        g.current = &g.threads[arrival.thread];
        deliver(g_copies[arrival.thread], -1);
        arrive_at(*find_mbarrier(arrival.barrier));
    }
    return true;
}

inline bool wait_at(Mbarrier& barrier, int parity, bool forever, uintptr_t site) {
    uint64_t ends = barrier.phase;
    uintptr_t address = barrier.address;
    Meeting met = barrier.ended;
    if ((barrier.phase & 1) == uint64_t(parity & 1)) {
        Wait mine = {address, site, ends, 0, forever ? 0 : 1, &met};
        g.current->wait = &mine;
        g.current->state = kAtMbarrier;
        wait_in_scheduler();
        g.current->wait = nullptr;
        uint64_t now = find_mbarrier(address)->phase;   // the list may have grown
        if (now == ends) return false;
        if (now > ends + 1)
            fail_mbarrier(address, site, "waits for a phase of the mbarrier {memory}, of which two have ended before it went on: "
                          "on a GPU it may wait for ever; let it arrive at a barrier that the others wait for", nullptr);
    }
    order_wait(met);
    return true;
}

// Of a thread that waits for ever at an mbarrier.
[[gnu::cold]] inline Failure unmet_mbarrier(const Thread& here) {
    const Mbarrier& barrier = *find_mbarrier(here.wait->address);
    Failure failure = in_words(here.wait->site, "waits for the mbarrier {memory}, whose phase %llu can never end: %d of its %d "
                               "arrivals have come", static_cast<unsigned long long>(barrier.phase),
                               barrier.count - barrier.pending, barrier.count);
    name_memory(failure, barrier.address, 8);
    const Thread* absent = nullptr;                      // one that waits elsewhere, rather than one that has ended
    for (const Thread& t : g.threads) {
        if (t.state == kAtMbarrier && t.wait->address == here.wait->address) continue;
        if (!absent || (absent->state == kDone && t.state != kDone)) absent = &t;
    }
    if (absent) add_side(failure, *absent);
    return failure;
}

}  // namespace gpunn_host

extern "C" void gpunn_mbarrier_init(void* barrier, int count, void* site) {
    gpunn_host::make_mbarrier(reinterpret_cast<uintptr_t>(barrier), count, reinterpret_cast<uintptr_t>(site));
}

extern "C" void gpunn_mbarrier_arrive(void* barrier, int with_copies, void* site) {
    using namespace gpunn_host;
    uintptr_t where = reinterpret_cast<uintptr_t>(site);
    Mbarrier& found = live_mbarrier(reinterpret_cast<uintptr_t>(barrier), where);
    if (with_copies) arrive_with_copies(found, where);
    else arrive_at(found);
}

extern "C" int gpunn_mbarrier_wait(void* barrier, int parity, int forever, void* site) {
    using namespace gpunn_host;
    uintptr_t where = reinterpret_cast<uintptr_t>(site);
    return wait_at(live_mbarrier(reinterpret_cast<uintptr_t>(barrier), where), parity, forever, where);
}
