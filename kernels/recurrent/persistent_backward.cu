/*
A recurrent layer back through all its steps of one direction in one cooperative launch: a block keeps its units' rows of w_hh.

math:     gh' = w_hh^T gproducts[later] + carry + gy[t]; from it ggates[t] and gproducts[t], the gradients of the sums of
          inputs and of states, and carry, what goes past them, as in lstm_, gru_ and rnn_backward.cu. At last gh, of the
          first state
layout:   gy (L,N,H); gh (N,H), of the last state, which the first one's replaces with to_start = 1; gc (N,H), an LSTM's,
          changed in place; carry (N,H); gates, ggates, gproducts (L,N,G,H), gates of activations; extra: an LSTM's cells
          (L+1,N,H), or a GRU's products (L,N,H); states (L+1,N,H); w_hh (G,H,H); lengths (N); parts
          (2, tiles, units/16, units/16, SAMPLES, 16); tickets (32*gridDim.y)
threads:  layer.cuh: a block 16 units of some samples. A thread takes a unit of a sample: it adds up what the blocks sent to
          it, and makes the gradients of its gates; then a warp multiplies them, for 32 or 64 columns, with the block's
          weights: what the block sends to all
shared:   0
flops:    2*L*N*G*H*H + 36*L*N*H
bytes:    e*(G*H*H + L*N*H*(2*G + 2)) + 4*L*N*H
requires: a cooperative launch of (units/16, tiles of samples or fewer) blocks of 256 threads, all resident; dynamic shared
          memory for weights, and the gradients of a tile's gates; ACC float; H to 512; tickets 0; VEC > 1: H a multiple of
          VEC, w_hh aligned to 16 bytes; gproducts of a GRU alone
numerics: a product's sum over the gates by blocks of 16 units: a block's by gate, then by unit; the blocks in order
optional: gy carry gc gates extra lengths gproducts
*/
// LSTM, 64 x 100 x 512 on an H200: 128 blocks, 136 KB each. A step is 524,288 multiply-adds a block, 4096 clocks, as forward;
// 4.2 MB of parts go to the L2 cache and come back, 2 to 2.5 us with their latency; the barrier 1.5 us. Floor 2.3 us a step;
// predicted 6.5 to 7.5 us, 0.7 ms in all. Sending gates' gradients (128 KB for each block to read) would move 17 MB a step.
// The gradients of weights and inputs are three products behind it, 1.1 ms.
#include "layer.cuh"

// The block's gradients times its weights: for a tile's samples, the columns of CHUNKS times 32 of each warp.
template <int CHUNKS> __device__ __forceinline__ void send(const Layer& g, const ACC* weights, const ACC* slopes, ACC* parts) {
    const Lane lane;
    const int width = padded(g), chunks = width / 32, across = gridDim.x;
    ACC sum[CHUNKS][TN][WIDE] = {};
    const ACC* w[CHUNKS];
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c)  // beyond the last the last once more, which nobody writes
        w[c] = weights + smaller((threadIdx.x >> 5) + WARPS * c, chunks - 1) * 32 + lane.place * WIDE;
    slopes += lane.sample * TN;
#pragma unroll 8
    for (int r = 0; r < ROWS; ++r) {
        ACC slope[TN];
        load_channels(slopes + r * pitch(SAMPLES), slope);
#pragma unroll
        for (int c = 0; c < CHUNKS; ++c) {
            const Pack<ACC> right = load_pack(w[c]);
            w[c] += pitch(width);
#pragma unroll
            for (int j = 0; j < TN; ++j) {
#pragma unroll
                for (int q = 0; q < WIDE; ++q) sum[c][j][q] += slope[j] * right.item[q];
            }
        }
    }
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c) {
        const int k = ((threadIdx.x >> 5) + WARPS * c) * 32 + lane.place * WIDE;
        if (k >= across * UNITS) continue;
        ACC* to = parts + ((i64)(k / UNITS) * across + blockIdx.x) * (UNITS * SAMPLES) + k % UNITS;
#pragma unroll
        for (int j = 0; j < TN; ++j) {
            Pack<ACC> pack;
#pragma unroll
            for (int q = 0; q < WIDE; ++q) pack.item[q] = sum[c][j][q];
            store_pack(to + (lane.sample * TN + j) * UNITS, pack);
        }
    }
}

// What all blocks sent to this thread's unit of a sample.
__device__ __forceinline__ ACC received(const ACC* parts) {
    const ACC* mine = parts + (i64)blockIdx.x * gridDim.x * (UNITS * SAMPLES) + threadIdx.x;
    ACC sum = 0;
#pragma unroll 16
    for (int from = 0; from < (int)gridDim.x; ++from) sum += mine[from * (UNITS * SAMPLES)];
    return sum;
}

extern "C" __global__ void __launch_bounds__(256, 1) recurrent_persistent_backward(
    const T* gy, T* gh, ACC* carry, ACC* gc, const T* gates, const ACC* extra, const T* states, const T* w_hh,
    const int* lengths, T* ggates, T* gproducts, ACC* parts, int* tickets, Layer g)
{
    extern __shared__ __align__(16) ACC memory[];
    ACC *weights = memory, *slopes = weights + ROWS * pitch(padded(g));
    load_weights(g, w_hh, weights);
    unsigned* ticket = reinterpret_cast<unsigned*>(tickets) + 32 * blockIdx.y;
    const int me = threadIdx.x, unit = blockIdx.x * UNITS + me % UNITS, sample = me / UNITS;
    const i64 all = (i64)g.N * g.H, sent = (i64)gridDim.x * gridDim.x * (UNITS * SAMPLES);
    const i64 turn = ceil_div(g.N, SAMPLES) * sent;  // what is read of a step lies apart from what is written

#pragma unroll 1
    for (int i = g.L - 1; i >= 0; --i) {
        const Step step(g, i);
#pragma unroll 1
        for (int tile = blockIdx.y; tile * SAMPLES < g.N; tile += gridDim.y) {
            const Own own(g, tile * SAMPLES + sample, unit, step.t, lengths);
            ACC v[GATES] = {}, p[GATES] = {};
            if (own.real) {
                // load
                ACC of_h, of_c = 0, last, now = 0;
                if (GATES > 1) {
#pragma unroll
                    for (int k = 0; k < GATES; ++k) v[k] = load(gates + own.gate(g, step.t, k));
                }
                if (GATES == 4) {
                    last = extra[step.before * all + own.at], now = extra[step.after * all + own.at], of_c = gc[own.at];
                } else {
                    last = load(states + (GATES == 3 ? step.before : step.after) * all + own.at);
                }
                if (GATES == 3) now = extra[step.t * all + own.at];
                if (i == g.L - 1) of_h = load(gh + own.at);
                else of_h = received(parts + (i + 1) % 2 * turn + tile * sent) + (carry ? carry[own.at] : (ACC)0);
                if (gy && own.runs) of_h += load(gy + step.t * all + own.at);

                // combine
                CELL::backward(v, p, last, now, of_h, of_c, own.runs, g.activation);

                // write
#pragma unroll
                for (int k = 0; k < GATES; ++k) {
                    store(ggates + own.gate(g, step.t, k), v[k]);
                    if (GATES == 3) store(gproducts + own.gate(g, step.t, k), p[k]);
                }
                if (GATES == 4) gc[own.at] = of_c;
                if (carry) carry[own.at] = of_h;
            }
            if (i == 0 && !g.to_start) continue;

            // multiply
            if (me < UNITS * SAMPLES) {
#pragma unroll
                for (int k = 0; k < GATES; ++k) slopes[(k * UNITS + me % UNITS) * pitch(SAMPLES) + sample] = p[k];
            }
            __syncthreads();
            ACC* to = parts + i % 2 * turn + tile * sent;
            if (padded(g) > 32 * WARPS) send<2>(g, weights, slopes, to);
            else send<1>(g, weights, slopes, to);
            if ((tile + (int)gridDim.y) * SAMPLES < g.N) __syncthreads();  // the next tile's gradients take the place of these
        }
        // an even number of barriers leaves the ticket 0
        if (i > 0 || g.to_start || g.L % 2 == 0) blocks_barrier(ticket, gridDim.x, blockIdx.x == 0);
    }
    if (!g.to_start) return;
    for (int tile = blockIdx.y; tile * SAMPLES < g.N; tile += gridDim.y) {
        const Own own(g, tile * SAMPLES + sample, unit, 0, nullptr);
        if (own.real) store(gh + own.at, received(parts + tile * sent) + (carry ? carry[own.at] : (ACC)0));
    }
    if (g.L % 2) blocks_barrier(ticket, gridDim.x, blockIdx.x == 0);
}
