// What happens before what: the order that barriers, fences and atomics make among the accesses of a launch.
//
// Time is one counter, which each of these events moves on; an access is stamped with the time, its block and its thread.
// What may make order calls one function here, named order_*, which does nothing unless races are looked for; race.h asks
// `ordered`. Only order that the kernel makes counts, not the turns in which blocks and threads happen to run here.
#pragma once
#include <algorithm>
#include <unordered_map>
#include <utility>
#include "state.h"

namespace gpunn_host {

struct Stamp { uint32_t time, who; };          // who: the block's number, and its thread in the low 10 bits; time 0: nobody
constexpr uint32_t kBlockNumbers = 1u << 22;   // beyond these they begin anew

struct Release;
typedef std::vector<Release> Log;              // what was released at one atomic, in order
struct Acquired { const Log* log; size_t entries; };
// What a block shows to whoever reads its atomic: all accesses before `all`, those of thread t before own[t], and all that the
// block had acquired itself.
struct Shown { uint32_t all = 0; std::vector<uint32_t> own; };
struct Release { uint32_t block; Shown shown; std::vector<Acquired> acquired; };
struct Pending { uint32_t thread, time; Acquired acquired; };   // an atomic has read, and a fence has yet to follow
struct Fence { uint32_t time, met, warp; };    // of one thread: when, and what was behind its block's and its warp's barriers

// An mbarrier's phase, or a named barrier at which some arrive and others wait: what those who arrived had done.
struct Meeting { uint32_t seen[32] = {}; };

struct SharedShadow;                           // race.h
void give_back_shadow(SharedShadow* shadow);

struct BlockOrder {
    uint32_t number = 0;
    uint32_t met = 0;                          // when all of its threads met last
    uint32_t warp[32] = {};                    // when the lanes of a warp met last
    uint32_t seen[32][32] = {};                // by some warps' meetings: warp i comes after what warp j did before [i][j]
    bool some_met = false;                     // whether any of those is set
    bool fenced = false;                       // whether a thread has fenced since the block began
    bool fenced_since = false;                 // or since all met last
    Fence fences[kMaxThreads] = {};            // of each thread the last
    Shown shown;                               // by fences before the last meeting: any thread's atomic releases this
    std::vector<Pending> pending;
    std::vector<Acquired> acquired;
    bool stale = false;                        // whether something was acquired that `others` does not have yet
    std::unordered_map<uint32_t, Shown> others;
    SharedShadow* shadow = nullptr;
    ~BlockOrder() { if (shadow) give_back_shadow(shadow); }
};

inline uint32_t g_time, g_all_met, g_began;    // now; when all blocks met last; when the launch began
inline BlockOrder* g_block;                    // the running block's
inline std::unordered_map<uint32_t, BlockOrder> g_blocks;
inline std::unordered_map<uintptr_t, Log> g_logs;   // by the atomic's address
inline Failure g_unwritten;                    // the first read of what nobody wrote, of all of an access if there is one

inline uint32_t thread_stamp() { return g_block->number << 10 | static_cast<uint32_t>(g.current->id); }
inline void raise(uint32_t& to, uint32_t value) { to = std::max(to, value); }

inline void order_new_launch() {
    g_blocks.clear();
    g_logs.clear();
    g_block = nullptr;
    g_all_met = g_began = ++g_time;
    g_unwritten = {};
}

// A block begins, or goes on: what follows is its doing. Its number is its place in the grid, x first.
inline void order_enter_block(uint64_t place) {
    if (!(g.launch.checks & kRace)) return;
    uint32_t number = static_cast<uint32_t>(place % kBlockNumbers);
    auto [found, is_new] = g_blocks.try_emplace(number);
    g_block = &found->second;
    if (is_new) g_block->number = number, g_block->met = ++g_time;
}

inline void order_leave_block() {
    if (!g_block) return;
    g_blocks.erase(g_block->number);
    g_block = nullptr;
}

inline void show_fences(int first, int last) {
    std::vector<uint32_t>& own = g_block->shown.own;
    own.resize(g.threads.size());
    for (int t = first; t < last; t++) {
        raise(own[t], g_block->fences[t].time);
        raise(g_block->shown.all, g_block->fences[t].met);
        if (g_block->fences[t].warp <= g_block->fences[t].met) continue;
        for (int mate = t & ~31; mate < std::min(last, (t | 31) + 1); mate++) raise(own[mate], g_block->fences[t].warp);
    }
}

// All threads of the running block have met (__syncthreads).
inline void order_threads() {
    if (!g_block) return;
    if (g_block->fenced_since) show_fences(0, static_cast<int>(g.threads.size()));
    g_block->fenced_since = false;
    g_block->met = ++g_time;
}

// Lanes of a warp have met (__syncwarp, a shuffle, a vote).
inline void order_warp(int warp) {
    if (g_block) g_block->warp[warp] = ++g_time;
}

// What warp `to` comes after, from now on, of what warp `of` did.
inline void see(int to, int of, uint32_t time) { raise(g_block->seen[to][of], time); }

// The running thread arrives (mbarrier.arrive, bar.arrive): whoever waits at the meeting comes after what its warp has done.
inline void order_arrive(Meeting& meeting) {
    if (!g_block) return;
    int mine = g.current->id / 32;
    for (int warp = 0; warp < 32; warp++) raise(meeting.seen[warp], std::max(g_block->met, g_block->seen[mine][warp]));
    meeting.seen[mine] = ++g_time;
    if (g_block->fenced_since) show_fences(mine * 32, std::min<int>(mine * 32 + 32, g.threads.size()));
}

// The running thread has waited for the meeting (mbarrier.try_wait that succeeds).
inline void order_wait(const Meeting& meeting) {
    if (!g_block) return;
    for (int warp = 0; warp < 32; warp++) see(g.current->id / 32, warp, meeting.seen[warp]);
    g_block->some_met = true;
}

// All blocks of the grid have met (a cooperative launch's grid barrier).
inline void order_blocks() { g_all_met = ++g_time; }

// The running thread fences (__threadfence): its atomics release what came before, and what they read is acquired.
inline void order_fence() {
    if (!g_block) return;
    BlockOrder& b = *g_block;
    uint32_t id = static_cast<uint32_t>(g.current->id);
    b.fenced = b.fenced_since = true;
    b.fences[id] = {++g_time, b.met, b.warp[id / 32]};
    size_t kept = 0;
    for (const Pending& p : b.pending) {
        if (p.thread != id && p.time >= b.met) b.pending[kept++] = p;
        else b.acquired.push_back(p.acquired), b.stale = true;
    }
    b.pending.resize(kept);
}

// What the running thread's atomic releases.
inline Shown shown_by_thread() {
    const BlockOrder& b = *g_block;
    int id = g.current->id, warp = id / 32, total = static_cast<int>(g.threads.size());
    const Fence& fence = b.fences[id];
    Shown shown = b.shown;
    shown.own.resize(total);
    raise(shown.all, fence.met);
    for (int t = warp * 32; t < std::min(total, warp * 32 + 32); t++) raise(shown.own[t], fence.warp);
    raise(shown.own[id], fence.time);
    for (int t = 0; b.some_met && fence.time && t < total; t++) raise(shown.own[t], std::min(fence.time, b.seen[warp][t / 32]));
    return shown;
}

// The running thread has made an atomic at this address, or one that only loads, or a volatile access.
inline void order_atomic(uintptr_t address, bool write = true) {
    if (!g_block) return;
    BlockOrder& b = *g_block;
    auto found = g_logs.find(address);
    if (found != g_logs.end() && !found->second.empty())
        b.pending.push_back({static_cast<uint32_t>(g.current->id), g_time, {&found->second, found->second.size()}});
    if (!b.fenced || !write) return;
    Log& log = g_logs[address];
    // A block that comes again adds to its last entry, so that a thousand threads' atomics do not make a thousand.
    if (log.empty() || log.back().block != b.number) log.push_back({b.number, {}, {}});
    Release& mine = log.back();
    Shown shown = shown_by_thread();
    raise(mine.shown.all, shown.all);
    mine.shown.own.resize(shown.own.size());
    for (size_t t = 0; t < shown.own.size(); t++) raise(mine.shown.own[t], shown.own[t]);
    mine.acquired = b.acquired;
    ++g_time;
}

// Adds up what the running block has acquired, and what those had from whom it did.
[[gnu::cold]] inline void look_at_others() {
    std::unordered_map<const Log*, size_t> read;
    std::vector<Acquired> left = g_block->acquired;
    while (!left.empty()) {
        Acquired next = left.back();
        left.pop_back();
        size_t& done = read[next.log];
        for (; done < next.entries; done++) {
            const Release& release = (*next.log)[done];
            Shown& known = g_block->others[release.block];
            raise(known.all, release.shown.all);
            known.own.resize(g.threads.size());
            for (size_t t = 0; t < release.shown.own.size(); t++) raise(known.own[t], release.shown.own[t]);
            left.insert(left.end(), release.acquired.begin(), release.acquired.end());
        }
    }
    g_block->stale = false;
}

inline bool ordered_by_others(const Stamp& past) {
    if (g_block->stale) look_at_others();
    auto found = g_block->others.find(past.who >> 10);
    if (found == g_block->others.end()) return false;
    return past.time < found->second.all || past.time < found->second.own[past.who & 1023];
}

// The running thread's present: its stamp, and what it comes after.
struct Now { Stamp stamp; uint32_t all_met, met, warp; bool some_met; };

inline Now now_of_thread() {
    return {{g_time, thread_stamp()}, g_all_met, g_block->met, g_block->warp[g.current->id / 32], g_block->some_met};
}

// Whether what was done then happens before what the running thread does now. Asked for every byte that a kernel touches.
[[gnu::always_inline]] inline bool ordered(const Stamp& past, const Now& now) {
    uint32_t apart = past.who ^ now.stamp.who;
    if (!apart || past.time < now.all_met) return true;
    if (apart >> 10) return ordered_by_others(past);
    if (past.time < now.met || (!(apart >> 5) && past.time < now.warp)) return true;
    return now.some_met && past.time < g_block->seen[(now.stamp.who & 1023) / 32][(past.who & 1023) / 32];
}

}  // namespace gpunn_host

extern "C" void gpunn_fence(void) { gpunn_host::order_fence(); }
