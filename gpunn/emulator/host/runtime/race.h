// Shared-memory races, found by rule instead of luck: two threads touch a byte, one of them writes, and no barrier of the
// block (or rendezvous of their warp) lies between.
#pragma once
#include "memory.h"

namespace gpunn_host {

struct Past { Stamp stamp; uintptr_t site; };
struct ByteHistory { Past writer, reader, other_reader; };   // two readers suffice: any writer races with one of them
inline std::vector<ByteHistory> g_dynamic_history, g_static_history;

inline void prepare_races(const Launch& launch) {
    g_dynamic_history.assign(launch.dynamic_shared, ByteHistory());
    g_static_history.assign(g_static_shared_bytes, ByteHistory());
}

inline bool races(const Past& past, uint32_t who) {
    return (past.stamp.who ^ who) >> 10 == 0 && !ordered(past.stamp, who);   // another block's are of another memory
}

[[noreturn]] inline void fail_race(const Past& past, bool past_write, uintptr_t address, size_t bytes, bool write,
                                   const Region& region, uintptr_t site) {
    Failure failure = {};
    failure.kind = kRaceFound;
    failure.parameter = region.kind;
    failure.offset = address - region.low;
    failure.extent = region.bytes;
    failure.bytes = bytes;
    failure.write = write;
    failure.other_write = past_write;
    failure.site = site;
    failure.other_site = past.site;
    copy_index(failure.other_thread, g.threads[past.stamp.who & 1023].index);
    fail(failure);
}

inline void check_race(uintptr_t address, size_t bytes, bool write, const Region& region, uintptr_t site) {
    bool dynamic = region.kind == kDynamicShared;
    std::vector<ByteHistory>& history = dynamic ? g_dynamic_history : g_static_history;
    uintptr_t base = reinterpret_cast<uintptr_t>(dynamic ? gpunn_dynamic_shared : g_static_shared);
    Past now = {{g_time, thread_stamp()}, site};
    uint32_t who = now.stamp.who;
    for (size_t i = address - base, end = i + bytes; i < end; i++) {
        ByteHistory& h = history[i];
        if (races(h.writer, who)) fail_race(h.writer, true, address, bytes, write, region, site);
        if (!write) {
            if (h.reader.stamp.who != who && races(h.reader, who)) h.other_reader = now;
            else h.reader = now;
            continue;
        }
        if (races(h.reader, who)) fail_race(h.reader, false, address, bytes, write, region, site);
        if (races(h.other_reader, who)) fail_race(h.other_reader, false, address, bytes, write, region, site);
        h.writer = now;
    }
}

}  // namespace gpunn_host
