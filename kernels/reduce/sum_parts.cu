/*
The last step of every sum that was split among blocks: adds the parts in their order.

math:     out[i] = sum over j < J of parts[j,i]
layout:   parts (J,L), out (L), row-major
threads:  one an element
shared:   0
flops:    J*L
bytes:    4*J*L + e*L
requires: none
numerics: part 0 first: the same bits at every run
*/
#include "../common.cuh"

extern "C" __global__ void sum_parts(const ACC* parts, T* out, i64 L, int J) {
    const i64 i = thread_index();
    if (i >= L) return;
    ACC sum = parts[i];
    for (int j = 1; j < J; ++j) sum += parts[j * L + i];
    store(out + i, sum);
}
