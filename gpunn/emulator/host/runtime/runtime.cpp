// The emulator's runtime: runs the blocks of a grid in turn, and the threads of a block as fibers.
#include <dlfcn.h>
#include <link.h>
#include "state.h"
#include "memory.h"
#include "sync.h"
#include "async.h"
#include "race.h"
#include "count.h"
#include "crash.h"

extern "C" {
uint3 gpunn_thread_idx, gpunn_block_idx, gpunn_block_dim, gpunn_grid_dim;
alignas(1024) char gpunn_dynamic_shared[228 << 10];
}

namespace gpunn_host {

static void thread_body() {
    g.launch.entry(g.launch.arguments);
    g.current->state = kDone;
    g.done++;
    leave_warp(*g.current);
    Context ended;
    switch_context(&ended, g.scheduler);
    __builtin_unreachable();
}

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

static void order(std::vector<int>& items, int count) {
    items.resize(count);
    for (int i = 0; i < count; i++) items[i] = g.launch.schedule == kReverse ? count - 1 - i : i;
    if (g.launch.schedule != kRandom) return;
    for (int i = count - 1; i > 0; i--) std::swap(items[i], items[g.next_random() % (i + 1)]);
}

static void start_block() {
    int total = static_cast<int>(g.threads.size());
    for (int id = 0; id < total; id++) {
        g.threads[id].state = kNew;
        g.threads[id].request = nullptr;
        if (!g_copies[id].copies.empty()) g_copies[id].copies.clear();
        g_copies[id].group = 0;
    }
    for (int warp = 0; warp * 32 < total; warp++) {
        int lanes = std::min(32, total - warp * 32);
        g.warps[warp] = {lanes == 32 ? ~0u : (1u << lanes) - 1, 0, 0, 0};
    }
    g.at_barrier = g.done = 0;
    g.epoch++;
    poison_shared_memory();   // 0xFF bytes: NaN in every float format, -1 in every integer
}

static void run_block(std::vector<int>& turns) {
    int total = static_cast<int>(g.threads.size());
    start_block();
    while (g.done < total) {
        bool moved = false;
        if (g.launch.schedule == kRandom) order(turns, total);
        for (int id : turns) {
            Thread& t = g.threads[id];
            if (t.state > kReady) continue;
            resume(t);
            moved = true;
            if (g.failure.kind) return;
        }
        if (g.at_barrier == total) {
            if (g.launch.checks & kCount) flush_all_warps();
            release_barrier();
            if (g.at_barrier == 0) continue;
        }
        if (moved) continue;
        g.current = nullptr;
        // fail() leaves by a switch to the scheduler's saved context, so the report needs a fiber of its own.
        switch_context(&g.scheduler, g.stacks.start(kMaxThreads, [] { report_deadlock(); }));
        return;
    }
}

static void run_grid(int schedule, const uint32_t* grid, uint64_t first, uint64_t count, const std::vector<int>& blocks,
                     std::vector<int>& turns) {
    for (uint64_t i = 0; i < count && !g.failure.kind; i++) {
        uint64_t id = first + (schedule == kForward ? i : schedule == kReverse ? count - 1 - i : blocks[i]);
        gpunn_block_idx = {uint32_t(id % grid[0]), uint32_t(id / grid[0] % grid[1]), uint32_t(id / grid[0] / grid[1])};
        order_enter_block(id);
        run_block(turns);
        order_leave_block();
    }
}

static void prepare(const Launch& launch) {
    g.launch = launch;
    g.failure = {};
    g.barriers = 0;
    g.epoch = 1;
    g.random = launch.seed * 0x9E3779B97F4A7C15ULL + 0x2545F4914F6CDD1DULL;
    if (!g.random) g.random = 1;
    const uint32_t* b = launch.block;
    uint32_t total = b[0] * b[1] * b[2];
    g.threads.resize(total);
    g.free_slots.clear();
    for (uint32_t id = 0; id < total; id++) {
        g.threads[id].id = id;
        g.threads[id].index = {id % b[0], id / b[0] % b[1], id / (b[0] * b[1])};
        g.free_slots.push_back(total - 1 - id);
    }
    gpunn_block_dim = {b[0], b[1], b[2]};
    gpunn_grid_dim = {launch.grid[0], launch.grid[1], launch.grid[2]};
    register_regions(launch);
    order_new_launch();
    if (launch.checks & kRace) prepare_races(launch);
    if (launch.checks & kCount) clear_counts();
}

struct ModuleSearch { const char *inside, *low, *high; };

static int match_module(dl_phdr_info* info, size_t, void* data) {
    auto* search = static_cast<ModuleSearch*>(data);
    const char *low = nullptr, *high = nullptr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const auto& segment = info->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD) continue;
        const char* start = reinterpret_cast<const char*>(info->dlpi_addr + segment.p_vaddr);
        if (!low || start < low) low = start;
        if (!high || start + segment.p_memsz > high) high = start + segment.p_memsz;
    }
    if (search->inside < low || search->inside >= high) return 0;
    search->low = low;
    search->high = high;
    return 1;
}

}  // namespace gpunn_host

extern "C" int gpunn_module_range(const void* inside, const void** low, const void** high) {
    gpunn_host::ModuleSearch search = {static_cast<const char*>(inside), nullptr, nullptr};
    int found = dl_iterate_phdr(gpunn_host::match_module, &search);
    *low = search.low;
    *high = search.high;
    return found;
}

extern "C" int gpunn_launch(const gpunn_host::Launch* launch, gpunn_host::Failure* failure) {
    using namespace gpunn_host;
    if (!g.stacks.prepare()) {
        failure->kind = kNoMemory;
        return kNoMemory;
    }
    prepare(*launch);
    std::vector<int> turns, blocks;
    order(turns, static_cast<int>(g.threads.size()));
    const uint32_t* grid = launch->grid;
    uint64_t count = uint64_t(grid[0]) * grid[1] * grid[2] - launch->first;
    if (launch->schedule == kRandom) order(blocks, static_cast<int>(count));
    catch_signals();
    g.active = true;
    if (sigsetjmp(g_before_blocks, 1) == 0) run_grid(launch->schedule, grid, launch->first, count, blocks, turns);
    g.active = false;
    release_signals();
    *failure = g.failure;
    return g.failure.kind;
}
