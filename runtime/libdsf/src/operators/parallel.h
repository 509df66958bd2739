// The ways in which loops hand their work to a session's threads.
#pragma once

#include <algorithm>
#include <atomic>

#include "base/caps.h"
#include "base/threads.h"

namespace dsf {

constexpr int64_t LONG_TASK = int64_t{1} << 26;  // multiplications before a task asks whether the run is cancelled
// Measured by tools/bench/tune.py loops.
constexpr int64_t GRAIN = 16384;  // elements a task: about 5 us of element-wise work, well above the cost of a task

// Calls f(slot, task) for every task. A slot is a thread's own, with its own scratch memory; there are as many as threads.
// A run that is cancelled begins no more of them: a task asks once, so a long one asks again as it goes along.
// Each thread starts with a range of neighbouring tasks, the same share in every loop, so that it finds in its own cache
// much of what it wrote in the loop before; then it helps the others, one of which may not even have woken up.
template <class F> void for_slots(Threads& threads, int64_t slots, int64_t tasks, F&& f) {
    struct alignas(64) Range {
        std::atomic<int64_t> next;
        int64_t end;
    };
    const int64_t count = std::min<int64_t>({slots, tasks, MAX_THREADS});
    if (count <= 1) {
        for (int64_t task = 0; task < tasks && !threads.cancelled(); ++task) f(int64_t{0}, task);
        return;
    }
    Range ranges[MAX_THREADS];
    for (int64_t i = 0; i < count; ++i) {
        ranges[i].next.store(tasks * i / count, std::memory_order_relaxed);
        ranges[i].end = tasks * (i + 1) / count;
    }
    threads.parallel(count, [&](int64_t) {
        const int64_t slot = Threads::number();
        for (int64_t i = 0; i < count; ++i) {
            Range& range = ranges[(slot + i) % count];
            for (int64_t task; (task = range.next.fetch_add(1)) < range.end && !threads.cancelled();) f(slot, task);
        }
    });
}

// Calls f(begin, end) for pieces that cover [0, elements).
template <class F> void for_chunks(Threads& threads, int64_t elements, F&& f, int64_t grain = GRAIN) {
    const int64_t chunks = (elements + grain - 1) / grain;
    for_slots(threads, threads.count(), chunks,
              [&](int64_t, int64_t chunk) { f(chunk * grain, std::min(elements, (chunk + 1) * grain)); });
}

// f(begin, end) over pieces of [0, items), where an item is `cost` elements of work.
template <class F> void for_items(Threads& threads, int64_t items, int64_t cost, F&& f) {
    for_chunks(threads, items, f, std::max<int64_t>(1, GRAIN / std::max<int64_t>(1, cost)));
}

}  // namespace dsf
