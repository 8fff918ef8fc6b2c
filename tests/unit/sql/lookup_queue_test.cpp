#include "sql/lookup_queue.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <gtest/gtest.h>
#include <stdexcept>
#include <thread>

namespace slipway::sql {
namespace {

using Lookup = LookupQueue::Lookup;
using Lookups = std::vector<Lookup*>;
using namespace std::chrono_literals;

LookupQueue::Limits limits(std::size_t asking_max, std::size_t batch_max, std::chrono::milliseconds turn = 1h) {
  return {.asking_max = asking_max, .batch_max = batch_max, .turn = turn};
}

void answer(const Lookups& lookups) {
  for (auto* lookup : lookups) lookup->has_answer = true;
}

/// Looks up, each on a thread of its own, and waits for all.
class Callers {
public:
  ~Callers() {
    for (auto& thread : m_threads) thread.join();
  }
  void add(LookupQueue& queue) {
    m_threads.emplace_back([&queue] {
      Lookup lookup;
      EXPECT_TRUE(queue.look_up(lookup));
      EXPECT_TRUE(lookup.has_answer);
    });
  }

private:
  std::vector<std::thread> m_threads;
};

TEST(LookupQueue, WhoIsAloneAsksAtOnce) {
  std::vector<std::size_t> batches;
  LookupQueue queue(limits(1, 10), [&](const Lookups& lookups) {
    batches.push_back(lookups.size());
    answer(lookups);
  });
  for (int i = 0; i < 3; ++i) {
    Lookup lookup;
    EXPECT_TRUE(queue.look_up(lookup));
    EXPECT_TRUE(lookup.has_answer);
  }
  EXPECT_EQ(batches, std::vector<std::size_t>({1, 1, 1}));
}

TEST(LookupQueue, WhoComesMeanwhileIsAskedForTogetherAndAfterwards) {
  std::promise<void> go_on;
  std::atomic<int> asking{0};
  std::vector<std::size_t> batches;  // by one thread at a time
  {
    LookupQueue queue(limits(1, 4), [&](const Lookups& lookups) {
      batches.push_back(lookups.size());
      if (++asking == 1) go_on.get_future().wait();
      answer(lookups);
    });
    Callers callers;
    callers.add(queue);
    while (asking == 0) std::this_thread::yield();
    for (int i = 0; i < 6; ++i) callers.add(queue);
    while (queue.waiting() < 6) std::this_thread::yield();
    go_on.set_value();
  }
  EXPECT_EQ(batches, std::vector<std::size_t>({1, 4, 2}));
}

TEST(LookupQueue, NoMoreAskThanMay) {
  std::atomic<int> asking{0};
  std::atomic<int> most{0};
  std::atomic<int> asked{0};
  LookupQueue queue(limits(2, 5), [&](const Lookups& lookups) {
    const int now = ++asking;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    EXPECT_LE(lookups.size(), 5U);
    asked += static_cast<int>(lookups.size());
    std::this_thread::yield();
    answer(lookups);
    --asking;
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        Lookup lookup;
        EXPECT_TRUE(queue.look_up(lookup));
        EXPECT_TRUE(lookup.has_answer);
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(asked, 16 * 500);
  EXPECT_LE(most, 2);
}

TEST(LookupQueue, WhoIsNotAskedForInTimeGoesAway) {
  std::promise<void> go_on;
  std::atomic<int> asking{0};
  std::atomic<int> asked{0};
  LookupQueue queue(limits(1, 10, 20ms), [&](const Lookups& lookups) {
    if (++asking == 1) go_on.get_future().wait();
    asked += static_cast<int>(lookups.size());
    answer(lookups);
  });
  {
    Callers callers;
    callers.add(queue);  // asks for longer than others wait, and hears the answer
    while (asking == 0) std::this_thread::yield();
    for (int i = 0; i < 3; ++i) {
      Lookup late;
      EXPECT_FALSE(queue.look_up(late));
      EXPECT_FALSE(late.has_answer);
    }
    EXPECT_EQ(queue.waiting(), 0U);
    go_on.set_value();
  }
  Lookup next;
  EXPECT_TRUE(queue.look_up(next));
  EXPECT_EQ(asked, 2);
}

TEST(LookupQueue, WhoIsBeingAskedForWaitsForTheAnswer) {
  std::promise<void> go_on;
  std::atomic<int> asking{0};
  LookupQueue queue(limits(1, 10, 300ms), [&](const Lookups& lookups) {
    const int now = ++asking;
    if (now == 1) go_on.get_future().wait();
    if (now == 2) std::this_thread::sleep_for(600ms);  // longer than the other's turn
    answer(lookups);
  });
  Callers callers;
  callers.add(queue);
  while (asking == 0) std::this_thread::yield();
  for (int i = 0; i < 2; ++i) callers.add(queue);
  while (queue.waiting() < 2) std::this_thread::yield();
  go_on.set_value();
}

TEST(LookupQueue, NobodyWaitsForEverForOneThatThrows) {
  std::promise<void> go_on;
  std::atomic<int> asking{0};
  std::atomic<int> unanswered{0};
  LookupQueue queue(limits(1, 2), [&](const Lookups&) {
    if (++asking == 1) go_on.get_future().wait();
    throw std::runtime_error("no memory, say");
  });
  std::vector<std::thread> threads;
  const auto add = [&] {
    threads.emplace_back([&] {
      Lookup lookup;
      EXPECT_TRUE(queue.look_up(lookup));
      if (!lookup.has_answer) ++unanswered;
    });
  };
  add();
  while (asking == 0) std::this_thread::yield();
  for (int i = 0; i < 5; ++i) add();
  while (queue.waiting() < 5) std::this_thread::yield();
  go_on.set_value();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(unanswered, 6);
}

}  // namespace
}  // namespace slipway::sql
