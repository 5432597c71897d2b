/*
The last node of a captured step: what it has measured goes to the host's memory, which reads it without stalling.

math:     results[turn % slots] = {turn + 1, number, first fault's number and row, values as double}; turn += 1
layout:   results (slots,4+M) in mapped memory of the host; feed[0] is the step's number; state {turn, used};
          fault {number of the first step with a fault, 0: none; its row}
threads:  a warp; a thread takes one value
shared:   8*32
flops:    M
bytes:    16*M
requires: one block of 32 threads; at most 32 values
numerics: each value exactly, as double. A value's fault is not to be finite: `watched` is -1 where that is always one,
          the row of a count where it is one unless the count is 0, and -2 where it is none
*/
#include "../common.cuh"

const int ROWS = 32, HEAD = 4;
enum { NEVER = -2, ALWAYS = -1 };  // else the row of a count
enum { FLOAT, DOUBLE, INT, LONG, HALF, BFLOAT, BYTE };

struct Table {
    const void* value[32];
    int type[32];
    int watched[32];
    int rows;
};

__device__ __forceinline__ double value_of(const void* p, int type) {
    switch (type) {
        case FLOAT: return *(const float*)p;
        case DOUBLE: return *(const double*)p;
        case INT: return *(const int*)p;
        case LONG: return (double)*(const i64*)p;
        case HALF: return load((const float16*)p);
        case BFLOAT: return load((const bfloat16*)p);
        default: return *(const unsigned char*)p;
    }
}

extern "C" __global__ void __launch_bounds__(32) step_end(
    const __grid_constant__ Table table, const i64* feed, i64* state, i64* fault, double* results, int slots)
{
    __shared__ double value[ROWS];
    const int me = threadIdx.x;
    const i64 turn = state[0];
    double* slot = results + turn % slots * (HEAD + ROWS);

    // write the values
    if (me < table.rows) slot[HEAD + me] = value[me] = value_of(table.value[me], table.type[me]);
    __threadfence_system();
    __syncthreads();
    if (me) return;

    // keep the first fault
    for (int row = 0; row < table.rows && fault[0] == 0; ++row) {
        const int unless = table.watched[row];
        const bool counts = unless == ALWAYS || (unless >= 0 && value[unless] != 0);
        if (counts && !isfinite(value[row])) fault[0] = feed[0], fault[1] = row;
    }
    slot[1] = feed[0], slot[2] = fault[0], slot[3] = fault[1];

    // then say that all is there
    __threadfence_system();
    slot[0] = turn + 1;
    state[0] = turn + 1;
}
