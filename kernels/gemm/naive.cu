/*
Matrix product, naive: one thread, one element of c.

math:     c[m,n] = f(sum over k of a[m,k] * b[k,n] + bias[n]), of each batch; a[m,k] is times f' (y[m,k]) where y is given
layout:   a, b and y with any strides; c (G,M,N) row-major; bias (N); a column N of b holds ones where gb (M) is given,
          which takes its sums
threads:  a thread owns the element of its own index
shared:   0
flops:    2*M*N*K*G
bytes:    e*(M*K + K*N + M*N)*G
requires: nothing
numerics: one running sum in ACC, k rising
optional: bias y c gb
*/
#include "geometry.cuh"

extern "C" __global__ void gemm_naive(
    const T* a, const T* b, const T* bias, const T* y, T* c, T* gb, i64 G, i64 M, i64 N, i64 K, i64 a_row, i64 a_depth,
    i64 b_depth, i64 b_column, i64 inner, i64 outer_a, i64 inner_a, i64 outer_b, i64 inner_b, int activation)
{
    // seek to this thread's element, its row of a and column of b
    const i64 columns = gb ? N + 1 : N, i = thread_index();
    if (i >= G * M * columns) return;
    const i64 n = i % columns, m = i / columns % M, batch = i / columns / M;
    const i64 row = batch / inner * outer_a + batch % inner * inner_a + m * a_row;
    const T* column = b + batch / inner * outer_b + batch % inner * inner_b + n * b_column;

    // combine
    ACC sum = 0;
    for (i64 k = 0; k < K; ++k) {
        ACC v = load(a + row + k * a_depth);
        if (y) v = derived(v, load(y + row + k * a_depth), activation);
        sum += n < N ? v * load(column + k * b_depth) : v;
    }

    // write
    if (n == N) {
        store(gb + m, sum);
    } else {
        if (bias) sum += load(bias + n);
        store(c + (batch * M + m) * N + n, y ? sum : activated(sum, activation));
    }
}
