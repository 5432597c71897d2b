// How batch norm's backward passes read gy and x, and what a fused ReLU let through of gy.
#pragma once
#include "walk.cuh"

// Of the block's channels: the mean; where the gate looks at x anew scale = gamma * rstd and shift = beta; for the pass that
// applies them what is taken off, level + slope * (x - mean), before scale.
struct Slopes {
    Row centre, scale, shift;
};

__device__ __forceinline__ void make_slopes(
    Slopes& made, const Channels& own, const ACC* gamma, const ACC* beta, const ACC* mean, const ACC* rstd)
{
    for (int i = threadIdx.x; i < own.count; i += THREADS) {
        const int c = own.first + i;
        made.centre.of[i] = mean[c];
        made.scale.of[i] = gamma ? gamma[c] * rstd[c] : rstd[c];
        made.shift.of[i] = beta ? beta[c] : (ACC)0;
    }
    __syncthreads();
}

// use(at, off, g) of each of this thread's packs: where it starts, x - mean, and what the gate lets through of gy. AHEAD packs
// of each array are fetched before the first is looked at. BACK: the last ones come first: they have been read last, and may
// still be in the L2 cache. BY_Y: y is the gate, which costs the registers that x anew and signs do without.
template <bool BACK, bool BY_Y, typename Use>
__device__ __forceinline__ void each_pair(
    const Walk& walk, const Slopes& slopes, const T* gy, const T* x, const Gate& gate, const Use& use)
{
    static const int AHEAD = VEC == 1 ? 4 : 2;
    ACC centre[VEC], scale[VEC], shift[VEC];
    slopes.centre.widen(walk, centre);
    if (!BY_Y) slopes.scale.widen(walk, scale), slopes.shift.widen(walk, shift);
    const int last = (walk.packs - 1) / AHEAD * AHEAD;
    for (int begun = 0; begun < walk.packs; begun += AHEAD) {
        const int i = BACK ? last - begun : begun;
        Held above[AHEAD], below[AHEAD], passed[AHEAD];
        unsigned bits[AHEAD];
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
            if (i + u >= walk.packs) continue;
            const i64 at = walk.address(i + u);
            below[u].fetch(x + at);
            above[u].fetch(gy + at);
            if (BY_Y) passed[u].fetch(gate.y + at);
            else if (gate.signs) bits[u] = gate.bits(at);
        }
#pragma unroll
        for (int u = 0; u < AHEAD; ++u) {
            if (i + u >= walk.packs) continue;
            ACC off[VEC], g[VEC], y[VEC];
            below[u].widen(off);
            above[u].widen(g);
            if (BY_Y) passed[u].widen(y);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                off[j] -= centre[j];
                if (BY_Y) g[j] = y[j] > 0 ? g[j] : (ACC)0;
                else if (gate.signs) g[j] = bits[u] >> j & 1 ? g[j] : (ACC)0;
                else if (gate.relu) g[j] = value_of(off[j], scale[j], shift[j]) > above_zero(gy) ? g[j] : (ACC)0;
            }
            use(walk.address(i + u), off, g);
        }
    }
}

template <bool BACK, typename Use>
__device__ __forceinline__ void over_pairs(
    const Walk& walk, const Slopes& slopes, const T* gy, const T* x, const Gate& gate, const Use& use)
{
    if (gate.y) each_pair<BACK, true>(walk, slopes, gy, x, gate, use);
    else each_pair<BACK, false>(walk, slopes, gy, x, gate, use);
}
