// threads: every task once, whatever the number of tasks and threads; workers that sleep; many sessions; a fork
#include "base/threads.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "expect.h"
#include "base/kept_off.h"
#include "operators/parallel.h"

namespace {

// Each task writes to a place of its own, without atomics: a task that ran twice or late is a race that TSan sees.
void run_all(dsf::Threads& threads, int64_t tasks) {
    std::vector<int> runs(static_cast<size_t>(tasks));
    threads.parallel(tasks, [&](int64_t task) { ++runs[static_cast<size_t>(task)]; });
    for (int count : runs) EXPECT(count == 1);
}

void loops_of_every_size() {
    for (int count : {1, 2, 3, 7}) {
        dsf::Threads threads(count);
        EXPECT(threads.count() == count);
        for (int64_t tasks : {0, 1, 2, 3, 5, 64, 1000}) run_all(threads, tasks);
    }
}

void many_short_loops() {
    dsf::Threads threads(3);
    int64_t sum = 0;
    for (int loop = 0; loop < 20000; ++loop) {
        int64_t parts[4] = {};
        threads.parallel(4, [&](int64_t task) { parts[task] = task + loop; });
        for (int64_t part : parts) sum += part;
    }
    EXPECT(sum == 20000ll * 6 + 4ll * (19999ll * 20000 / 2));
}

void sleeping_workers_wake() {
    dsf::Threads threads(4);
    for (int round = 0; round < 20; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        run_all(threads, 50);
    }
}

// The caller keeps workers off its own processor while they wake; then they may use all of theirs again.
void workers_keep_their_processors() {
    cpu_set_t before;
    EXPECT(sched_getaffinity(0, sizeof before, &before) == 0);
    dsf::Threads threads(4);
    for (int round = 0; round < 20; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        std::atomic<int> started{0};
        std::atomic<bool> same{true};
        threads.parallel(4, [&](int64_t) {
            ++started;  // every thread takes one task: nobody ends before all have begun
            while (started.load() < 4) std::this_thread::yield();
            cpu_set_t now;
            if (sched_getaffinity(0, sizeof now, &now) != 0 || !CPU_EQUAL(&before, &now)) same = false;
        });
        EXPECT(same);
    }
}

bool may_use(const cpu_set_t& expected) {
    cpu_set_t now;
    return sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &expected);
}

void processors_are_taken_and_given_back() {
    cpu_set_t all, others, one;
    EXPECT(sched_getaffinity(0, sizeof all, &all) == 0);
    if (CPU_COUNT(&all) < 2) return;
    int processor = 0;
    while (!CPU_ISSET(static_cast<size_t>(processor), &all)) ++processor;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(processor), &one);
    CPU_XOR(&others, &all, &one);

    dsf::KeptOff off;
    off.take_back();  // nothing was taken
    EXPECT(may_use(all));
    off.take(pthread_self(), -1);  // the caller's is not known
    EXPECT(may_use(all));
    off.take(pthread_self(), processor);
    EXPECT(may_use(others));
    off.take(pthread_self(), processor);  // a second caller finds it done
    off.take_back();
    EXPECT(may_use(all));

    off.take(pthread_self(), processor);  // somebody else's word stays
    EXPECT(sched_setaffinity(0, sizeof one, &one) == 0);
    off.take_back();
    EXPECT(may_use(one));

    off.take(pthread_self(), processor);  // its only one
    EXPECT(may_use(one));
    off.take_back();
    EXPECT(may_use(one));
    EXPECT(sched_setaffinity(0, sizeof all, &all) == 0);
}

// A loop that is cancelled from within begins no more tasks, those after it none at all, until runs are allowed again.
void cancelled_loops_end_early() {
    for (int count : {1, 3}) {
        dsf::Threads threads(count);
        std::atomic<int64_t> begun{0};
        dsf::for_slots(threads, count, 1000000, [&](int64_t, int64_t) {
            if (begun.fetch_add(1) == 10) threads.cancel();
        });
        EXPECT(begun.load() > 10 && begun.load() < 1000000);
        begun = 0;
        dsf::for_chunks(threads, 1 << 20, [&](int64_t, int64_t) { ++begun; });
        EXPECT(begun.load() == 0 && threads.cancelled());
        threads.allow();
        dsf::for_slots(threads, count, 1000, [&](int64_t, int64_t) { ++begun; });
        EXPECT(begun.load() == 1000 && !threads.cancelled());
    }
}

void created_and_destroyed() {
    for (int cycle = 0; cycle < 500; ++cycle) {
        dsf::Threads threads(3);
        if (cycle % 2) run_all(threads, 10);
    }
}

void several_at_once() {
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i)
        callers.emplace_back([] {
            dsf::Threads threads(2);
            for (int loop = 0; loop < 500; ++loop) run_all(threads, 20);
        });
    for (std::thread& caller : callers) caller.join();
}

// The child has no workers: its loops run on one thread, and it ends.
void after_a_fork() {
    auto threads = std::make_unique<dsf::Threads>(3);
    run_all(*threads, 100);
    pid_t child = fork();
    if (child == 0) {
        run_all(*threads, 100);
        threads.reset();
        _exit(0);
    }
    int status = -1;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    run_all(*threads, 100);
}

}  // namespace

int main() {
    loops_of_every_size();
    many_short_loops();
    sleeping_workers_wake();
    workers_keep_their_processors();
    processors_are_taken_and_given_back();
    cancelled_loops_end_early();
    created_and_destroyed();
    several_at_once();
    after_a_fork();
}
