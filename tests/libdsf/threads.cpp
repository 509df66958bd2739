// threads: every task once, whatever the number of tasks and threads; workers that sleep; many sessions; a fork
#include "threads.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "error.h"
#include "expect.h"

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

// Whoever changes a worker's processors while it is kept off one of them is obeyed. Kernels have no call that changes them
// only if they are still the same, so a change at the very moment of waking may be lost.
void changed_processors_stay() {
    cpu_set_t all, one;
    EXPECT(sched_getaffinity(0, sizeof all, &all) == 0);
    if (CPU_COUNT(&all) < 2) return;
    dsf::Threads threads(2);
    std::atomic<int> worker{0};
    while (worker.load() == 0)
        threads.parallel(2, [&](int64_t) {
            if (dsf::Threads::number() > 0) worker = static_cast<int>(syscall(SYS_gettid));
            else std::this_thread::sleep_for(std::chrono::milliseconds(1));
        });
    const auto may_use = [&](const cpu_set_t& expected) {
        cpu_set_t now;
        return sched_getaffinity(worker, sizeof now, &now) == 0 && CPU_EQUAL(&now, &expected);
    };
    int changed = 0, kept = 0;
    for (int round = 0; round < 40; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        std::atomic<bool> ended{false}, found{false};
        std::thread other([&] {
            while (!ended && may_use(all)) {}
            if (ended || sched_getaffinity(worker, sizeof one, &one) != 0 || CPU_EQUAL(&one, &all)) return;
            CPU_XOR(&one, &one, &all);  // the processor that was taken from it
            found = sched_setaffinity(worker, sizeof one, &one) == 0;
        });
        threads.parallel(2, [&](int64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
        ended = true;
        other.join();
        if (!found) continue;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        ++changed;
        kept += may_use(one);
        sched_setaffinity(worker, sizeof all, &all);
    }
    EXPECT(2 * kept >= changed);
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
    changed_processors_stay();
    created_and_destroyed();
    several_at_once();
    after_a_fork();
}
