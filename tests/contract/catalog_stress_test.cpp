// Several threads put, read and delete one tag; afterwards the tag's own history says whether what each saw was true at
// some moment between its question and its answer.

#include "catalog_contract.hpp"

#include <algorithm>
#include <gtest/gtest-spi.h>
#include <map>
#include <mutex>
#include <thread>

namespace slipway::catalog {
namespace {

/// An answered operation on the tag. `start` and `end` order all operations of the test.
struct Event {
  std::uint64_t start;
  std::uint64_t end;
  std::string seen;  ///< the digest it put or found; empty: it deleted or found nothing
  bool writes;
};

class CatalogStress : public CatalogContract {
protected:
  CatalogStress() {
    if (!m_database->is_shared()) return;
    m_other_database = m_ground->open();
    m_other_catalog = std::move(Catalog::open(*m_other_database, m_clock).value());
  }

  /// Where several servers share the database, one operation is done by this one and the next by another.
  Catalog& catalog() { return m_other_catalog && m_turns++ % 2 == 1 ? *m_other_catalog : *m_catalog; }

  template <typename Operation>
  void record(std::vector<Event>& events, bool writes, Operation operation) {
    Event event{.start = m_ticks++, .end = 0, .seen = {}, .writes = writes};
    const bool happened = operation(event.seen);
    event.end = m_ticks++;
    if (happened) events.push_back(std::move(event));
  }

  void put_often(int writer, int times, std::vector<Event>& events) {
    for (int i = 0; i < times; ++i)
      record(events, true, [&](std::string& seen) {
        const auto pushed = manifest(std::to_string(writer) + "-" + std::to_string(i));
        seen = pushed.digest.text();
        const bool put = catalog().put_manifest("r", pushed, {"t"}, "alice", true).has_value();
        EXPECT_TRUE(put);
        return put;
      });
  }

  void delete_often(const std::atomic<bool>& done, std::vector<Event>& events) {
    while (!done) record(events, true, [&](std::string&) { return catalog().remove_tag("r", "t", "x").has_value(); });
  }

  void read_often(const std::atomic<bool>& done, std::vector<Event>& events) {
    while (!done)
      record(events, false, [&](std::string& seen) {
        const auto found = catalog().find_tag("r", "t");
        if (found) seen = found->digest.text();
        EXPECT_TRUE(found || found.error().failure == Failure::not_found);
        return true;
      });
  }

  std::atomic<std::uint64_t> m_ticks{0};
  std::atomic<std::uint64_t> m_turns{0};
  std::unique_ptr<sql::Database> m_other_database;
  std::unique_ptr<Catalog> m_other_catalog;
};
INSTANTIATE_FOR_DATABASES(CatalogStress);

/// The tag's states in their order: nothing at first, then one for each move.
struct States {
  std::map<std::string, std::size_t> of_digest;
  std::vector<std::size_t> absent{0};
  std::vector<std::uint64_t> begun{0};  ///< when the write that led there was asked for

  /// The first state without the tag, not before `least`.
  std::size_t absent_from(std::size_t least) const {
    const auto found = std::ranges::lower_bound(absent, least);
    return found == absent.end() ? begun.size() : *found;
  }
};

States states_of(const std::vector<TagMove>& newest_first, const std::vector<Event>& events) {
  States out;
  std::map<std::string, std::uint64_t> put_begun;
  std::vector<std::uint64_t> delete_begun;  // one thread deletes: its deletions are in its order
  for (const auto& event : events) {
    if (event.writes && event.seen.empty()) delete_begun.push_back(event.start);
    if (event.writes && !event.seen.empty()) put_begun[event.seen] = event.start;
  }
  std::size_t deletions = 0;
  for (auto move = newest_first.rbegin(); move != newest_first.rend(); ++move) {
    const auto state = out.begun.size();
    if (move->digest)
      out.of_digest[*move->digest] = state;
    else
      out.absent.push_back(state);
    out.begun.push_back(move->digest ? put_begun.at(*move->digest) : delete_begun.at(deletions++));
  }
  return out;
}

/// Each event must have a state that is not older than what any event that ended before it began had, and not from its
/// future. The oldest such state leaves the most room to all others.
void expect_linearizable(std::vector<Event> events, const States& states) {
  std::ranges::sort(events, {}, &Event::end);
  std::vector<std::size_t> newest;  // of all events up to the same index
  for (const auto& event : events) {
    const auto before = std::ranges::lower_bound(events, event.start, {}, &Event::end) - events.begin();
    const auto least = before == 0 ? 0 : newest[static_cast<std::size_t>(before) - 1];
    const auto state = event.seen.empty() ? states.absent_from(least) : states.of_digest.at(event.seen);
    ASSERT_GE(state, least) << "an older value after a newer one";
    ASSERT_LT(state, states.begun.size()) << "nothing found though the tag was there all the time";
    ASSERT_LT(states.begun[state], event.end) << "a value from the future";
    newest.push_back(std::max(state, newest.empty() ? 0 : newest.back()));
  }
}

TEST_P(CatalogStress, ATagIsLinearizable) {
  std::array<std::vector<Event>, 6> events;
  std::atomic<bool> done{false};
  std::vector<std::thread> others;
  for (std::size_t i = 2; i < 5; ++i) others.emplace_back([&, i] { read_often(done, events[i]); });
  others.emplace_back([&] { delete_often(done, events[5]); });
  std::thread second_writer([&] { put_often(2, 100, events[1]); });
  put_often(1, 100, events[0]);
  second_writer.join();
  done = true;
  for (auto& thread : others) thread.join();

  std::vector<Event> all;
  for (const auto& some : events) all.insert(all.end(), some.begin(), some.end());
  const auto states = states_of(m_catalog->tag_history("r", "t", 1'000'000).value(), all);
  EXPECT_EQ(states.of_digest.size(), 200U);
  expect_linearizable(std::move(all), states);
}

TEST(ExpectLinearizable, FindsAnOlderValueAfterANewerOne) {
  States states;
  states.of_digest = {{"one", 1}, {"two", 2}};
  states.begun = {0, 0, 0};
  const std::vector<Event> good = {{1, 2, "one", false}, {3, 4, "two", false}};
  const std::vector<Event> bad = {{1, 2, "two", false}, {3, 4, "one", false}};
  const std::vector<Event> overlapping = {{1, 4, "two", false}, {2, 3, "one", false}};
  expect_linearizable(good, states);
  expect_linearizable(overlapping, states);
  static std::vector<Event> static_bad;  // the macro below cannot see locals
  static States static_states;
  static_bad = bad;
  static_states = states;
  EXPECT_FATAL_FAILURE(expect_linearizable(static_bad, static_states), "an older value");
}

}  // namespace
}  // namespace slipway::catalog
