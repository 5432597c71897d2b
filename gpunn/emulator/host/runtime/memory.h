// Every load and store of an instrumented kernel comes by here. The compiler is asked for the calls that the thread sanitizer
// (GCC) or the kernel address sanitizer (Clang) would make; the functions are ours, and compare with the arrays passed in.
#pragma once
#include <initializer_list>
#include "order.h"

namespace gpunn_host {

enum RegionKind : int32_t { kDynamicShared = -1, kModule = -2, kNowhere = -3 };
// kVolatile: as an atomic without the arithmetic. kIssued, kLate: a cp.async when it was issued, and when its data are there.
enum AccessKind { kPlain, kUnaligned, kAtomic, kVolatile, kIssued, kLate };
struct Shadow;
struct Region { uintptr_t low; uintptr_t bytes; int32_t kind; bool writable, shared; Shadow* shadow; uint8_t* unwritten; };

constexpr int kMaxRegions = 10000;   // MOST_ARRAYS of marshal.py, and what register_regions adds
inline Region g_regions[kMaxRegions];
inline int g_region_count;
inline uint16_t g_last_region[1024];  // by call site: a site mostly stays with one array
inline char* g_static_shared;
inline size_t g_static_shared_bytes;

void record_access(uintptr_t address, size_t bytes, bool write, bool shared, uintptr_t site);      // count.h
void notice_spin(uintptr_t address, size_t bytes, bool write, AccessKind kind, uintptr_t site);      // spin.h
void check_race(uintptr_t address, size_t bytes, bool write, AccessKind kind, const Region& region, uintptr_t site);   // race.h
void note_proxy_write(uintptr_t address, size_t bytes);                                             // wgmma.h

inline void add_region(uintptr_t low, uintptr_t bytes, int32_t kind, bool writable, bool shared, uint64_t unwritten = 0) {
    if (!bytes || g_region_count == kMaxRegions) return;
    g_regions[g_region_count++] = {low, bytes, kind, writable, shared, nullptr, reinterpret_cast<uint8_t*>(unwritten)};
}

inline void register_regions(const Launch& launch) {
    g_region_count = 0;
    memset(g_last_region, 0, sizeof g_last_region);
    for (int i = 0; i < launch.array_count; i++) {
        const ArrayArgument& a = launch.arrays[i];
        add_region(a.low, a.bytes, a.use == kGlobal ? kModule : a.parameter, a.use != kConstant, a.use == kShared, a.unwritten);
    }
    g_static_shared = const_cast<char*>(launch.shared_low);
    g_static_shared_bytes = launch.shared_high - launch.shared_low;
    add_region(reinterpret_cast<uintptr_t>(gpunn_dynamic_shared), launch.dynamic_shared, kDynamicShared, true,
               true);
    // clang reports accesses of threadIdx and its kin, GCC does not.
    for (uint3* builtin : {&gpunn_thread_idx, &gpunn_block_idx, &gpunn_block_dim, &gpunn_grid_dim})
        add_region(reinterpret_cast<uintptr_t>(builtin), sizeof *builtin, kModule, false, false);
    add_region(launch.argument_low, launch.argument_bytes, kModule, false, false);
    // The module's constants and globals, around its shared variables. Without start files (build.py) nothing lies behind
    // the shared ones, so that an index past the last of them is noticed.
    const char* middle = g_static_shared ? launch.shared_low : launch.module_high;
    const char* resume = g_static_shared ? launch.shared_high : launch.module_high;
    add_region(reinterpret_cast<uintptr_t>(launch.module_low), middle - launch.module_low, kModule, true, false);
    add_region(reinterpret_cast<uintptr_t>(resume), launch.module_high - resume, kModule, true, false);
}

inline void poison_shared_memory() {
    for (int i = 0; i < g_region_count; i++)
        if (g_regions[i].shared) memset(reinterpret_cast<void*>(g_regions[i].low), g.launch.checks & kZeros ? 0 : 0xFF, g_regions[i].bytes);
}

inline bool contains(const Region& region, uintptr_t address, size_t bytes) {
    return region.bytes >= bytes && address - region.low <= region.bytes - bytes;
}

[[noreturn]] inline void fail_access(FailureKind kind, const Region* region, uintptr_t address, size_t bytes, bool write,
                                     uintptr_t site) {
    Failure failure = {};
    failure.kind = kind;
    failure.parameter = region ? region->kind : kNowhere;
    failure.offset = region ? static_cast<int64_t>(address - region->low) : static_cast<int64_t>(address);
    failure.extent = region ? region->bytes : 0;
    failure.bytes = bytes;
    failure.write = write;
    failure.site = site;
    fail(failure);
}

// The array that the kernel most likely meant: the nearest one, unless the address is far from all.
inline const Region* nearest_region(uintptr_t address) {
    const Region* best = nullptr;
    uintptr_t best_distance = 1 << 30;
    for (int i = 0; i < g_region_count; i++) {
        const Region& r = g_regions[i];
        if (r.kind == kModule) continue;
        uintptr_t distance = address < r.low ? r.low - address : address - r.low < r.bytes ? 0 : address - r.low - r.bytes;
        if (distance < best_distance) best = &r, best_distance = distance;
    }
    return best;
}

inline int find_region(uintptr_t address, size_t bytes, bool write, uintptr_t site) {
    const Region* read_only = nullptr;
    for (int i = 0; i < g_region_count; i++) {
        if (!contains(g_regions[i], address, bytes)) continue;
        if (!write || g_regions[i].writable) return i;
        read_only = &g_regions[i];
    }
    if (read_only) fail_access(kReadOnly, read_only, address, bytes, write, site);
    if (address < 4096) fail_access(kNull, nullptr, address, bytes, write, site);
    fail_access(kOutOfBounds, nearest_region(address), address, bytes, write, site);
}

__attribute__((always_inline)) inline void check_access(uintptr_t address, size_t bytes, bool write, uintptr_t site,
                                                        AccessKind kind = kPlain) {
    if (address - g.stacks.low < g.stacks.bytes) return;     // a local variable
    if (!g.active) return;                                   // static initialisers, while the module loads
    uint16_t* cached = &g_last_region[(site >> 1) & 1023];
    const Region* region = &g_regions[*cached];
    if (!contains(*region, address, bytes) || (write && !region->writable)) {
        *cached = find_region(address, bytes, write, site);
        region = &g_regions[*cached];
    }
    if (kind != kUnaligned && (bytes & (bytes - 1)) == 0 && (address & (bytes - 1)) != 0)
        fail_access(kMisaligned, region, address, bytes, write, site);
    if (__builtin_expect((g.launch.checks & (kCount | kRace | kSpin)) == 0, 1)) return;
    if ((g.launch.checks & kSpin) && kind != kLate) notice_spin(address, bytes, write, kind, site);
    if (region->kind == kModule) return;
    // Counted as if every array began on a boundary of 256 bytes, as it does on a GPU. High bits keep arrays apart.
    if ((g.launch.checks & kCount) && kind != kLate)
        record_access(address - region->low + (uintptr_t(*cached + 1) << 44), bytes, write, region->shared, site);
    if (kind == kAtomic || kind == kVolatile) order_atomic(address, write);
    if ((g.launch.checks & kRace) && (region->shared || region->shadow || region->unwritten))
        check_race(address, bytes, write, kind, *region, site);
    if ((g.launch.checks & kRace) && write && region->kind == kDynamicShared) note_proxy_write(address, bytes);
}

}  // namespace gpunn_host

#define GPUNN_SITE reinterpret_cast<uintptr_t>(__builtin_return_address(0))
#define GPUNN_HOOK(name, size, write, ...) \
    void name(uintptr_t a) { gpunn_host::check_access(a, size, write, GPUNN_SITE, ##__VA_ARGS__); }
#define GPUNN_HOOKS(size)                                                      \
    GPUNN_HOOK(__asan_load##size##_noabort, size, false)                       \
    GPUNN_HOOK(__asan_store##size##_noabort, size, true)                       \
    GPUNN_HOOK(__tsan_read##size, size, false)                                 \
    GPUNN_HOOK(__tsan_write##size, size, true)                                 \
    GPUNN_HOOK(__tsan_volatile_read##size, size, false, gpunn_host::kVolatile) \
    GPUNN_HOOK(__tsan_volatile_write##size, size, true, gpunn_host::kVolatile)
extern "C" {
GPUNN_HOOKS(1)
GPUNN_HOOKS(2)
GPUNN_HOOKS(4)
GPUNN_HOOKS(8)
GPUNN_HOOKS(16)
// Sizes that are no power of two, and accesses whose type promises less alignment than their size.
void __asan_loadN_noabort(uintptr_t a, size_t n) { gpunn_host::check_access(a, n, false, GPUNN_SITE, gpunn_host::kUnaligned); }
void __asan_storeN_noabort(uintptr_t a, size_t n) { gpunn_host::check_access(a, n, true, GPUNN_SITE, gpunn_host::kUnaligned); }
void __tsan_read_range(uintptr_t a, size_t n) { gpunn_host::check_access(a, n, false, GPUNN_SITE, gpunn_host::kUnaligned); }
void __tsan_write_range(uintptr_t a, size_t n) { gpunn_host::check_access(a, n, true, GPUNN_SITE, gpunn_host::kUnaligned); }
void __asan_handle_no_return(void) {}
void __tsan_init(void) {}
void gpunn_atomic_access(const void* address, size_t bytes, void* site) {
    gpunn_host::check_access(reinterpret_cast<uintptr_t>(address), bytes, true, reinterpret_cast<uintptr_t>(site),
                             gpunn_host::kAtomic);
}
}
