// Runs blocks one after the other, and the threads of a block as fibers, each until it waits.
#pragma once
#include "count.h"
#include "mbarrier.h"
#include "named.h"
#include "spin.h"
#include "wgmma.h"

namespace gpunn_host {

static void thread_body() {
    g.launch.entry(g.launch.arguments);
    g.current->state = kDone;
    g.done++;
    g.retries = 0;
    leave_warp(*g.current);
    Context ended;
    switch_context(&ended, g.scheduler);
    __builtin_unreachable();
}

// The scheduler's own work that may fail: fail() leaves by a switch to the scheduler's saved context, so it needs a fiber.
static void on_spare_fiber(void (*body)()) { switch_context(&g.scheduler, g.stacks.start(g.stacks.spare(), body)); }

static void resume(Thread& t) {
    g.current = &t;
    gpunn_thread_idx = t.index;
    if (t.state == kNew) {
        t.slot = g.free_slots.back();
        g.free_slots.pop_back();
        t.context = g.stacks.start(t.slot, thread_body);
        t.state = kReady;
    }
    switch_context(&g.scheduler, t.context);
    if (t.state != kDone) return;
    g.free_slots.push_back(t.slot);    // a kernel without barriers runs all its threads on this one warm stack
    if (g.launch.checks & kCount) flush_ended_warp(t.id / 32);
}

// The order in which a launch's threads, and its blocks, have their turns.
struct Turns {
    std::vector<int> threads, blocks;
    uint64_t count;                    // of blocks
    Turns() {
        const uint32_t* grid = g.launch.grid;
        count = uint64_t(grid[0]) * grid[1] * grid[2] - g.launch.first;
        order(threads, static_cast<int>(g.threads.size()));
        if (g.launch.schedule == kRandom) order(blocks, static_cast<int>(count));
    }
    static void order(std::vector<int>& items, int count) {
        items.resize(count);
        for (int i = 0; i < count; i++) items[i] = g.launch.schedule == kReverse ? count - 1 - i : i;
        if (g.launch.schedule != kRandom) return;
        for (int i = count - 1; i > 0; i--) std::swap(items[i], items[g.next_random() % (i + 1)]);
    }
    uint64_t block(uint64_t i) const {
        if (g.launch.schedule == kRandom) return g.launch.first + blocks[i];
        return g.launch.first + (g.launch.schedule == kForward ? i : count - 1 - i);
    }
};

static void start_block(uint64_t place) {
    const uint32_t* grid = g.launch.grid;
    g.index = gpunn_block_idx = {uint32_t(place % grid[0]), uint32_t(place / grid[0] % grid[1]), uint32_t(place / grid[0] / grid[1])};
    int total = static_cast<int>(g.threads.size());
    for (int id = 0; id < total; id++) {
        g.threads[id].state = kNew;
        g.threads[id].request = nullptr;
        g.threads[id].wait = nullptr;
        if (!g_copies[id].copies.empty()) g_copies[id].copies.clear();
        g_copies[id].group = 0;
        if (g.launch.checks & kSpin) g_looks[id] = Look();
    }
    for (int warp = 0; warp * 32 < total; warp++) {
        int lanes = std::min(32, total - warp * 32);
        g.warps[warp] = {lanes == 32 ? ~0u : (1u << lanes) - 1, 0, 0};
    }
    g.at_barrier = g.done = 0;
    start_named_barriers();
    start_mbarriers();
    start_wgmma_of_block();
    order_enter_block(place);
    poison_shared_memory();   // 0xFF bytes: NaN in every float format, -1 in every integer
}

inline bool block_is_done() { return g.done == static_cast<int>(g.threads.size()); }

// A turn of each thread of the running block that can move; whether there was any.
static bool take_turns(Turns& turns) {
    int total = static_cast<int>(g.threads.size());
    bool moved = false;
    if (g.launch.schedule == kRandom) turns.order(turns.threads, total);
    for (int id : turns.threads) {
        Thread& t = g.threads[id];
        if (t.state > kReady && !(t.state == kAtMemory && has_changed(*t.wait))) continue;
        if (t.state == kAtMemory) g.retries = 0;
        resume(t);
        moved = true;
        if (g.failure.kind) return true;
    }
    if (g.at_barrier < total) return moved;
    if (g.launch.checks & kCount) flush_all_warps();
    release_barrier();
    return moved || g.at_barrier == 0;
}

// What can still come although no thread can move: copies under way that arrive at an mbarrier, and looking once more.
static bool unblock() {
    if (g_mbarriers.late.empty()) return look_again();
    on_spare_fiber([] {
        deliver_late_arrivals();
        Context done;
        switch_context(&done, g.scheduler);
    });
    return true;
}

// No thread of the running block can ever move again: fails.
[[gnu::cold]] static void report_stuck() {
    g.current = nullptr;
    on_spare_fiber([] {
        for (const Thread& t : g.threads) {
            if (t.state == kAtNamed) fail(unmet_named(t), &t);
            if (t.state == kAtMbarrier) fail(unmet_mbarrier(t), &t);
        }
        for (const Thread& t : g.threads)
            if (t.state == kAtMemory) fail(unmet_memory(t), &t);
        report_deadlock();
    });
}

static void run_in_turn(Turns& turns) {
    for (uint64_t i = 0; i < turns.count && !g.failure.kind; i++) {
        start_block(turns.block(i));
        while (!block_is_done() && !g.failure.kind)
            if (!take_turns(turns) && !unblock()) report_stuck();
        order_leave_block();
    }
}

}  // namespace gpunn_host
