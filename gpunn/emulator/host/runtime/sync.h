// Barriers of a block and rendezvous of a warp. A thread that has to wait goes back to the scheduler; what no thread can
// resolve any more is reported with the two sides of the disagreement.
#pragma once
#include "order.h"

namespace gpunn_host {

inline void wait_in_scheduler() { switch_context(&g.current->context, g.scheduler); }

[[noreturn]] inline void fail_divergent(FailureKind kind, const Thread& here, Place place, const Thread* other,
                                        Place other_place) {
    Failure failure = {};
    failure.kind = kind;
    failure.place = place;
    if (other) {
        copy_index(failure.other_thread, other->index);
        failure.other_place = other_place;
    }
    failure.total = static_cast<int32_t>(g.threads.size());
    failure.waiting = g.at_barrier;
    failure.exited = g.done;
    fail(failure, &here);
}

// Called by the scheduler when every thread of the block waits at a barrier.
inline void release_barrier() {
    const Thread& first = g.threads[0];
    int count = 0;
    for (const Thread& t : g.threads) {
        if (t.barrier_place.line != first.barrier_place.line || t.barrier_op != first.barrier_op)
            return;   // left as it stands: nothing can move, and the scheduler reports it
        count += t.barrier_predicate != 0;
    }
    int total = static_cast<int>(g.threads.size());
    g.barrier_result = first.barrier_op == kBarrierCount ? count : first.barrier_op == kBarrierAnd ? count == total : count > 0;
    for (Thread& t : g.threads) t.state = kReady;
    g.at_barrier = g.retries = 0;
    g.barriers++;
    order_threads();
}

inline bool warp_complete(const Warp& warp, unsigned mask) {
    return ((warp.waiting | warp.gone | ~warp.exists) & mask) == mask;
}

inline Thread* lane_thread(int warp, int lane) { return &g.threads[warp * 32 + lane]; }

// Runs when the last lane has arrived: all requests lie on waiting stacks, so values move from stack to stack.
inline void finish_warp(int warp_id, unsigned mask) {
    Warp& warp = g.warps[warp_id];
    unsigned lanes = warp.waiting & mask;
    const Thread* first = lane_thread(warp_id, __builtin_ctz(lanes));
    unsigned ballot = 0;
    for (unsigned rest = lanes; rest; rest &= rest - 1) {
        const Thread* t = lane_thread(warp_id, __builtin_ctz(rest));
        const WarpRequest *a = first->request, *b = t->request;
        if (a->op != b->op || a->mask != b->mask || a->place.line != b->place.line)
            fail_divergent(kDivergentWarp, *first, a->place, t, b->place);
        if (b->op == kWarpVote && b->source) ballot |= rest & -rest;
    }
    for (unsigned rest = lanes; rest; rest &= rest - 1) {
        int lane = __builtin_ctz(rest);
        WarpRequest* request = lane_thread(warp_id, lane)->request;
        request->arrived = lanes;
        if (request->op == kWarpShuffle) {
            // From a lane that takes no part the value is undefined: NaN, so that using it shows.
            if (!(lanes >> request->source & 1)) memset(request->result, 0xFF, request->size);
            else memcpy(request->result, lane_thread(warp_id, request->source)->request->value, request->size);
        } else if (request->op == kWarpVote) {
            memcpy(request->result, &ballot, sizeof ballot);
        } else if (request->op == kWarpGather) {
            for (int from = 0; from < 32; from++) {
                char* to = static_cast<char*>(request->result) + from * request->size;
                if (lanes >> from & 1) memcpy(to, lane_thread(warp_id, from)->request->value, request->size);
                else memset(to, 0xFF, request->size);
            }
        }
    }
    for (unsigned rest = lanes; rest; rest &= rest - 1) lane_thread(warp_id, __builtin_ctz(rest))->state = kReady;
    warp.waiting &= ~lanes;
    order_warp(warp_id);
}

// A thread that exits counts as arrived at every later rendezvous of its warp, as on hardware since Volta.
inline void leave_warp(const Thread& thread) {
    int warp_id = thread.id / 32;
    Warp& warp = g.warps[warp_id];
    warp.gone |= 1u << (thread.id & 31);
    if (!warp.waiting) return;
    unsigned mask = lane_thread(warp_id, __builtin_ctz(warp.waiting))->request->mask;
    if (warp_complete(warp, mask)) finish_warp(warp_id, mask);
}

// Called by the scheduler when no thread can run, and not all are done.
[[gnu::cold]] inline void report_deadlock() {
    const Thread *barrier = nullptr, *warp = nullptr, *exited = nullptr;
    for (const Thread& t : g.threads) {
        if (t.state == kAtBarrier && barrier &&
            (t.barrier_place.line != barrier->barrier_place.line || t.barrier_op != barrier->barrier_op))
            fail_divergent(kDivergentBarrier, *barrier, barrier->barrier_place, &t, t.barrier_place);
        if (t.state == kAtBarrier && !barrier) barrier = &t;
        if (t.state == kAtWarp && !warp) warp = &t;
        if (t.state == kDone && !exited) exited = &t;
    }
    if (warp) {
        unsigned missing = warp->request->mask & g.warps[warp->id / 32].exists & ~g.warps[warp->id / 32].waiting;
        const Thread* absent = missing ? lane_thread(warp->id / 32, __builtin_ctz(missing)) : nullptr;
        Place place = {};
        if (absent && absent->state == kAtBarrier) place = absent->barrier_place;
        else if (absent && absent->request) place = absent->request->place;
        fail_divergent(kDivergentWarp, *warp, warp->request->place, absent, place);
    }
    fail_divergent(kDivergentBarrier, *barrier, barrier->barrier_place, exited, Place());
}

}  // namespace gpunn_host

extern "C" int gpunn_block_barrier(int op, int predicate, const char* file, int line) {
    using namespace gpunn_host;
    Thread* t = g.current;
    t->state = kAtBarrier;
    t->barrier_op = op;
    t->barrier_place = {file, line};
    t->barrier_predicate = predicate;
    g.at_barrier++;
    wait_in_scheduler();
    return g.barrier_result;
}

extern "C" void gpunn_warp(gpunn_host::WarpRequest* request) {
    using namespace gpunn_host;
    Thread* t = g.current;
    int warp_id = t->id / 32;
    Warp& warp = g.warps[warp_id];
    unsigned bit = 1u << (t->id & 31);
    if (!(request->mask & bit)) {
        Failure failure = {};
        failure.kind = kWarpMask;
        failure.place = request->place;
        fail(failure);
    }
    t->request = request;
    t->state = kAtWarp;
    warp.waiting |= bit;
    if (warp_complete(warp, request->mask)) finish_warp(warp_id, request->mask);
    else wait_in_scheduler();
    t->request = nullptr;
}

extern "C" void gpunn_assert_failed(const char* text, const char* file, int line) {
    gpunn_host::Failure failure = {};
    failure.kind = gpunn_host::kAssert;
    failure.place = {file, line};
    failure.text = text;
    gpunn_host::fail(failure);
}
