/*
Two axes resampled, each by a sparse matrix of its own: interpolation, and with the matrices turned round its gradient.

math:     y[n,p,q,c] = sum over taps f of q: weight_w[f] * (sum over taps e of p: weight_h[e] * x[n,index_h[e],index_w[f],c]);
          the taps of p are those from starts_h[p] to starts_h[p+1]. An axis without starts stays as it is; one without
          weights takes elements as they are
layout:   x (N,H,W,C), y (N,P,Q,C), row-major; starts_h (P+1), starts_w (Q+1)
threads:  a thread owns VEC neighbouring elements of y
shared:   0
flops:    2*N*P*Q*C*(R*S + S)
bytes:    e*N*C*(H*W + P*Q)
requires: N and one of the N of x and of y below 2^31; VEC > 1: C a multiple of VEC, x and y aligned to 16 bytes; without
          weights one tap an output
numerics: in ACC, by taps of p, then of q, no FMA; without any weights exact
optional: starts_h index_h weight_h starts_w index_w weight_w
*/
#include "../common.cuh"

struct Sizes {
    int N, H, W, P, Q, C;
};

struct Axis {
    const int *starts, *index;
    const ACC* weight;

    __device__ __forceinline__ int begin(int i) const { return starts ? starts[i] : i; }
    __device__ __forceinline__ int place(int tap) const { return index ? index[tap] : tap; }
    __device__ __forceinline__ ACC by(int tap) const { return weight ? weight[tap] : 1; }
};

extern "C" __global__ void __launch_bounds__(256) resample_taps(
    const T* x, T* y, const int* starts_h, const int* index_h, const ACC* weight_h, const int* starts_w, const int* index_w,
    const ACC* weight_w, Sizes g)
{
    // seek
    const int packs = g.C / VEC, each = g.P * g.Q * packs;
    const i64 item = thread_index(), n = item / each;
    if (n >= g.N) return;
    const int rest = item - n * each, c = rest % packs * VEC, q = rest / packs % g.Q, p = rest / packs / g.Q;
    const Axis down = {starts_h, index_h, weight_h}, along = {starts_w, index_w, weight_w};
    const T* image = x + n * g.H * g.W * g.C + c;
    ACC sum[VEC] = {}, v[VEC];

    // combine
    if (!weight_h && !weight_w) {
        load_channels(image + (down.place(down.begin(p)) * g.W + along.place(along.begin(q))) * g.C, sum);
    } else {
        for (int f = along.begin(q); f < along.begin(q + 1); ++f) {
            const T* column = image + along.place(f) * g.C;
            ACC part[VEC] = {};
            for (int e = down.begin(p); e < down.begin(p + 1); ++e) {
                load_channels(column + down.place(e) * g.W * g.C, v);
#pragma unroll
                for (int j = 0; j < VEC; ++j) part[j] += times(down.by(e), v[j]);
            }
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum[j] += times(along.by(f), part[j]);
        }
    }

    // write
    store_channels(y + item * VEC, sum);
}
