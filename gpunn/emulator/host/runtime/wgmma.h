// wgmma: a product reads its operands, in shared memory or in registers, at any time between its issue and its wait. Here it
// reads them at both, and they have to be the same; until the wait its sums hold NaN. What threads and copies write has to be
// fenced before it can read it.
#pragma once
#include "memory.h"

namespace gpunn_host {

constexpr size_t kChunk = 16;              // bytes that the writers are told of
struct Written { uint16_t thread; uint32_t fences; };   // thread: 1 more than its number, 0 where nobody wrote
inline std::vector<Written> g_written;     // dynamic shared memory's chunks
inline uint32_t g_proxy_fences[kMaxThreads];

enum WgmmaType : int { kWgmmaBf16, kWgmmaFp16, kWgmmaTf32 };
struct Sums { float* at; std::vector<float> values; int pending; };
struct Product {
    float* sums;
    int columns, type, group;
    bool across[2];
    uint64_t operand[2], seen;             // descriptors of A and B; what was read at the issue
    bool add;                              // to what the sums were, else to 0
    const unsigned* mine;                  // A in registers: this thread's, and its two rows' as the warp's threads had them
    float rows[2][8];
    Place place;
    uintptr_t site;
};
struct ProductQueue { std::vector<Product> products; std::vector<Sums> sums; int group = 0; bool fenced = false; };
inline ProductQueue g_products[kMaxThreads];

inline bool g_any_products;                // since the runtime was loaded

inline void start_wgmma_of_block() {
    if (g.launch.checks & kRace) g_written.assign(g.launch.dynamic_shared / kChunk + 1, Written());
    if (!g_any_products) return;
    for (size_t id = 0; id < g.threads.size(); id++) g_products[id] = ProductQueue();
}

[[noreturn]] inline void fail_wgmma(const char* rule, Place place) {
    Failure failure = {};
    failure.kind = kAssert;
    failure.place = place;
    failure.text = rule;
    fail(failure);
}

// Called for every write into dynamic shared memory of a launch that looks for races.
inline void note_proxy_write(uintptr_t address, size_t bytes) {
    size_t first = address - reinterpret_cast<uintptr_t>(gpunn_dynamic_shared);
    for (size_t i = first / kChunk; i <= (first + bytes - 1) / kChunk; i++)
        g_written[i] = {static_cast<uint16_t>(g.current->id + 1), g_proxy_fences[g.current->id]};
}

inline void check_fenced(uintptr_t offset, const Product& p) {
    Written w = g_written[offset / kChunk];
    if (w.thread && w.fences == g_proxy_fences[w.thread - 1])
        fail_wgmma("whoever writes what a wgmma reads calls fence_proxy before", p.place);
}

inline float half_to_float(uint16_t h) {
    uint32_t exponent = h >> 10 & 31, mantissa = h & 1023, sign = static_cast<uint32_t>(h & 0x8000) << 16, bits;
    if (exponent == 31) bits = sign | 0x7f800000 | mantissa << 13;
    else if (exponent) bits = sign | (exponent + 112) << 23 | mantissa << 13;
    else {
        float small = static_cast<float>(mantissa) * 0x1p-24f;
        memcpy(&bits, &small, 4);
        bits |= sign;
    }
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

// How an operand lies: item `depth` of row (or column) `outer` begins at byte turned(first(outer) + of_depth(depth)).
struct Lie {
    uint32_t start, leading, stride, row, size;   // row: bytes of a swizzle's row, 128, 64, 32, or 16 without
    bool swizzled, across;
    Lie(const Product& p, int side)
        : start((p.operand[side] & 0x3fff) << 4), leading((p.operand[side] >> 16 & 0x3fff) << 4),
          stride((p.operand[side] >> 32 & 0x3fff) << 4), size(p.type == kWgmmaTf32 ? 4 : 2), across(p.across[side]) {
        int swizzle = p.operand[side] >> 62 & 3;
        swizzled = swizzle != 0;
        row = swizzled ? 256 >> swizzle : 16;
    }
    uint32_t first(uint32_t outer) const {
        if (!across) return start + outer / 8 * stride + outer % 8 * row;
        return start + outer / (row / size) * leading + outer % (row / size) * size;
    }
    uint32_t of_depth(uint32_t depth) const {
        if (across) return depth / 8 * stride + depth % 8 * row;
        uint32_t byte = depth * size;
        return swizzled ? byte : byte / 16 * leading + byte % 16;
    }
    uint32_t turned(uint32_t at) const { return at ^ (at >> 7 & (row / 16 - 1)) << 4; }
};

inline float number_of(int type, uint32_t bits) {
    if (type == kWgmmaFp16) return half_to_float(bits);
    bits = type == kWgmmaBf16 ? bits << 16 : bits & 0xffffe000;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

// A row's items, as numbers; `seen` gathers their bits. Each byte is looked at by all lanes, and checked by one; whether its
// writers fenced is asked at the issue, since what is written after is another mistake.
inline void read_operand(const Product& p, const Lie& lie, uint32_t outer, bool check, bool issue, float (&items)[16],
                         uint64_t& seen) {
    uint32_t first = lie.first(outer), deep = 32 / lie.size, each = lie.across ? 1 : kChunk / lie.size;
    for (uint32_t k = 0; k < deep; k += each) {
        uint32_t at = lie.turned(first + lie.of_depth(k)), bits[8] = {};
        const char* from = gpunn_dynamic_shared + at;
        if (check) {
            check_access(reinterpret_cast<uintptr_t>(from), each * lie.size, false, p.site, kLate);
            if (issue && (g.launch.checks & kRace)) check_fenced(at, p);
        }
        for (uint32_t i = 0; i < each; i++) {
            memcpy(bits + i, from + i * lie.size, lie.size == 4 ? 4 : 2);
            seen = (seen ^ bits[i]) * 0x100000001b3ull;
            items[k + i] = number_of(p.type, bits[i]);
        }
    }
}

// This thread's two rows of A, as numbers.
inline void read_rows(const Product& p, int lane, int warp, bool issue, float (&rows)[2][16], uint64_t& seen) {
    for (int h = 0; h < 2 && !p.mine; h++)
        read_operand(p, Lie(p, 0), 16 * warp + lane / 4 + 8 * h, lane % 4 == 0, issue, rows[h], seen);
    for (int i = 0; i < 4 && p.mine; i++) seen = (seen ^ p.mine[i]) * 0x100000001b3ull;
    for (int i = 0; i < 16 && p.mine; i++) rows[i / 8][i % 8] = p.rows[i / 8][i % 8];
}

// Tensor cores cut their sums off where a float ends (kernels/ptx/matrix.cuh has the source of that).
inline float cut_off(double sum) {
    float nearest = static_cast<float>(sum);
    double magnitude = sum < 0 ? -sum : sum, found = nearest < 0 ? -nearest : nearest;
    if (!(found > magnitude) || found > 3.4028235e38) return nearest;
    uint32_t bits;
    memcpy(&bits, &nearest, 4);
    bits--;
    memcpy(&nearest, &bits, 4);
    return nearest;
}

// This thread's share of the product: its rows 16 w + g and 8 more, its columns 8 j + 2 t and one more. Without sums: reads.
inline uint64_t read_product(const Product& p, float* sums) {
    int lane = g.current->id % 32, warp = g.current->id / 32 % 4, deep = p.type == kWgmmaTf32 ? 8 : 16;
    uint64_t seen = 0xcbf29ce484222325ull;
    float rows[2][16], column[16];
    Lie b(p, 1);
    read_rows(p, lane, warp, !sums, rows, seen);
    for (int c = 0; c < p.columns / 4; c++) {
        read_operand(p, b, c / 2 * 8 + lane % 4 * 2 + c % 2, warp == 0 && lane < 4, !sums, column, seen);
        for (int h = 0; sums && h < 2; h++) {
            float& d = sums[c / 2 * 4 + 2 * h + c % 2];
            double sum = p.add ? d : 0;
            for (int k = 0; k < deep; k++) sum += static_cast<double>(rows[h][k]) * column[k];
            d = cut_off(sum);
        }
    }
    return seen;
}

inline Sums& sums_of(ProductQueue& queue, float* at, int count, Place place) {
    for (Sums& s : queue.sums) {
        if (s.at != at) continue;
        for (int i = 0; i < count; i++)
            if (s.at[i] == s.at[i]) fail_wgmma("nobody touches the sums of a wgmma before its wgmma_wait", place);
        return s;
    }
    queue.sums.push_back({at, std::vector<float>(at, at + count), 0});
    memset(at, 0xFF, count * sizeof(float));
    return queue.sums.back();
}

// What is issued, in the place of the kernel that `site` returns to.
inline void issue_wgmma(Product p, void* site) {
    ProductQueue& queue = g_products[g.current->id];
    p.group = queue.group, p.site = reinterpret_cast<uintptr_t>(site);
    g_any_products = true;
    if (!queue.fenced) fail_wgmma("each group of wgmma begins with a wgmma_fence", p.place);
    sums_of(queue, p.sums, p.columns / 2, p.place).pending++;
    p.seen = read_product(p, nullptr);
    queue.products.push_back(p);
}

}  // namespace gpunn_host

extern "C" void gpunn_fence_proxy(void) { gpunn_host::g_proxy_fences[gpunn_host::g.current->id]++; }
extern "C" void gpunn_wgmma_fence(void) { gpunn_host::g_products[gpunn_host::g.current->id].fenced = true; }

extern "C" void gpunn_wgmma_commit(void) {
    gpunn_host::ProductQueue& queue = gpunn_host::g_products[gpunn_host::g.current->id];
    queue.group++;
    queue.fenced = false;
}

extern "C" void gpunn_wgmma(float* d, int columns, unsigned long long a, unsigned long long b, int type, int across_a,
                            int across_b, const char* file, int line) {
    using namespace gpunn_host;
    issue_wgmma({d, columns, type, 0, {across_a != 0, across_b != 0}, {a, b}, 0, true, nullptr, {}, {file, line}, 0},
                __builtin_return_address(0));
}

extern "C" void gpunn_wgmma_registers(float* d, int columns, const unsigned* a, const unsigned (*rows)[8], unsigned long long b,
                                      int add, void* site, const char* file, int line) {
    using namespace gpunn_host;
    Product p = {d, columns, kWgmmaTf32, 0, {}, {0, b}, 0, add != 0, a, {}, {file, line}, 0};
    for (int i = 0; i < 16; i++) p.rows[i / 8][i % 8] = number_of(kWgmmaTf32, rows[i / 8][i % 8]);
    issue_wgmma(p, site);
}

extern "C" void gpunn_wgmma_wait(int groups_left) {
    using namespace gpunn_host;
    ProductQueue& queue = g_products[g.current->id];
    int last = queue.group - 1 - groups_left;
    size_t kept = 0;
    for (const Product& p : queue.products) {
        if (p.group > last) {
            queue.products[kept++] = p;
            continue;
        }
        Sums& sums = sums_of(queue, p.sums, p.columns / 2, p.place);
        if (read_product(p, sums.values.data()) != p.seen)
            fail_wgmma("what a wgmma reads stays as it is until its wgmma_wait", p.place);
        if (--sums.pending) continue;
        memcpy(sums.at, sums.values.data(), sums.values.size() * sizeof(float));
        sums.at = nullptr;
    }
    queue.products.resize(kept);
    for (size_t i = queue.sums.size(); i-- > 0;)
        if (!queue.sums[i].at) queue.sums.erase(queue.sums.begin() + i);
}
