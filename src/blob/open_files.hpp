#pragma once
// Files that are asked for again and again are opened once a second, not each time: of 64 KiB to a client, opening,
// looking at and closing are an eighth of the work.

#include "base/bounded_map.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>

namespace slipway::blob {

struct OpenFile {
  std::shared_ptr<const Fd> file;
  std::uint64_t size = 0;
};

/// In bytes, as it is now.
Result<std::uint64_t> size_of(const Fd& file);

/// Of files that never change, by a number of their own. Safe to call from any thread.
class OpenFiles {
public:
  /// What was opened a second ago is opened again, so that a file which somebody took away is missed. Fails as
  /// open_file() does.
  Result<OpenFile> open(std::uint64_t number, const std::function<std::filesystem::path()>& path);
  /// To be called when it was removed: what is open takes room on the disk.
  void forget(std::uint64_t number);

private:
  using Clock = std::chrono::steady_clock;
  struct Known {
    OpenFile opened;
    Clock::time_point at;
  };

  static constexpr std::size_t files_max = 128;
  static constexpr auto age_max = std::chrono::seconds(1);

  std::mutex m_mutex;  // guards the map
  BoundedMap<std::uint64_t, Known> m_known{files_max, std::size_t{1} << 20};
};

}  // namespace slipway::blob
