/*
conv3d gradient of the weight, naive: one warp, one element of gw.

math:     gw[k,c,t,r,s] = sum over n,o,p,q of gy[n,k,o,p,q] * x[n, c, o*stride_d - pad_d + t*dil_d, p.., q..]
layout:   gy (N,O,P,Q,K), x (N,D,H,W,C), gw (K,C/groups,T,R,S) with T named A here, row-major
threads:  a warp owns gw's element of its own index; lane l sums positions l, l+32, ... of each sample
shared:   0
flops:    2*N*O*P*Q*K*(C//G)*A*R*S
bytes:    e*(N*D*H*W*C + N*O*P*Q*K + K*(C//G)*A*R*S)
requires: one sample of x and of y, and w, below 2^31 elements
numerics: 32 running sums in ACC, joined as a tree of fixed shape: the same bits at every run
*/
#include "../common.cuh"

extern "C" __global__ void conv3d_naive_grad_weight(
    const T* gy, const T* x, T* gw,
    int N, int C, int D, int H, int W, int K, int A, int R, int S, int O, int P, int Q,
    int stride_d, int stride_h, int stride_w, int pad_d, int pad_h, int pad_w,
    int dil_d, int dil_h, int dil_w, int groups)
{
    const int Cg = C / groups, lane = threadIdx.x % 32;
    const i64 i = thread_index() / 32;
    if (i >= (i64)K * Cg * A * R * S) return;  // a whole warp leaves: the shuffles below lose no lane
    const int s = i % S, r = i / S % R, a = i / (S * R) % A, c = i / (A * R * S) % Cg, k = i / ((i64)A * R * S * Cg);
    const int channel = k / (K / groups) * Cg + c;

    ACC sum = 0;
    for (int n = 0; n < N; ++n) {
        const T* above = gy + (i64)n * O * P * Q * K + k;
        const T* image = x + (i64)n * D * H * W * C + channel;
        for (int at = lane; at < O * P * Q; at += 32) {
            const int d = at / (P * Q) * stride_d - pad_d + a * dil_d;
            const int h = at / Q % P * stride_h - pad_h + r * dil_h, v = at % Q * stride_w - pad_w + s * dil_w;
            if (d < 0 || d >= D || h < 0 || h >= H || v < 0 || v >= W) continue;
            sum += load(above + at * K) * load(image + ((d * H + h) * W + v) * C);
        }
    }
    for (int half = 16; half > 0; half /= 2) sum += __shfl_down_sync(0xffffffffu, sum, half);
    if (lane == 0) store(gw + i, sum);
}
