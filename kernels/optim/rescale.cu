/*
The loss's scale after a step: smaller where a gradient was not finite, larger after many steps in which all were.

math:     where state[3]: state = {state[0]*backoff, 0, state[2] + 1, 0}; else state[1] += 1, and when that is `every`,
          state[1] = 0 and, up to 2^126, state[0] *= growth
layout:   state 4 numbers: the scale, good steps in a row, steps skipped in all, whether this one was
threads:  one
shared:   0
flops:    1
bytes:    32
requires: growth and backoff are powers of two; `every` below 2^24
numerics: exact
*/
#include "../common.cuh"

static const float MOST = 8.507059173e37f;  // 2^126: one over it is the least float that is not flushed to zero

extern "C" __global__ void rescale(float* state, float growth, float backoff, int every) {
    if (state[3] != 0) {
        state[0] *= backoff;
        state[1] = 0;
        state[2] += 1;
        state[3] = 0;
    } else {
        const float good = state[1] + 1;
        const float larger = state[0] * growth;
        if (good >= every && larger <= MOST) state[0] = larger;
        state[1] = good >= every ? 0 : good;
    }
}
