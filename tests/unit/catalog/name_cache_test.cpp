#include "catalog/name_cache.hpp"

#include <gtest/gtest.h>
#include <thread>

namespace slipway::catalog {
namespace {

using Cache = NameCache<int>;

constexpr std::size_t plenty = 1U << 20;

/// The value, or -1.
int value_of(Cache& cache, const std::string& name) {
  std::uint64_t ticket = 0;
  return cache.find(name, ticket).value_or(-1);
}

/// Looks a name up in vain, as a reader does before it asks the database.
std::uint64_t ticket_for(Cache& cache, const std::string& name) {
  std::uint64_t ticket = 0;
  EXPECT_FALSE(cache.find(name, ticket));
  return ticket;
}

TEST(NameCache, KeepsWhatIsOffered) {
  Cache cache(10, plenty);
  cache.offer("a", 1, 4, ticket_for(cache, "a"));
  EXPECT_EQ(value_of(cache, "a"), 1);
  EXPECT_EQ(value_of(cache, "b"), -1);
  EXPECT_EQ(cache.hits(), 1U);
  EXPECT_EQ(cache.misses(), 2U);
}

TEST(NameCache, ForgetsANameThatChanges) {
  Cache cache(10, plenty);
  cache.offer("a", 1, 4, ticket_for(cache, "a"));
  cache.offer("b", 2, 4, ticket_for(cache, "b"));
  cache.begin_change("a");
  EXPECT_EQ(value_of(cache, "a"), -1);
  EXPECT_EQ(value_of(cache, "b"), 2);
  cache.end_change();
  EXPECT_EQ(value_of(cache, "a"), -1);
}

TEST(NameCache, RefusesAnOfferDuringAChange) {
  Cache cache(10, plenty);
  cache.begin_change("a");
  cache.offer("a", 1, 4, ticket_for(cache, "a"));
  EXPECT_EQ(value_of(cache, "a"), -1);
  cache.end_change();
  EXPECT_EQ(value_of(cache, "a"), -1);
}

TEST(NameCache, RefusesAnOfferReadBeforeAChange) {
  Cache cache(10, plenty);
  const auto ticket = ticket_for(cache, "a");
  cache.begin_change("a");
  cache.end_change();
  cache.offer("a", 1, 4, ticket);
  EXPECT_EQ(value_of(cache, "a"), -1);
}

TEST(NameCache, RefusesAnOfferReadWithinAChangeThatIsOver) {
  Cache cache(10, plenty);
  cache.begin_change("a");
  const auto ticket = ticket_for(cache, "a");
  cache.end_change();
  cache.offer("a", 1, 4, ticket);
  EXPECT_EQ(value_of(cache, "a"), -1);
}

TEST(NameCache, TakesAnOfferReadAfterAChange) {
  Cache cache(10, plenty);
  cache.begin_change("a");
  cache.end_change();
  cache.offer("a", 2, 4, ticket_for(cache, "a"));
  EXPECT_EQ(value_of(cache, "a"), 2);
}

TEST(NameCache, WaitsForEveryChangeThatOverlaps) {
  Cache cache(10, plenty);
  cache.begin_change("a");
  cache.begin_change("b");
  cache.end_change();
  cache.offer("a", 1, 4, ticket_for(cache, "a"));
  EXPECT_EQ(value_of(cache, "a"), -1);
  cache.end_change();
  cache.offer("a", 2, 4, ticket_for(cache, "a"));
  EXPECT_EQ(value_of(cache, "a"), 2);
}

TEST(NameCache, ForgetsEverythingWhenEverythingChanges) {
  Cache cache(10, plenty);
  for (const auto* name : {"a", "b", "c"}) cache.offer(name, 1, 4, ticket_for(cache, name));
  cache.begin_change_of_all();
  for (const auto* name : {"a", "b", "c"}) EXPECT_EQ(value_of(cache, name), -1);
  cache.end_change();
  cache.offer("a", 2, 4, ticket_for(cache, "a"));
  EXPECT_EQ(value_of(cache, "a"), 2);
}

TEST(NameCache, KeepsTheFirstOfTwoOffers) {
  Cache cache(10, plenty);
  const auto first = ticket_for(cache, "a");
  const auto second = ticket_for(cache, "a");
  cache.offer("a", 1, 4, first);
  cache.offer("a", 1, 4, second);
  EXPECT_EQ(value_of(cache, "a"), 1);
}

TEST(NameCache, ANoteTakesThePlaceOfTheLast) {
  Cache cache(2, plenty);
  cache.begin_change("b");
  cache.note("a", 1, 4);
  cache.note("a", 2, 4);
  EXPECT_EQ(value_of(cache, "a"), 2);
  cache.note("b", 3, 4);
  cache.note("c", 4, 4);
  EXPECT_EQ(value_of(cache, "a"), -1);  // two at most
  EXPECT_EQ(value_of(cache, "c"), 4);
}

TEST(NameCache, DropsWhatWasNotUsedForLongest) {
  Cache cache(3, plenty);
  for (const auto* name : {"a", "b", "c"}) cache.offer(name, 1, 4, ticket_for(cache, name));
  EXPECT_EQ(value_of(cache, "a"), 1);  // used again: now b is the oldest
  cache.offer("d", 1, 4, ticket_for(cache, "d"));
  EXPECT_EQ(value_of(cache, "b"), -1);
  for (const auto* name : {"a", "c", "d"}) EXPECT_EQ(value_of(cache, name), 1) << name;
}

TEST(NameCache, IsBoundedInBytesToo) {
  Cache cache(1000, 100'000);
  for (int i = 0; i < 100; ++i) {
    const auto name = std::to_string(i);
    cache.offer(name, i, 20'000, ticket_for(cache, name));
  }
  int kept = 0;
  for (int i = 0; i < 100; ++i) kept += value_of(cache, std::to_string(i)) == i;
  EXPECT_EQ(kept, 4);  // 20,000 and what an entry itself needs
  EXPECT_EQ(value_of(cache, "99"), 99);
}

TEST(NameCache, DoesNotKeepOneThingInsteadOfAllOthers) {
  Cache cache(1000, 1000);
  cache.offer("small", 1, 10, ticket_for(cache, "small"));
  cache.offer("large", 2, 500, ticket_for(cache, "large"));
  EXPECT_EQ(value_of(cache, "large"), -1);
  EXPECT_EQ(value_of(cache, "small"), 1);
}

TEST(NameCache, GetsTheBytesBackOfWhatItForgets) {
  Cache cache(1000, 1000);
  for (int round = 0; round < 100; ++round) {
    cache.offer("a", 1, 200, ticket_for(cache, "a"));
    EXPECT_EQ(value_of(cache, "a"), 1) << round;
    round % 2 ? cache.begin_change("a") : cache.begin_change_of_all();
    cache.end_change();
  }
}

TEST(NameCache, NeverShowsWhatTheDatabaseHasLeft) {
  // One thread changes the truth as a commit does, others read it as the catalog does.
  Cache cache(10, plenty);
  std::atomic<int> truth{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      while (!done) {
        const int least = truth;
        std::uint64_t ticket = 0;
        auto found = cache.find("a", ticket);
        if (!found) {
          found = truth.load();
          cache.offer("a", *found, 4, ticket);
        }
        // Before the commit both are right; a value from before the last change that was over is not.
        EXPECT_GE(*found, least - 1);
      }
    });
  for (int i = 1; i < 3000; ++i) {
    cache.begin_change("a");
    truth = i;
    cache.end_change();
    EXPECT_TRUE(value_of(cache, "a") == -1 || value_of(cache, "a") == i);
  }
  done = true;
  for (auto& reader : readers) reader.join();
}

}  // namespace
}  // namespace slipway::catalog
