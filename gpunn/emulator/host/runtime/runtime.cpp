// The emulator's runtime: what Python calls to launch a kernel, and to find out where a library lies.
#include <dlfcn.h>
#include <link.h>
#include "race.h"
#include "crash.h"
#include "together.h"

extern "C" {
uint3 gpunn_thread_idx, gpunn_block_idx, gpunn_block_dim, gpunn_grid_dim;
char gpunn_dynamic_shared[228 << 10];
}

namespace gpunn_host {

static void prepare(const Launch& launch) {
    g.launch = launch;
    g.failure = {};
    g.barriers = 0;
    g.random = launch.seed * 0x9E3779B97F4A7C15ULL + 0x2545F4914F6CDD1DULL;
    if (!g.random) g.random = 1;
    const uint32_t* b = launch.block;
    uint32_t total = b[0] * b[1] * b[2];
    g.threads.resize(total);
    g.free_slots.clear();
    for (uint32_t id = 0; id < total; id++) {
        g.threads[id].id = id;
        g.threads[id].index = {id % b[0], id / b[0] % b[1], id / (b[0] * b[1])};
    }
    for (int slot = g.stacks.spare(); slot-- > 0;) g.free_slots.push_back(slot);
    gpunn_block_dim = {b[0], b[1], b[2]};
    gpunn_grid_dim = {launch.grid[0], launch.grid[1], launch.grid[2]};
    register_regions(launch);
    order_new_launch();
    g_any_copies = false;
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
    if (!g.stacks.prepare(static_cast<int>(launch->block[0] * launch->block[1] * launch->block[2] * launch->together))) {
        failure->kind = kNoMemory;
        return kNoMemory;
    }
    prepare(*launch);
    Turns turns;
    catch_signals();
    g.active = true;
    if (sigsetjmp(g_before_blocks, 1) == 0) {
        if (launch->together > 1) run_together(turns);
        else run_in_turn(turns);
    }
    g.active = false;
    release_signals();
    *failure = g.failure.kind ? g.failure : g_unwritten;
    return g.failure.kind;
}
