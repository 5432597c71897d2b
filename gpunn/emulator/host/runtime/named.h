// Named barriers (bar.sync and bar.arrive of a number and a count): some of a block's warps meet, or show others what they
// have done.
#pragma once
#include <bitset>
#include "sides.h"

namespace gpunn_host {

struct Named {
    int threads = 0, came = 0, first = 0;
    uintptr_t site = 0;                        // where the first came
    std::bitset<kMaxThreads> who;
    Meeting meeting;
};
struct NamedBarriers { Named all[16]; bool used = false; };
inline NamedBarriers g_named;

inline void start_named_barriers() {
    if (g_named.used) g_named = NamedBarriers();
}

[[gnu::cold]] inline void check_named(const Named& barrier, int number, int threads, uintptr_t site) {
    int total = static_cast<int>(g.threads.size());
    if (number < 1 || number > 15)
        fail(in_words(site, "there is no named barrier %d; expected 1 to 15 (0 is __syncthreads's)", number));
    if (threads < 32 || threads % 32 || threads > (total + 31) / 32 * 32)
        fail(in_words(site, "named barrier %d for %d threads: expected a multiple of 32, at most the block's %d", number,
                      threads, total));
    if (barrier.came && barrier.threads != threads) {
        Failure failure = in_words(site, "comes to named barrier %d for %d threads", number, threads);
        static char did[60];
        snprintf(did, sizeof did, "came to it for %d", barrier.threads);
        add_side(failure, g.threads[barrier.first], did, barrier.site);
        fail(failure);
    }
    if (barrier.who[g.current->id])
        fail(in_words(site, "comes to named barrier %d twice before its %d threads have come (%d have): more arrivals than "
                      "the count; wait for another barrier in between", number, threads, barrier.came));
}

inline void come_to_named(int number, int threads, bool wait, uintptr_t site) {
    bool fits = number >= 1 && number <= 15;
    Named& barrier = g_named.all[fits ? number : 0];
    check_named(barrier, number, threads, site);
    g_named.used = true;
    int id = g.current->id;
    if (!barrier.came++) barrier.threads = threads, barrier.first = id, barrier.site = site;
    barrier.who[id] = true;
    order_arrive(barrier.meeting);
    g.retries = 0;
    Meeting met;
    Wait mine = {static_cast<uintptr_t>(number), site, 0, 0, 0, &met};
    if (barrier.came < threads) {
        if (!wait) return;
        g.current->wait = &mine;
        g.current->state = kAtNamed;
        wait_in_scheduler();
        g.current->wait = nullptr;
    } else {
        met = barrier.meeting;
        for (Thread& t : g.threads) {
            if (t.state != kAtNamed || t.wait->address != mine.address) continue;
            *t.wait->meeting = met;
            t.state = kReady;
        }
        barrier = Named();
    }
    if (wait) order_wait(met);
}

// Of a thread that waits for ever at a named barrier.
[[gnu::cold]] inline Failure unmet_named(const Thread& here) {
    const Named& barrier = g_named.all[here.wait->address];
    Failure failure = in_words(here.wait->site, "waits for named barrier %d, which can never open: %d of its %d threads have come",
                               static_cast<int>(here.wait->address), barrier.came, barrier.threads);
    const Thread* absent = nullptr;
    for (const Thread& t : g.threads)
        if (!barrier.who[t.id] && (!absent || (absent->state == kDone && t.state != kDone))) absent = &t;
    if (absent) add_side(failure, *absent);
    return failure;
}

}  // namespace gpunn_host

extern "C" void gpunn_named_barrier(int number, int threads, int wait, void* site) {
    gpunn_host::come_to_named(number, threads, wait, reinterpret_cast<uintptr_t>(site));
}
