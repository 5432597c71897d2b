// Runs blocks together: each until none of its threads can move, then the next. A block that does not run lies aside, with
// what its shared memory held.
#pragma once
#include <memory>
#include "blocks.h"

namespace gpunn_host {

struct Aside {
    Block block;
    uint64_t place;
    std::vector<char> shared;
    std::vector<CopyQueue> copies;
    std::vector<Look> looks;
    NamedBarriers named;
    Mbarriers mbarriers;
};
typedef std::vector<std::unique_ptr<Aside>> Resident;
inline Resident g_resident;                    // not a local variable, since a crash leaves by a long jump

// Exchanges the running block with one that lies aside. The shadow of shared memory (race.h) changes with its order.
inline void exchange(Aside& aside) {
    std::swap(static_cast<Block&>(g), aside.block);
    char* kept = aside.shared.data();
    for (int i = 0; i < g_region_count; i++) {
        if (!g_regions[i].shared) continue;
        char* memory = reinterpret_cast<char*>(g_regions[i].low);
        std::swap_ranges(memory, memory + g_regions[i].bytes, kept);
        kept += g_regions[i].bytes;
    }
    std::swap_ranges(aside.copies.begin(), aside.copies.end(), g_copies);
    std::swap_ranges(aside.looks.begin(), aside.looks.end(), g_looks);
    std::swap(g_named, aside.named);
    std::swap(g_mbarriers, aside.mbarriers);
}

inline void enter(Aside& aside) {
    exchange(aside);
    gpunn_block_idx = g.index;
    order_enter_block(aside.place);
}

inline void leave(Aside& aside) {
    if (g.launch.checks & kCount) flush_all_warps();
    exchange(aside);
}

static std::unique_ptr<Aside> begin_block(uint64_t place) {
    auto aside = std::make_unique<Aside>();
    size_t shared = 0;
    for (int i = 0; i < g_region_count; i++) shared += g_regions[i].shared ? g_regions[i].bytes : 0;
    aside->place = place;
    aside->shared.resize(shared);
    aside->copies.resize(g.threads.size());
    aside->looks.resize(g.threads.size());
    aside->block.threads = g.threads;
    return aside;
}

// Whether entering this block is worth while: a thread of it can move, or waits for memory that has changed since.
inline bool can_move(const Aside& aside) {
    for (const Thread& t : aside.block.threads)
        if (t.state <= kReady || (t.state == kAtMemory && has_changed(*t.wait))) return true;
    return false;
}

// Whether it has moved.
inline bool run_until_stuck(Turns& turns) {
    bool moved = false;
    while (!g.failure.kind && !block_is_done() && take_turns(turns)) moved = true;
    return moved;
}

inline void drop_done(Resident& resident, uint3& ended, bool& any_ended) {
    for (size_t i = resident.size(); i-- > 0;) {
        const Block& block = resident[i]->block;
        if (block.done < static_cast<int>(block.threads.size())) continue;
        ended = block.index;
        any_ended = true;
        order_enter_block(resident[i]->place);
        order_leave_block();
        resident.erase(resident.begin() + static_cast<long>(i));
    }
}

inline bool unblock_any(Resident& resident) {
    bool any = false;
    for (auto& aside : resident) {
        enter(*aside);
        any = unblock() || any;
        leave(*aside);
        if (g.failure.kind) return true;
    }
    return any;
}

inline const Thread* looks_at_memory(const Block& block) {
    for (const Thread& t : block.threads)
        if (t.state == kAtMemory) return &t;
    return nullptr;
}

struct Stuck { const Thread* here; Failure failure; };
inline Stuck g_stuck;

// No block can move. One that waits for nothing outside is reported as it would be alone; otherwise one that waits for
// others, and beside it one that has ended, waits elsewhere or has not begun.
[[gnu::cold]] static void report_all_stuck(Resident& resident, const uint3* ended, const uint3* not_begun) {
    for (auto& aside : resident) {
        if (looks_at_memory(aside->block)) continue;
        enter(*aside);
        return report_stuck();
    }
    enter(*resident[0]);
    const Thread* here = looks_at_memory(g);
    Failure failure = unmet_memory(*here);
    const uint3* other = ended ? ended : not_begun;
    failure.other_text = ended ? "has left the kernel" : "has not begun: not all blocks may run together";
    for (size_t i = 1; i < resident.size() && !ended; i++) {
        const Thread* t = looks_at_memory(resident[i]->block);
        if (t->wait->site == here->wait->site && t->wait->address == here->wait->address) continue;
        add_side(failure, *t);
        failure.other = kThreadOfOtherBlock;
        other = &resident[i]->block.index;
    }
    if (!other) failure.other_text = nullptr;
    else copy_index(failure.other_block, *other);
    if (failure.other == kOtherThread) failure.other = kOtherBlock;
    g_stuck = {here, failure};
    g.current = nullptr;
    on_spare_fiber([] { fail(g_stuck.failure, g_stuck.here); });
}

static void run_together(Turns& turns) {
    Resident& resident = g_resident;
    resident.clear();
    uint3 ended = {}, waiting = {};
    bool any_ended = false;
    uint64_t next = 0;
    while (!g.failure.kind && (next < turns.count || !resident.empty())) {
        bool moved = false;
        for (; next < turns.count && resident.size() < static_cast<size_t>(g.launch.together) && !g.failure.kind; next++) {
            resident.push_back(begin_block(turns.block(next)));
            exchange(*resident.back());
            start_block(resident.back()->place);
            run_until_stuck(turns);
            leave(*resident.back());
            moved = true;
        }
        for (size_t i = 0; i < resident.size() && !g.failure.kind; i++) {
            if (!can_move(*resident[i])) continue;
            enter(*resident[i]);
            moved = run_until_stuck(turns) || moved;   // not so where another block's shared memory looked like a change
            leave(*resident[i]);
        }
        drop_done(resident, ended, any_ended);
        if (moved || resident.empty() || g.failure.kind || unblock_any(resident)) continue;
        if (next < turns.count) {
            const uint32_t* grid = g.launch.grid;
            uint64_t place = turns.block(next);
            waiting = {uint32_t(place % grid[0]), uint32_t(place / grid[0] % grid[1]), uint32_t(place / grid[0] / grid[1])};
        }
        report_all_stuck(resident, any_ended ? &ended : nullptr, next < turns.count ? &waiting : nullptr);
    }
}

}  // namespace gpunn_host
