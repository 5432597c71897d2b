// cp.async: hardware may deliver a copy at any time between its issue and its wait. Here it comes at the wait, or in a strict
// launch's later runs at once; a kernel's results must not tell which.
#pragma once
#include "memory.h"

namespace gpunn_host {

struct Copy { char* to; const char* from; int bytes, source_bytes, group; uintptr_t site; };
struct CopyQueue { std::vector<Copy> copies; int group = 0; };
inline CopyQueue g_copies[kMaxThreads];
inline bool g_any_copies;   // of this launch: whether it could tell early from late

inline void arrive(const Copy& copy) {
    memcpy(copy.to, copy.from, copy.source_bytes);
    memset(copy.to + copy.source_bytes, 0, copy.bytes - copy.source_bytes);
}

inline void deliver(CopyQueue& queue, int groups_left) {
    int last = groups_left < 0 ? queue.group : queue.group - 1 - groups_left;   // the open group is number `group`
    size_t kept = 0;
    for (const Copy& copy : queue.copies) {
        if (copy.group > last) {
            queue.copies[kept++] = copy;
            continue;
        }
        check_access(reinterpret_cast<uintptr_t>(copy.to), copy.bytes, true, copy.site, kLate);
        if (copy.source_bytes) check_access(reinterpret_cast<uintptr_t>(copy.from), copy.source_bytes, false, copy.site + 1, kLate);
        if (!(g.launch.checks & kEarly)) arrive(copy);
    }
    queue.copies.resize(kept);
}

}  // namespace gpunn_host

extern "C" void gpunn_cp_async(void* shared, const void* global, int bytes, int source_bytes, void* site) {
    using namespace gpunn_host;
    uintptr_t where = reinterpret_cast<uintptr_t>(site);
    if ((bytes != 4 && bytes != 8 && bytes != 16) || source_bytes < 0 || source_bytes > bytes) {
        Failure failure = {};
        failure.kind = kAsyncShape;
        failure.bytes = bytes;
        failure.extent = source_bytes;
        failure.site = where;
        fail(failure);
    }
    check_access(reinterpret_cast<uintptr_t>(shared), bytes, true, where, kIssued);
    if (source_bytes) check_access(reinterpret_cast<uintptr_t>(global), source_bytes, false, where + 1);
    CopyQueue& queue = g_copies[g.current->id];
    queue.copies.push_back({static_cast<char*>(shared), static_cast<const char*>(global), bytes, source_bytes, queue.group, where});
    if (g.launch.checks & kEarly) arrive(queue.copies.back());
    g_any_copies = true;
}

extern "C" int gpunn_arrives_early(void) {
    gpunn_host::g_any_copies = true;
    return gpunn_host::g.launch.checks & gpunn_host::kEarly;
}

extern "C" int gpunn_any_copies(void) { return gpunn_host::g_any_copies; }

extern "C" void gpunn_cp_async_commit(void) { gpunn_host::g_copies[gpunn_host::g.current->id].group++; }

extern "C" void gpunn_cp_async_wait(int groups_left) {
    gpunn_host::deliver(gpunn_host::g_copies[gpunn_host::g.current->id], groups_left);
}
