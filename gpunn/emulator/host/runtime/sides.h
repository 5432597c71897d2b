// Failures with two sides: what a thread does, where, and what another one did that does not fit.
#pragma once
#include <stdarg.h>
#include <stdio.h>
#include "sync.h"

namespace gpunn_host {

// A failure at `site` in words, printf's way; "{memory}" stands for the name of what lies at failure.parameter and offset.
[[gnu::cold]] [[gnu::format(printf, 2, 3)]] inline Failure in_words(uintptr_t site, const char* format, ...) {
    static char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    Failure failure = {};
    failure.kind = kTwoSides;
    failure.parameter = kNowhere;
    failure.site = site;
    failure.text = text;
    return failure;
}

[[gnu::cold]] inline void name_memory(Failure& failure, uintptr_t address, size_t bytes) {
    for (int i = 0; i < g_region_count; i++) {
        if (!contains(g_regions[i], address, bytes)) continue;
        failure.parameter = g_regions[i].kind;
        failure.offset = address - g_regions[i].low;
        failure.extent = g_regions[i].bytes;
        return;
    }
}

[[gnu::cold]] inline void add_side(Failure& failure, const Thread& other, const char* did, uintptr_t site) {
    copy_index(failure.other_thread, other.index);
    failure.other_text = did;
    failure.other_site = site;
}

// Where a thread that does not move stands.
[[gnu::cold]] inline void add_side(Failure& failure, const Thread& other) {
    bool waits = other.state == kAtNamed || other.state == kAtMbarrier || other.state == kAtMemory;
    const char* did = other.state == kDone ? "has left the kernel" : other.state == kNew ? "has not begun" : "waits";
    add_side(failure, other, did, waits ? other.wait->site : 0);
    if (other.state == kAtBarrier) failure.other_place = other.barrier_place;
    if (other.state == kAtWarp) failure.other_place = other.request->place;
}

}  // namespace gpunn_host
