// Fibers: one a CUDA thread. A switch saves the registers that a called function must preserve, and nothing else.
#pragma once
#include <algorithm>
#include <deque>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#if !defined(__x86_64__) && !defined(__aarch64__)
#define GPUNN_UCONTEXT 1   // slower (a system call a switch), and everywhere
#endif
#if defined(GPUNN_UCONTEXT)
#include <ucontext.h>
#endif

namespace gpunn_host {

constexpr size_t kStackBytes = 128 << 10;   // kernels keep locals in registers: a few KB would do, printf wants more
constexpr int kMaxThreads = 1024;

#if defined(GPUNN_UCONTEXT)
using Context = ucontext_t*;
inline void switch_context(Context* from, Context to) {
    ucontext_t here;
    *from = &here;
    swapcontext(&here, to);
}
#else
using Context = void*;
extern "C" void gpunn_switch(Context* from, Context to);
inline void switch_context(Context* from, Context to) { gpunn_switch(from, to); }
#endif

#if defined(__x86_64__)
asm(R"(
.text
.globl gpunn_switch
.hidden gpunn_switch
.type gpunn_switch, @function
gpunn_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size gpunn_switch, .-gpunn_switch
)");
#elif defined(__aarch64__)
asm(R"(
.text
.globl gpunn_switch
.hidden gpunn_switch
.type gpunn_switch, %function
gpunn_switch:
    sub sp, sp, #160
    stp x19, x20, [sp]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size gpunn_switch, .-gpunn_switch
)");
#endif

// All stacks lie in one range, so that "is this address a local variable" is one comparison.
class Stacks {
  public:
    uintptr_t low = 0;
    size_t bytes = 0;

    // So many, and one more, the last, for the scheduler's own work that may fail. Those of a launch whose blocks run
    // together are given back by the next: the pages that they have touched would stay.
    bool prepare(int threads) {
        size_t wanted = kStackBytes * (std::max(threads, kMaxThreads) + 1);
        if (low && bytes == wanted) return true;
        if (low) munmap(reinterpret_cast<void*>(low), bytes);
        low = bytes = 0;
        void* memory = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) return false;
        low = reinterpret_cast<uintptr_t>(memory);
        bytes = wanted;
        for (size_t slot = 0; slot < bytes; slot += kStackBytes)   // an overflow must not reach the neighbour's stack
            mprotect(reinterpret_cast<void*>(low + slot), 4096, PROT_NONE);
        return true;
    }

    int spare() const { return static_cast<int>(bytes / kStackBytes) - 1; }

    // A context that will run `body` on stack `slot`. `body` must not return.
    Context start(int slot, void (*body)()) {
        // Equal offsets in every stack would put all live frames into the same few cache sets.
        uintptr_t top = low + (slot + size_t(1)) * kStackBytes - 64 - (slot % 61) * 64;
#if defined(GPUNN_UCONTEXT)
        static std::deque<ucontext_t> contexts;            // a deque, so that those in use stay where they are
        if (contexts.size() <= size_t(slot)) contexts.resize(slot + 1);
        ucontext_t* context = &contexts[slot];
        getcontext(context);
        context->uc_stack.ss_sp = reinterpret_cast<void*>(top - kStackBytes + 8192);
        context->uc_stack.ss_size = kStackBytes - 8192;
        context->uc_link = nullptr;
        makecontext(context, body, 0);
        return context;
#elif defined(__x86_64__)
        void** frame = reinterpret_cast<void**>(top & ~uintptr_t(63));
        *--frame = nullptr;                               // body sees a stack as after a call: 8 past a multiple of 16
        *--frame = reinterpret_cast<void*>(body);
        for (int saved = 0; saved < 6; saved++) *--frame = nullptr;
        return frame;
#else
        void** frame = reinterpret_cast<void**>((top & ~uintptr_t(63)) - 160);
        for (int word = 0; word < 20; word++) frame[word] = nullptr;
        frame[11] = reinterpret_cast<void*>(body);        // x30: where `ret` goes
        return frame;
#endif
    }
};

}  // namespace gpunn_host
