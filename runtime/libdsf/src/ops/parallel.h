// Ways to hand work to a session's threads.
#pragma once

#include <algorithm>
#include <atomic>

#include "../threads.h"

namespace dsf {

constexpr int64_t GRAIN = 16384;  // elements a task: about 5 us of element-wise work, well above the cost of a task

// f(begin, end) over pieces of [0, elements).
template <class F> void for_chunks(Threads& threads, int64_t elements, F&& f, int64_t grain = GRAIN) {
    const int64_t chunks = (elements + grain - 1) / grain;
    threads.parallel(chunks, [&](int64_t chunk) { f(chunk * grain, std::min(elements, (chunk + 1) * grain)); });
}

// f(begin, end) over pieces of [0, items), where an item is `cost` elements of work.
template <class F> void for_items(Threads& threads, int64_t items, int64_t cost, F&& f) {
    for_chunks(threads, items, f, std::max<int64_t>(1, GRAIN / std::max<int64_t>(1, cost)));
}

// f(slot, task) for every task; at most `slots` run at once, each with a slot number of its own: its scratch memory.
template <class F> void for_slots(Threads& threads, int64_t slots, int64_t tasks, F&& f) {
    std::atomic<int64_t> next{0};
    threads.parallel(std::min(slots, tasks), [&](int64_t slot) {
        for (int64_t task; (task = next.fetch_add(1)) < tasks;) f(slot, task);
    });
}

}  // namespace dsf
