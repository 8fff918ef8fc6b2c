#include "base/metrics.hpp"

#include <mutex>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace slipway {
namespace {

class CounterAdapter final : public Counter {
public:
  explicit CounterAdapter(prometheus::Counter& counter) : m_counter(counter) {}
  void add(double amount) override { m_counter.Increment(amount); }

private:
  prometheus::Counter& m_counter;
};

class GaugeAdapter final : public Gauge {
public:
  explicit GaugeAdapter(prometheus::Gauge& gauge) : m_gauge(gauge) {}
  void set(double value) override { m_gauge.Set(value); }
  void add(double amount) override { m_gauge.Increment(amount); }

private:
  prometheus::Gauge& m_gauge;
};

class HistogramAdapter final : public Histogram {
public:
  explicit HistogramAdapter(prometheus::Histogram& histogram) : m_histogram(histogram) {}
  void observe(double value) override { m_histogram.Observe(value); }

private:
  prometheus::Histogram& m_histogram;
};

const prometheus::Histogram::BucketBoundaries seconds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                         0.25,   0.5,   1,      2.5,   5,    10,    30,   60};

}  // namespace

struct Metrics::State {
  std::mutex mutex;
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  std::map<std::pair<std::string, Labels>, std::unique_ptr<Counter>> counters;
  std::map<std::pair<std::string, Labels>, std::unique_ptr<Gauge>> gauges;
  std::map<std::pair<std::string, Labels>, std::unique_ptr<Histogram>> histograms;
  std::vector<std::weak_ptr<std::function<void()>>> collectors;

  /// The adapter of (name, labels) in `known`, made by `make` the first time.
  template <typename Kind, typename Make>
  Kind& find(std::map<std::pair<std::string, Labels>, std::unique_ptr<Kind>>& known, const std::string& name,
             const Labels& labels, Make make) {
    const std::lock_guard lock(mutex);
    auto& slot = known[{name, labels}];
    if (!slot) slot = make();
    return *slot;
  }
};

Metrics::Metrics() : m_state(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return m_state->find(m_state->counters, name, labels, [&] {
    auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(m_state->registry);
    return std::make_unique<CounterAdapter>(family.Add(labels));
  });
}

Gauge& Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return m_state->find(m_state->gauges, name, labels, [&] {
    auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(m_state->registry);
    return std::make_unique<GaugeAdapter>(family.Add(labels));
  });
}

Histogram& Metrics::histogram(const std::string& name, const std::string& help, const Labels& labels) {
  return m_state->find(m_state->histograms, name, labels, [&] {
    auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(m_state->registry);
    return std::make_unique<HistogramAdapter>(family.Add(labels, seconds));
  });
}

Metrics::Collector Metrics::before_exposition(std::function<void()> collect) {
  auto handle = std::make_shared<std::function<void()>>(std::move(collect));
  const std::lock_guard lock(m_state->mutex);
  m_state->collectors.push_back(handle);
  return handle;
}

std::string Metrics::expose() {
  std::vector<std::weak_ptr<std::function<void()>>> collectors;
  {
    const std::lock_guard lock(m_state->mutex);
    collectors = m_state->collectors;
  }
  for (const auto& collector : collectors)
    if (const auto collect = collector.lock()) (*collect)();
  return prometheus::TextSerializer().Serialize(m_state->registry.Collect());
}

}  // namespace slipway
