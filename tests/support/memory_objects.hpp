#pragma once
// Objects in memory, whose calls can be made to fail.

#include "blob/objects.hpp"
#include "support/fault_plan.hpp"

#include <map>

namespace slipway::test {

/// Not safe for concurrent use.
class MemoryObjects final : public blob::Objects {
public:
  FaultPlan plan;
  std::map<std::string, std::string> all;
  std::string refuse;  ///< names with this in them cannot be put, where it is not empty

  Result<> put(const std::string& name, std::string_view bytes) override {
    if (!refuse.empty() && name.find(refuse) != name.npos) return fail(Failure::no_space, "injected fault");
    return plan.run([&]() -> Result<> {
      all[name] = bytes;
      return {};
    });
  }
  Result<std::string> get(const std::string& name) override {
    return plan.run([&]() -> Result<std::string> {
      const auto found = all.find(name);
      return found == all.end() ? fail(Failure::not_found, "no " + name) : Result<std::string>(found->second);
    });
  }
  Result<> remove(const std::string& name) override {
    return plan.run([&]() -> Result<> {
      all.erase(name);
      return {};
    });
  }
  Result<std::vector<blob::NamedObject>> list() override {
    return plan.run([&]() -> Result<std::vector<blob::NamedObject>> {
      std::vector<blob::NamedObject> out;
      for (const auto& [name, bytes] : all) out.push_back({name, bytes.size()});
      return out;
    });
  }
};

}  // namespace slipway::test
