#pragma once
// Numbers about the running process in the Prometheus text format (0.0.4). prometheus-cpp keeps them (metrics.cpp);
// this header hides it. Metrics are created once and live as long as their Metrics; updating one is lock-free for
// counters and gauges. Label values must come from a bounded set (routes, codes): never from a client.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace slipway {

using Labels = std::map<std::string, std::string>;

class Counter {
public:
  virtual ~Counter() = default;
  virtual void add(double amount = 1) = 0;
};

class Gauge {
public:
  virtual ~Gauge() = default;
  virtual void set(double value) = 0;
  virtual void add(double amount) = 0;
};

class Histogram {
public:
  virtual ~Histogram() = default;
  virtual void observe(double value) = 0;
};

/// Safe to call from any thread.
class Metrics {
public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;

  /// The same name and labels give the same object; a name has one kind and one help text.
  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  /// Buckets are for seconds: 0.5 ms to 60 s.
  Histogram& histogram(const std::string& name, const std::string& help, const Labels& labels = {});

  /// `collect` is called before each exposition, to set gauges whose value is derived, for as long as the returned
  /// handle is kept.
  using Collector = std::shared_ptr<std::function<void()>>;
  [[nodiscard]] Collector before_exposition(std::function<void()> collect);

  /// Everything, as text/plain; version=0.0.4.
  std::string expose();

private:
  struct State;
  std::unique_ptr<State> m_state;
};

}  // namespace slipway
