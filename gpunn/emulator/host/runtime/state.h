// The state of one launch: what Python passes in, the threads of the running block, and how a launch fails.
#pragma once
#include <stdint.h>
#include <string.h>
#include <vector>
#include "../abi.h"
#include "fiber.h"

namespace gpunn_host {

enum Schedule : int32_t { kForward, kReverse, kRandom };
// kSpin: a thread may look at memory until it changes; kEarly: copies arrive when issued, not at the wait.
// kZeros: what nobody wrote holds zeros, not 0xFF bytes.
enum Check : int32_t { kCount = 1, kRace = 2, kSpin = 4, kEarly = 8, kZeros = 16 };

// Mirrored by loader.py's and launch.py's struct formats.
enum Use : int32_t { kConstant, kOutput, kShared, kGlobal };   // the last two: variables of the module
struct ArrayArgument {
    uint64_t low, bytes;
    int32_t use, parameter;
    uint64_t unwritten;         // a byte for each of the array's, other than 0 where nobody wrote that one; null: all is written
};
struct Launch {
    void (*entry)(void**);
    void** arguments;
    const ArrayArgument* arrays;
    const char* shared_low;     // from the first to the last of the module's static __shared__ variables
    const char* shared_high;
    const char* module_low;     // everything the module loaded: its constants and globals
    const char* module_high;
    uint64_t argument_low, argument_bytes;   // where `arguments` point: structs are copied from there by checked code
    uint64_t seed, first;                    // first: the block that runs first; those below it do not run
    uint32_t grid[3], block[3];
    uint32_t dynamic_shared;
    int32_t array_count, schedule, checks;
    int32_t together;                        // how many blocks may run together; 1: one after the other
};

enum FailureKind : int32_t {
    kNone, kOutOfBounds, kMisaligned, kReadOnly, kNull, kDivergentBarrier, kDivergentWarp, kWarpMask, kRaceFound,
    kAssert, kNoMemory, kAsyncShape, kCrash, kTwoSides, kUnwritten, kStillFilling
};
enum Other : int32_t { kOtherThread, kOtherBlock, kThreadOfOtherBlock, kNobody };   // whom other_text is about
struct Failure {
    int32_t kind, parameter;          // parameter: >= 0 an array, otherwise a RegionKind
    int64_t offset, bytes, extent;    // of the access; extent: bytes of the region
    int32_t write, other_write;
    Place place, other_place;
    uint32_t thread[3], block[3], other_thread[3];
    int32_t waiting, exited, total;
    uint64_t site, other_site;
    const char *text, *other_text;    // kTwoSides: what this thread does, and what the other
    uint32_t other_block[3];
    int32_t other;                    // an Other
};

struct Meeting;
// What a thread waits for at a named barrier, an mbarrier or a place in memory; it lives on the thread's stack.
struct Wait {
    uintptr_t address, site;      // address: of the mbarrier or the memory; a named barrier's number
    uint64_t seen;                // memory: what it held; mbarrier: the phase that is to end
    int bytes;                    // memory: of `seen`; 0: nothing is watched, and the thread gives others their turn
    int retry;                    // goes on without what it waits for when nothing else can, which counts so much; 0: never
    Meeting* meeting;             // receives what was done before it opened
};

enum ThreadState : uint8_t { kNew, kReady, kAtBarrier, kAtWarp, kAtNamed, kAtMbarrier, kAtMemory, kDone };
struct Thread {
    Context context;
    uint3 index;
    int id, slot;
    ThreadState state;
    int barrier_op, barrier_predicate;
    Place barrier_place;
    WarpRequest* request;
    Wait* wait;
};
struct Warp { unsigned exists, waiting, gone; };

// The running block; the others of a launch whose blocks run together lie in together.h.
struct Block {
    uint3 index;
    std::vector<Thread> threads;
    Warp warps[kMaxThreads / 32];
    int at_barrier, done, barrier_result;
};

struct State : Block {
    Launch launch;
    Failure failure;
    Stacks stacks;
    Context scheduler;
    std::vector<int> free_slots;
    Thread* current;
    uint64_t barriers, random;
    int retries;                      // how often threads have looked once more since anything else came of it
    bool active;

    uint64_t next_random() {          // xorshift64*, Vigna 2016
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        return random * 0x2545F4914F6CDD1DULL;
    }
};
inline State g;

inline void copy_index(uint32_t (&to)[3], const uint3& from) {
    to[0] = from.x;
    to[1] = from.y;
    to[2] = from.z;
}

// The first failure counts. Fibers are simply abandoned: device code owns nothing that needs a destructor.
[[noreturn]] inline void fail(Failure failure, const Thread* thread = nullptr) {
    if (!thread) thread = g.current;
    if (thread) copy_index(failure.thread, thread->index);
    copy_index(failure.block, gpunn_block_idx);
    if (!g.failure.kind) g.failure = failure;
    Context abandoned;
    switch_context(&abandoned, g.scheduler);
    abort();
}

}  // namespace gpunn_host
