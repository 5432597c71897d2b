// Counts a warp instruction at a time, as the profiler does: the lanes of a warp that execute one call site for the k-th
// time between two barriers are taken to execute it together.
#pragma once
#include <algorithm>
#include <unordered_map>
#include "memory.h"

namespace gpunn_host {

struct SiteCount {                    // mirrored by counters.py
    uint64_t site;
    int32_t shared, write;
    uint64_t instructions, lanes, bytes;
    uint64_t sectors, compulsory;     // global: 32-byte sectors touched; the fewest that could hold the distinct bytes
    uint64_t wavefronts, phases;      // shared: passes taken; passes without any bank conflict
};
struct Access { uintptr_t address; uintptr_t site; uint32_t occurrence; uint16_t bytes; uint8_t lane; bool write, shared; };

inline std::vector<Access> g_accesses[kMaxThreads / 32];
inline std::unordered_map<uintptr_t, uint32_t> g_occurrences[kMaxThreads];
inline std::unordered_map<uintptr_t, SiteCount> g_sites;
inline std::vector<SiteCount> g_site_list;

inline void record_access(uintptr_t address, size_t bytes, bool write, bool shared, uintptr_t site) {
    int id = g.current->id;
    uint32_t occurrence = g_occurrences[id][site * 2 + write]++;
    g_accesses[id / 32].push_back({address, site, occurrence, static_cast<uint16_t>(bytes), static_cast<uint8_t>(id & 31),
                                   write, shared});
}

inline void count_global(SiteCount& count, const Access* a, size_t n) {
    static std::vector<std::pair<uintptr_t, uintptr_t>> spans;
    spans.clear();
    for (size_t i = 0; i < n; i++) spans.push_back({a[i].address, a[i].address + a[i].bytes});
    std::sort(spans.begin(), spans.end());
    uint64_t distinct = 0, sectors = 0;
    uintptr_t covered = 0, next_sector = 0;
    for (auto [low, high] : spans) {
        distinct += high > covered ? high - std::max(low, covered) : 0;
        covered = std::max(covered, high);
        uintptr_t first = std::max(low / 32, next_sector), last = (high - 1) / 32;
        if (last >= first) sectors += last - first + 1, next_sector = last + 1;
    }
    count.sectors += sectors;
    count.compulsory += (distinct + 31) / 32;
}

// 32 banks of 4 bytes. Accesses of 8 and 16 bytes go in halves and quarters of a warp, each a pass of its own.
inline void count_shared(SiteCount& count, const Access* a, size_t n) {
    size_t widest = 4;
    for (size_t i = 0; i < n; i++) widest = std::max<size_t>(widest, a[i].bytes);
    int lanes_a_phase = widest <= 4 ? 32 : widest <= 8 ? 16 : 8;
    for (int phase = 0; phase < 32; phase += lanes_a_phase) {
        uintptr_t words[32 * 4];
        int word_count = 0;
        for (size_t i = 0; i < n; i++) {
            if (a[i].lane < phase || a[i].lane >= phase + lanes_a_phase) continue;
            for (uintptr_t w = a[i].address / 4; w <= (a[i].address + a[i].bytes - 1) / 4 && word_count < 128; w++)
                words[word_count++] = w;
        }
        if (!word_count) continue;
        std::sort(words, words + word_count);
        int distinct = static_cast<int>(std::unique(words, words + word_count) - words);   // equal words are broadcast
        int ways[32] = {}, worst = 0;
        for (int i = 0; i < distinct; i++) worst = std::max(worst, ++ways[words[i] & 31]);
        count.wavefronts += worst;
        count.phases += 1;
    }
}

inline void flush_warp(int warp) {
    std::vector<Access>& accesses = g_accesses[warp];
    std::sort(accesses.begin(), accesses.end(), [](const Access& x, const Access& y) {
        if (x.site != y.site) return x.site < y.site;
        if (x.write != y.write) return x.write < y.write;
        return x.occurrence != y.occurrence ? x.occurrence < y.occurrence : x.lane < y.lane;
    });
    for (size_t i = 0, end; i < accesses.size(); i = end) {
        const Access& first = accesses[i];
        for (end = i + 1; end < accesses.size() && accesses[end].site == first.site && accesses[end].write == first.write &&
                          accesses[end].occurrence == first.occurrence; end++) {}
        SiteCount& count = g_sites[first.site * 4 + first.write * 2 + first.shared];
        count.site = first.site;
        count.shared = first.shared;
        count.write = first.write;
        count.instructions++;
        count.lanes += end - i;
        for (size_t k = i; k < end; k++) count.bytes += accesses[k].bytes;
        if (first.shared) count_shared(count, &first, end - i);
        else count_global(count, &first, end - i);
    }
    accesses.clear();
}

inline void clear_counts() {
    g_sites.clear();
    for (auto& accesses : g_accesses) accesses.clear();
    for (auto& occurrences : g_occurrences) occurrences.clear();
}

// After each barrier of the block; a warp that has ended is flushed at once, so that long kernels do not pile up.
inline void flush_all_warps() {
    for (size_t warp = 0; warp * 32 < g.threads.size(); warp++) flush_warp(static_cast<int>(warp));
    for (size_t id = 0; id < g.threads.size(); id++) g_occurrences[id].clear();
}

inline void flush_ended_warp(int warp) {
    if (g.warps[warp].gone != g.warps[warp].exists) return;
    flush_warp(warp);
    for (int lane = 0; lane < 32; lane++) g_occurrences[warp * 32 + lane].clear();
}

}  // namespace gpunn_host

extern "C" size_t gpunn_counts(const gpunn_host::SiteCount** sites, uint64_t* barriers) {
    using namespace gpunn_host;
    g_site_list.clear();
    for (const auto& entry : g_sites) g_site_list.push_back(entry.second);
    *sites = g_site_list.data();
    *barriers = g.barriers;
    return g_site_list.size();
}
