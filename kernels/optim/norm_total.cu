/*
Norm of many tensors taken as one vector, second half: one block joins the parts.

math:     norm = (sum over j < J of sum[j] / unit[j]^order)^(1/order), or their maximum where order is infinite
layout:   parts (J,2): unit, sum; norm one number
threads:  one block; thread t takes parts t, t + 256, ...
shared:   512*max(e,4)
flops:    4*J
bytes:    max(e,4)*(2*J + 1)
requires: 256 threads, one block; order > 0
numerics: ACC, a fixed order: the same bits at every run
*/
#include "norm.cuh"

extern "C" __global__ void __launch_bounds__(256) norm_total(const ACC* parts, ACC* norm, int J, ACC order) {
    Sum sum = norm_start(order);
    for (i64 j = threadIdx.x; j < J; j += THREADS) sum = norm_joined(sum, {parts[2 * j], parts[2 * j + 1]}, order);
    sum = norm_block(sum, order);
    if (threadIdx.x == 0) *norm = norm_root(sum, order);
}
