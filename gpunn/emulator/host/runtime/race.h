// Who touched which memory last: a shadow of shared memory and of every array that the kernel may write. Found by rule instead
// of luck: races, reads and writes of memory that a cp.async is still filling, and reads of what nobody wrote.
#pragma once
#include "memory.h"

namespace gpunn_host {

// Of so many bytes: who wrote last, who has read since. Of readers two of one block and one of another suffice: any writer
// that races with a third races with one of these.
struct Cell { Stamp writer, reader, other, foreign; uint32_t writer_site, reader_site, other_site, foreign_site; };
constexpr uint32_t kByAtomic = 1u << 31, kFilling = 1u << 30, kSite = kFilling - 1;   // beside the writer's site

// Memory of cells, kept from launch to launch: fresh pages cost more than all checks of a small kernel. What a launch finds in
// its cells is older than the launch, and says nothing.
struct Arena {
    std::vector<std::pair<char*, size_t>> pieces;
    size_t piece = 0, used = 0;

    Cell* take(size_t count) {
        size_t wanted = count * sizeof(Cell);
        for (; piece < pieces.size(); piece++, used = 0) {
            if (pieces[piece].second - used < wanted) continue;
            used += wanted;
            return reinterpret_cast<Cell*>(pieces[piece].first + used - wanted);
        }
        pieces.push_back({static_cast<char*>(calloc(std::max<size_t>(wanted, 1 << 20), 1)), std::max<size_t>(wanted, 1 << 20)});
        used = wanted;
        return reinterpret_cast<Cell*>(pieces[piece].first);
    }
    void start_launch() {
        size_t bytes = 0;
        for (auto& [memory, size] : pieces) bytes += size;
        if (bytes > (size_t(256) << 20) || g_time > 1u << 31) {
            for (auto& [memory, size] : pieces) free(memory);
            pieces.clear();
            if (g_time > 1u << 31) g_time = g_all_met = g_began = 1;
        }
        piece = used = 0;
    }
};
inline Arena g_arena;

// A cell holds for 16 bytes until a narrower access comes, so that tiles moved 16 bytes at a time cost a quarter.
struct Shadow {
    uintptr_t base = 0, low_bits = ~uintptr_t(0);
    size_t bytes = 0;
    unsigned shift = 0;
    Cell* cells = nullptr;

    void refine(uintptr_t address, size_t n) {
        unsigned finer = std::min(4, __builtin_ctzll((address - base) | n));
        Cell* made = g_arena.take((bytes >> finer) + 1);
        for (size_t i = 0; cells && i < bytes >> finer; i++) made[i] = cells[i >> (shift - finer)];
        cells = made;
        shift = finer;
        low_bits = (uintptr_t(1) << finer) - 1;
    }
};

inline std::vector<Shadow> g_shadows;          // of global memory; arrays that overlap have one
struct SharedShadow { Shadow fixed, dynamic; };
inline std::vector<SharedShadow*> g_unused;    // those of blocks that have ended: stamps tell whose is what

inline void cover(Shadow& shadow, uintptr_t low, uintptr_t high) {
    shadow.base = low & ~uintptr_t(15);
    shadow.bytes = (high - shadow.base + 15) & ~uintptr_t(15);
}

// Arrays that the kernel cannot write need no shadow, unless they overlap one that it can.
inline void shadow_arrays() {
    g_shadows.clear();
    std::vector<Region*> arrays;
    for (int i = 0; i < g_region_count; i++)
        if (g_regions[i].kind >= 0) arrays.push_back(&g_regions[i]);
    std::sort(arrays.begin(), arrays.end(), [](const Region* a, const Region* b) { return a->low < b->low; });
    g_shadows.reserve(arrays.size());
    for (size_t i = 0, end; i < arrays.size(); i = end) {
        uintptr_t high = arrays[i]->low + arrays[i]->bytes;
        bool written = arrays[i]->writable;
        for (end = i + 1; end < arrays.size() && arrays[end]->low < high; end++) {
            high = std::max(high, arrays[end]->low + arrays[end]->bytes);
            written |= arrays[end]->writable;
        }
        if (!written) continue;
        g_shadows.emplace_back();
        cover(g_shadows.back(), arrays[i]->low, high);
        for (size_t k = i; k < end; k++) arrays[k]->shadow = &g_shadows.back();
    }
}

inline void prepare_races(const Launch& launch) {
    g_arena.start_launch();
    shadow_arrays();
    for (SharedShadow* shadow : g_unused) delete shadow;
    g_unused.clear();
}

inline void give_back_shadow(SharedShadow* shadow) { g_unused.push_back(shadow); }

inline SharedShadow* take_shadow() {
    if (!g_unused.empty()) {
        SharedShadow* found = g_unused.back();
        g_unused.pop_back();
        return found;
    }
    SharedShadow* made = new SharedShadow;
    uintptr_t fixed = reinterpret_cast<uintptr_t>(g_static_shared), dynamic = reinterpret_cast<uintptr_t>(gpunn_dynamic_shared);
    cover(made->fixed, fixed, fixed + g_static_shared_bytes);
    cover(made->dynamic, dynamic, dynamic + g.launch.dynamic_shared);
    return made;
}

// One access, and what the messages about it need.
struct Touch {
    uintptr_t address;
    size_t bytes;
    bool write;
    AccessKind kind;
    const Region* region;
    uintptr_t site;
};

inline Failure failure_of(FailureKind kind, const Touch& touch) {
    Failure failure = {};
    failure.kind = kind;
    failure.parameter = touch.region->kind;
    failure.offset = touch.address - touch.region->low;
    failure.extent = touch.region->bytes;
    failure.bytes = touch.bytes;
    failure.write = touch.write;
    failure.site = touch.site;
    return failure;
}

[[noreturn]] inline void fail_touch(FailureKind kind, const Touch& touch, const Cell& cell, Stamp past, uint32_t past_site, bool past_write) {
    Failure failure = failure_of(kind, touch);
    failure.other_write = past_write;
    failure.other_site = reinterpret_cast<uintptr_t>(g.launch.module_low) + (past_site & kSite);
    const uint32_t *block = g.launch.block, *grid = g.launch.grid;
    uint32_t thread = past.who & 1023, number = past.who >> 10;
    copy_index(failure.other_thread, {thread % block[0], thread / block[0] % block[1], thread / block[0] / block[1]});
    copy_index(failure.other_block, {number % grid[0], number / grid[0] % grid[1], number / grid[0] / grid[1]});
    failure.total = number != g_block->number;
    fail(failure);
}

// A load whose value is not used, bytes between a struct's fields or the rest of a vector are no mistake: this is told when
// the launch has ended, and Python finds out whether its result depends on it.
[[gnu::cold]] inline void note_unwritten(const Touch& touch, bool all) {
    if (g_unwritten.kind && (g_unwritten.total || !all)) return;
    g_unwritten = failure_of(kUnwritten, touch);
    g_unwritten.total = all;
    copy_index(g_unwritten.thread, g.current->index);
    copy_index(g_unwritten.block, gpunn_block_idx);
}

// Whether a stamp is of this block: in shared memory those of others are of blocks that have gone.
inline bool same_block(const Stamp& past, uint32_t who) { return !((past.who ^ who) >> 10); }

template <bool shared> [[gnu::always_inline]] inline bool conflicts(const Stamp& past, const Now& now) {
    return (!shared || same_block(past, now.stamp.who)) && !ordered(past, now);
}

template <bool shared> [[gnu::always_inline]] inline void read_cell(Cell& c, const Now& now, uint32_t site) {
    bool is_foreign = !same_block(c.reader, now.stamp.who);
    if (is_foreign && !shared && c.reader.time >= now.all_met) c.foreign = c.reader, c.foreign_site = c.reader_site;
    if (is_foreign || ordered(c.reader, now)) c.reader = now.stamp, c.reader_site = site;
    else c.other = now.stamp, c.other_site = site;
}

template <bool shared> inline void write_cell(Cell& c, const Now& now, uint32_t site, const Touch& touch) {
    if (conflicts<shared>(c.reader, now)) fail_touch(kRaceFound, touch, c, c.reader, c.reader_site, false);
    if (conflicts<shared>(c.other, now)) fail_touch(kRaceFound, touch, c, c.other, c.other_site, false);
    if (!shared && conflicts<shared>(c.foreign, now)) fail_touch(kRaceFound, touch, c, c.foreign, c.foreign_site, false);
    uint32_t flags = touch.kind == kAtomic || touch.kind == kVolatile ? kByAtomic : touch.kind == kIssued ? kFilling : 0;
    c = {now.stamp, {}, {}, {}, site | flags, 0, 0, 0};   // whoever comes after this write comes after those readers
}

template <bool shared> inline void touch_cells(Shadow& shadow, const Touch& touch) {
    if ((touch.address | touch.bytes) & shadow.low_bits) shadow.refine(touch.address, touch.bytes);
    const Now now = now_of_thread();
    uint32_t site = (touch.site - reinterpret_cast<uintptr_t>(g.launch.module_low)) & kSite;
    Cell* cell = shadow.cells + ((touch.address - shadow.base) >> shadow.shift);
    bool any = false, all = true, is_atomic = touch.kind == kAtomic || touch.kind == kVolatile;
    for (Cell* end = cell + (touch.bytes >> shadow.shift); cell < end; cell++) {
        bool by_both = is_atomic && (cell->writer_site & kByAtomic);
        bool here = same_block(cell->writer, now.stamp.who) && cell->writer.time >= g_began;
        any |= here;
        all &= here;
        if (shared && here && (cell->writer_site & kFilling) && !(touch.kind == kLate && touch.write))
            fail_touch(kStillFilling, touch, *cell, cell->writer, cell->writer_site, true);
        if (!by_both && conflicts<shared>(cell->writer, now))
            fail_touch(kRaceFound, touch, *cell, cell->writer, cell->writer_site, true);
        if (touch.write) write_cell<shared>(*cell, now, site, touch);
        else if (!is_atomic) read_cell<shared>(*cell, now, site);
    }
    if (shared && !all && (!touch.write || touch.kind == kAtomic)) note_unwritten(touch, !any);
}

inline void check_unwritten(const Touch& touch) {
    uint8_t* unwritten = touch.region->unwritten + (touch.address - touch.region->low);
    if (!touch.write || touch.kind == kAtomic) {
        size_t count = 0;
        for (size_t i = 0; i < touch.bytes; i++) count += unwritten[i];
        if (count) note_unwritten(touch, count == touch.bytes);
    }
    if (touch.write) memset(unwritten, 0, touch.bytes);
}

inline void check_race(uintptr_t address, size_t bytes, bool write, AccessKind kind, const Region& region, uintptr_t site) {
    Touch touch = {address, bytes, write, kind, &region, site};
    if (region.unwritten) check_unwritten(touch);
    if (region.shared) {
        if (!g_block->shadow) g_block->shadow = take_shadow();
        touch_cells<true>(region.kind == kDynamicShared ? g_block->shadow->dynamic : g_block->shadow->fixed, touch);
    } else if (region.shadow) {
        touch_cells<false>(*region.shadow, touch);
    }
}

}  // namespace gpunn_host
