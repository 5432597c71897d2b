// A kernel that divides an integer by zero, overflows its stack or (unchecked) follows a wild pointer raises a signal. The
// launch then fails with the place, and the process lives.
#pragma once
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>
#include "state.h"

namespace gpunn_host {

inline sigjmp_buf g_before_blocks;
inline const int g_signals[] = {SIGFPE, SIGSEGV, SIGBUS};
inline struct sigaction g_previous[3];

inline uint64_t interrupted_at(void* context) {
#if defined(__x86_64__)
    return static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return static_cast<ucontext_t*>(context)->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

inline void on_signal(int signal, siginfo_t* info, void* context) {
    Failure& failure = g.failure = {};
    failure.kind = kCrash;
    failure.waiting = signal;
    failure.offset = reinterpret_cast<int64_t>(info->si_addr);
    failure.site = interrupted_at(context) + 1;    // sites are return addresses: one past
    failure.extent = signal != SIGFPE && static_cast<uintptr_t>(failure.offset) - g.stacks.low < g.stacks.bytes;
    if (g.current) copy_index(failure.thread, g.current->index);
    copy_index(failure.block, gpunn_block_idx);
    siglongjmp(g_before_blocks, 1);
}

inline void catch_signals() {
    static char handler_stack[64 << 10];           // the fiber's own may be what overflowed
    stack_t stack = {};
    stack.ss_sp = handler_stack;
    stack.ss_size = sizeof handler_stack;
    sigaltstack(&stack, nullptr);
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < 3; i++) sigaction(g_signals[i], &action, &g_previous[i]);
}

inline void release_signals() {
    for (int i = 0; i < 3; i++) sigaction(g_signals[i], &g_previous[i], nullptr);
}

}  // namespace gpunn_host
