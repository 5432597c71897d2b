/*
The first node of a captured step: what the host has written for this replay comes to the device.

math:     feed[i] = ring[turn % slots, i] for the first `used` packs; state is {turn, used}
layout:   ring (slots,stride) in mapped memory of the host, feed (stride), in 64-bit words; used in packs of 16 bytes
threads:  a thread moves 16 bytes
shared:   0
flops:    2*L
bytes:    32*L
requires: stride even, used packs at most stride / 2; the host has written the slot before the graph is launched
numerics: bits as they are
*/
#include "../common.cuh"

extern "C" __global__ void step_begin(const i64* ring, const i64* state, i64* feed, int slots, int stride)
{
    const i64 at = thread_index(), turn = state[0], used = state[1];
    if (at < used) store_pack(feed + 2 * at, load_pack(ring + turn % slots * stride + 2 * at));
}
