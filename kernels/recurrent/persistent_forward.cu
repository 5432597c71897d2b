/*
A recurrent layer forward, all steps of one direction in one cooperative launch: a block keeps its units' rows of w_hh.

math:     v = gates[t], p = w_hh h + b_hh. LSTM: i, f, g, o = logistic, logistic, tanh, logistic of v + p, c' = f*c + i*g,
          h' = o*tanh(c'). GRU: r, z = logistic of v + p, n = tanh(v + r*p), h' = n + z*(h - n). Elman: h' = tanh or relu of
          v + p. Where t < lengths[n]; else c' = c, h' = h and y = 0
layout:   gates (L,N,G,H), the inputs' sums, which the activations replace with kept = 1; w_hh (G,H,H), b_hh (G,H);
          states (L+1,N,H), the first of which is there; extra: an LSTM's cells (L+1,N,H), with kept = 0 (1,N,H), or a GRU's
          products that r meets (L,N,H); y (L,N,H); lengths (N); tickets (32*gridDim.y)
threads:  layer.cuh: a block 16 units of some samples. A warp multiplies an eighth of the depth, for all of the block's
          units: a lane 2 of them, all gates, with SAMPLES/4 samples; then a thread takes a unit of a sample
shared:   0
flops:    2*L*N*G*H*H + 30*L*N*H
bytes:    e*(G*H*H + L*N*H*(2*G + 2))
requires: a cooperative launch of (units/16, tiles of samples or fewer) blocks of 256 threads, all resident; dynamic shared
          memory for weights, and states or sums of each warp; ACC float; tickets 0; VEC > 1: H a multiple of VEC, w_hh and
          states aligned to 16 bytes
numerics: a product's sum by eighths of H, filled up to 8*max(4, VEC): each in order, then the eighths in order, then b_hh
optional: b_hh extra lengths y
*/
// LSTM, 64 x 100 x 512 on an H200 (132 multiprocessors, 1.8 GHz): 128 blocks of 16 units and 16 samples, 163 KB each. A step is
// 524,288 multiply-adds a block, 4096 clocks at 128 a clock; reads of shared memory are 12 of 16 bytes for 128 multiply-adds of
// a lane, 48 to 96 of its 128 clocks. 4.2 MB of states from the L2 cache, 1 us with its latency; gates come during the product;
// the barrier of 32 blocks 1.5 us, partial sums and cells 0.5 us. Floor 2.3 us a step by multiply-adds; predicted 5 to 6 us,
// 0.55 ms in all. The inputs' product is a launch of its own, 0.35 ms.
#include "layer.cuh"

// Brings the warp's part of the states of a tile of samples into its room, row by sample; zeros beyond N and H.
__device__ __forceinline__ void load_states(const Layer& g, const T* states, int tile, int deep, ACC* room) {
    enum { FLIGHT = 32 / VEC < 8 ? 32 / VEC : 8 };  // loads in flight
    const int first = (threadIdx.x >> 5) * deep, lane = threadIdx.x & 31;
    const int down = 32 * VEC / deep, along = 32 * VEC % deep;  // from a lane's access to its next
    int row = lane * VEC / deep, k = lane * VEC % deep;
    while (row < SAMPLES) {
        ACC v[FLIGHT][VEC] = {};
        int to[FLIGHT];
#pragma unroll
        for (int f = 0; f < FLIGHT; ++f) {
            const int n = tile * SAMPLES + row;
            to[f] = row < SAMPLES ? row * pitch(deep) + k : -1;
            if (row < SAMPLES && n < g.N && first + k < g.H) load_channels(states + (i64)n * g.H + first + k, v[f]);
            row += down, k += along;
            if (k >= deep) ++row, k -= deep;
        }
#pragma unroll
        for (int f = 0; f < FLIGHT; ++f) {
            if (to[f] >= 0) store_state(room + to[f], v[f]);
        }
    }
    __syncwarp();
}

// The warp's part of the products: of unit 8 e + lane.place, sample lane.sample + 4 j. Then they replace the states in the
// room, [gate][e][j][lane], where thread (e * TN + j) * 32 + lane finds its own.
__device__ __forceinline__ void multiply(const ACC* weights, int width, int deep, ACC* room) {
    const Lane lane;
    const ACC* w = weights + lane.place * pitch(width) + (threadIdx.x >> 5) * deep;
    const ACC* h = room + lane.sample * pitch(deep);
    ACC sum[GATES * 2][TN] = {};
#pragma unroll 2
    for (int k = 0; k < deep; k += WIDE) {
        Pack<ACC> right[TN];
#pragma unroll
        for (int j = 0; j < TN; ++j) right[j] = load_pack(h + 4 * j * pitch(deep) + k);
#pragma unroll
        for (int r = 0; r < GATES * 2; ++r) {
            const Pack<ACC> left = load_pack(w + 8 * r * pitch(width) + k);
#pragma unroll
            for (int q = 0; q < WIDE; ++q) {
#pragma unroll
                for (int j = 0; j < TN; ++j) sum[r][j] += left.item[q] * right[j].item[q];
            }
        }
    }
    __syncwarp();
#pragma unroll
    for (int r = 0; r < GATES * 2; ++r) {
#pragma unroll
        for (int j = 0; j < TN; ++j) room[(r * TN + j) * 32 + (threadIdx.x & 31)] = sum[r][j];
    }
}

extern "C" __global__ void __launch_bounds__(256, 1) recurrent_persistent_forward(
    T* gates, const T* w_hh, const T* b_hh, T* states, ACC* extra, const int* lengths, T* y, int* tickets, Layer g)
{
    extern __shared__ __align__(16) ACC memory[];
    const int me = threadIdx.x, width = padded(g), deep = width / WARPS, each = larger(SAMPLES * pitch(deep), ROWS * SAMPLES);
    ACC *weights = memory, *rooms = weights + ROWS * pitch(width), *room = rooms + (me >> 5) * each;
    load_weights(g, w_hh, weights);
    const Lane lane;
    const int row = me >> 5, unit = blockIdx.x * UNITS + row / TN * 8 + lane.place, sample = lane.sample + row % TN * 4;
    const i64 all = (i64)g.N * g.H;
    ACC bias[GATES] = {};
#pragma unroll
    for (int k = 0; k < GATES; ++k) {
        if (b_hh && unit < g.H) bias[k] = load(b_hh + k * g.H + unit);
    }

#pragma unroll 1
    for (int i = 0; i < g.L; ++i) {
        const Step step(g, i);
        const T* before = states + step.before * all;
#pragma unroll 1
        for (int tile = blockIdx.y; tile * SAMPLES < g.N; tile += gridDim.y) {
            // what the cell takes beside the products, which it waits for
            const Own own(g, tile * SAMPLES + sample, unit, step.t, lengths);
            ACC v[GATES] = {}, p[GATES] = {}, last = 0, h = 0;
            if (own.real) {
#pragma unroll
                for (int k = 0; k < GATES; ++k) v[k] = load(gates + own.gate(g, step.t, k));
                if (GATES == 4) last = extra[(g.kept ? step.before * all : 0) + own.at];
                h = load(before + own.at);
            }

            // multiply
            load_states(g, before, tile, deep, room);
            multiply(weights, width, deep, room);
            __syncthreads();

            // combine
            if (own.real) {
#pragma unroll
                for (int k = 0; k < GATES; ++k) {
#pragma unroll
                    for (int warp = 0; warp < WARPS; ++warp) p[k] += rooms[warp * each + k * UNITS * SAMPLES + me];
                    p[k] += bias[k];
                }
                const ACC now = CELL::forward(v, p, h, last, own.runs, g.activation);

                // write
                if (GATES > 1 && g.kept) {
#pragma unroll
                    for (int k = 0; k < GATES; ++k) store(gates + own.gate(g, step.t, k), v[k]);
                }
                if (GATES == 4) extra[(g.kept ? step.after * all : 0) + own.at] = last;
                if (GATES == 3 && g.kept) extra[step.t * all + own.at] = last;
                store(states + step.after * all + own.at, own.runs ? now : h);
                if (y) store(y + step.t * all + own.at, own.runs ? now : (ACC)0);
            }
            if ((tile + (int)gridDim.y) * SAMPLES < g.N) __syncthreads();  // the next tile's states take the place of sums
        }
        // an even number of barriers leaves the ticket 0
        unsigned* ticket = reinterpret_cast<unsigned*>(tickets) + 32 * blockIdx.y;
        if (i + 1 < g.L || g.L % 2 == 0) blocks_barrier(ticket, gridDim.x, blockIdx.x == 0);
    }
}
