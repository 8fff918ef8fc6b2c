#include "base/metrics.hpp"

#include <gtest/gtest.h>
#include <thread>

namespace slipway {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, ExposeCountersAndGaugesWithHelpAndKind) {
  Metrics metrics;
  metrics.counter("pulls_total", "Pulls answered").add(2);
  metrics.gauge("uploads", "Open uploads").set(7);
  const auto text = metrics.expose();
  EXPECT_TRUE(has_line(text, "# HELP pulls_total Pulls answered")) << text;
  EXPECT_TRUE(has_line(text, "# TYPE pulls_total counter")) << text;
  EXPECT_TRUE(has_line(text, "pulls_total 2")) << text;
  EXPECT_TRUE(has_line(text, "# TYPE uploads gauge")) << text;
  EXPECT_TRUE(has_line(text, "uploads 7")) << text;
}

TEST(Metrics, GiveTheSameObjectForTheSameNameAndLabels) {
  Metrics metrics;
  auto& first = metrics.counter("requests_total", "Requests", {{"code", "200"}});
  EXPECT_EQ(&first, &metrics.counter("requests_total", "Requests", {{"code", "200"}}));
  EXPECT_NE(&first, &metrics.counter("requests_total", "Requests", {{"code", "404"}}));
  first.add();
  const auto text = metrics.expose();
  EXPECT_TRUE(has_line(text, "requests_total{code=\"200\"} 1")) << text;
  EXPECT_TRUE(has_line(text, "requests_total{code=\"404\"} 0")) << text;
}

TEST(Metrics, CountObservationsInBuckets) {
  Metrics metrics;
  auto& seconds = metrics.histogram("request_seconds", "Time", {{"route", "blob.get"}});
  seconds.observe(0.003);
  seconds.observe(100);
  const auto text = metrics.expose();
  EXPECT_TRUE(has_line(text, "request_seconds_bucket{route=\"blob.get\",le=\"0.0025\"} 0")) << text;
  EXPECT_TRUE(has_line(text, "request_seconds_bucket{route=\"blob.get\",le=\"0.005\"} 1")) << text;
  EXPECT_TRUE(has_line(text, "request_seconds_bucket{route=\"blob.get\",le=\"+Inf\"} 2")) << text;
  EXPECT_TRUE(has_line(text, "request_seconds_count{route=\"blob.get\"} 2")) << text;
}

TEST(Metrics, AskCollectorsBeforeEachExposition) {
  Metrics metrics;
  auto& gauge = metrics.gauge("asked", "How often");
  int asked = 0;
  const auto collector = metrics.before_exposition([&] { gauge.set(++asked); });
  EXPECT_TRUE(has_line(metrics.expose(), "asked 1"));
  EXPECT_TRUE(has_line(metrics.expose(), "asked 2"));
}

TEST(Metrics, ForgetACollectorWithItsHandle) {
  Metrics metrics;
  int asked = 0;
  {
    const auto collector = metrics.before_exposition([&] { ++asked; });
    static_cast<void>(metrics.expose());
  }
  static_cast<void>(metrics.expose());
  EXPECT_EQ(asked, 1);
}

TEST(Metrics, ACollectorMayMakeNewMetrics) {
  Metrics metrics;
  const auto collector = metrics.before_exposition([&] { metrics.gauge("late", "Made while exposing").set(1); });
  EXPECT_TRUE(has_line(metrics.expose(), "late 1"));
}

TEST(Metrics, GoDownAsWellAsUp) {
  Metrics metrics;
  auto& gauge = metrics.gauge("open", "Open things");
  gauge.add(3);
  gauge.add(-2);
  EXPECT_TRUE(has_line(metrics.expose(), "open 1"));
}

TEST(Metrics, EscapeWhatALabelHolds) {
  Metrics metrics;
  metrics.counter("odd_total", "Odd", {{"name", "a\"b\\c\nd"}}).add();
  EXPECT_TRUE(has_line(metrics.expose(), R"(odd_total{name="a\"b\\c\nd"} 1)")) << metrics.expose();
}

TEST(Metrics, LoseNothingUnderManyThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) metrics.counter("shared_total", "Shared", {{"n", std::to_string(n % 3)}}).add();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(has_line(metrics.expose(), "shared_total{n=\"0\"} 1336")) << metrics.expose();
}

}  // namespace
}  // namespace slipway
